package pafornode

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/internal/money"
)

// hostileText draws what a debt-position system may have stored without
// meaning harm, and what somebody may who does.
var hostileText = rapid.Custom(func(t *rapid.T) string {
	piece := rapid.SampledFrom([]string{
		"", " ", "a", "Comune di Provopoli", "&", "<", ">", "\"", "'", "&amp;", "&#60;", "]]>", "<!--", "</data>", "<?xml?>",
		"è", "€", "𝄞", "👩‍👩‍👧", "e\u0301", "\u202e", "\u0085", "\u2028", "\ufeff", "\ufffd", "\ufffe", "\uffff",
		"\x00", "\x08", "\x0b", "\x1f", "\x7f", "\t", "\n", "\r", "\r\n", "\xff", "\xc3", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80",
		strings.Repeat("x", 34), strings.Repeat("è", 69), strings.Repeat("𝄞", 139), strings.Repeat("&", 141),
	})
	return strings.Join(rapid.SliceOfN(piece, 0, 4).Draw(t, "pieces"), "")
})

var hostileEntries = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) MapEntry {
	return MapEntry{hostileText.Draw(t, "key"), hostileText.Draw(t, "value")}
}), 0, 18)

var hostileSubject = rapid.Custom(func(t *rapid.T) Subject {
	text := func(what string) string { return hostileText.Draw(t, what) }
	return Subject{
		text("type"), text("code"), text("name"), text("street"), text("number"), text("postal code"), text("city"),
		text("province"), text("country"), text("e-mail"),
	}
})

// mended is what must arrive of a text with a limit.
func mended(text string, most int, whenEmpty string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if (r >= ' ' || r == '\t' || r == '\n' || r == '\r') && r != 0xFFFE && r != 0xFFFF && n < most {
			b.WriteRune(r)
			n++
		}
	}
	if n == 0 {
		return whenEmpty
	}
	return b.String()
}

func TestWhateverAPaymentHoldsItsAnswerIsValid(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func(what string) string { return hostileText.Draw(rt, what) }
		op := rapid.SampledFrom([]Operation{GetPayment, GetPaymentV2}).Draw(rt, "operation")
		p := &Payment{
			CreditorReferenceID: text("iuv"), DueDate: text("due"), RetentionDate: text("retention"),
			Description: text("description"), CompanyName: text("company"), OfficeName: text("office"),
			Debtor: hostileSubject.Draw(rt, "debtor"), Metadata: hostileEntries.Draw(rt, "metadata"),
		}
		for i := range rapid.IntRange(1, 5).Draw(rt, "transfers") {
			tr := Transfer{
				IDTransfer: i + 1, Amount: money.Cents(rapid.Int64Range(1, int64(money.Max)/5).Draw(rt, "amount")),
				FiscalCodePA: "77777777777", CompanyName: text("company"), IBAN: text("iban"),
				RemittanceInformation: text("remittance"), TransferCategory: text("category"),
				Metadata: hostileEntries.Draw(rt, "metadata"),
			}
			p.Amount += tr.Amount
			p.Transfers = append(p.Transfers, tr)
		}
		r := answered(t, AppendPaymentOK(nil, op, p))
		if r.Outcome != "OK" || r.Payment.Amount != p.Amount || len(r.Payment.Transfers) != len(p.Transfers) {
			rt.Fatalf("answered %+v", r)
		}
		for what, pair := range map[string][2]string{
			"iuv":         {r.Payment.CreditorReferenceID, mended(p.CreditorReferenceID, 35, "-")},
			"description": {r.Payment.Description, mended(p.Description, 140, "-")},
			"office":      {r.Payment.OfficeName, mended(p.OfficeName, 140, "")},
			"name":        {r.Payment.Debtor.FullName, mended(p.Debtor.FullName, 70, "-")},
			"iban":        {r.Payment.Transfers[0].IBAN, mended(p.Transfers[0].IBAN, 35, "-")},
		} {
			if pair[0] != pair[1] {
				rt.Errorf("%s arrives as %q, want %q", what, pair[0], pair[1])
			}
		}
	})
}

func TestWhateverAVerifyHoldsItsAnswerIsValid(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func(what string) string { return hostileText.Draw(rt, what) }
		v := &VerifyOK{
			Amount: money.Cents(rapid.Int64Range(1, int64(money.Max)).Draw(rt, "amount")), DueDate: text("due"),
			DetailDescription: text("detail"), PaymentDescription: text("description"), FiscalCodePA: "77777777777",
			CompanyName: text("company"), OfficeName: text("office"),
		}
		r := answered(t, AppendVerifyOK(nil, v))
		if r.Verify.Amount != v.Amount || r.Verify.PaymentDescription != mended(v.PaymentDescription, 140, "-") {
			rt.Fatalf("answered %+v", r.Verify)
		}
	})
}

func TestWhateverARefusalSaysItIsValid(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func(what string) string { return hostileText.Draw(rt, what) }
		op := rapid.SampledFrom(Operations()).Draw(rt, "operation")
		f := &Fault{Code: text("code"), String: text("string"), ID: text("id"), Description: text("description")}
		if r := answered(t, AppendKO(nil, op, f)); r.Outcome != "KO" {
			rt.Fatalf("answered %+v", r)
		}
		if err := validate(t, string(AppendSOAPFault(nil, text("fault")))); err != nil {
			rt.Fatal(err)
		}
	})
}

// Errors and flags go to logs and to the Nodo; values do not.
func TestErrorsHoldNoValues(t *testing.T) {
	const secret = "PRVMRA80A01H501X"
	for _, v := range vectors(t, "req") {
		for _, spoiled := range []string{
			strings.ReplaceAll(v.message, "77777777777", secret),
			strings.ReplaceAll(v.message, "301000000000012345", secret),
			strings.ReplaceAll(v.message, "2026-", secret),
			strings.ReplaceAll(v.message, "IT<", secret+strings.Repeat("x", 300)+"<"),
			strings.ReplaceAll(v.message, ".00<", secret+"<"),
			strings.ReplaceAll(v.message, "idStation", secret),
			strings.ReplaceAll(v.message, "description", secret),
		} {
			r, err := DecodeRequest(spoiled)
			var said []string
			if err != nil {
				said = append(said, err.Error())
			}
			if r.Receipt != nil {
				said = append(said, r.Receipt.Flags...)
			}
			for _, s := range said {
				if strings.Contains(s, secret) || !utf8.ValidString(s) {
					t.Errorf("%s: %q", v.name, s)
				}
			}
		}
	}
}

func TestTheCreditorOfABrokenRequestIsKnownWhenItCanBeRead(t *testing.T) {
	for _, v := range vectors(t, "req") {
		if v.verdict != "content" {
			continue
		}
		_, err := DecodeRequest(v.message)
		content, ok := err.(*ContentError)
		if !ok {
			t.Fatalf("%s: %v", v.name, err)
		}
		want := ""
		if v.name == "req_verify_children_in_inherited_default_namespace" {
			continue // what stands there is another idPA
		}
		if strings.Contains(v.message, "<idPA>77777777777</idPA>") {
			want = "77777777777"
		}
		if content.IDPA != want {
			t.Errorf("%s: creditor %q, want %q", v.name, content.IDPA, want)
		}
		if content.Operation.RequestName() == "" || !strings.HasPrefix(content.Path, content.Operation.RequestName()) {
			t.Errorf("%s: operation %v, path %s", v.name, content.Operation, content.Path)
		}
	}
}
