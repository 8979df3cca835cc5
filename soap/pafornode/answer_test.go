package pafornode

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/internal/money"
)

// fine is a payment that uses every field version 2 has.
func fine() *Payment {
	return &Payment{
		CreditorReferenceID: "01000000000012345",
		Amount:              12_200,
		DueDate:             "2026-12-31",
		RetentionDate:       "2026-12-30T23:59:59",
		LastPayment:         true,
		HasLastPayment:      true,
		Description:         "Contravvenzione 12345/2026",
		CompanyName:         "Comune di Provopoli",
		OfficeName:          "Polizia locale",
		Debtor: Subject{
			EntityType: "F", EntityCode: "PRVMRA80A01H501X", FullName: "Mario Prova", StreetName: "Via delle Prove",
			CivicNumber: "7/bis", PostalCode: "00100", City: "Provopoli", StateProvinceRegion: "RM", Country: "IT",
			EMail: "mario.prova+avvisi@posta.example",
		},
		Transfers: []Transfer{
			{
				IDTransfer: 1, Amount: 10_000, FiscalCodePA: "77777777777", CompanyName: "Comune di Provopoli",
				IBAN: "IT60X0542811101000000123456", RemittanceInformation: "Contravvenzione 12345/2026",
				TransferCategory: "0101101IM", Metadata: []MapEntry{{"IBANAPPOGGIO", "IT60X0760111101000000123456"}},
			},
			{
				IDTransfer: 2, Amount: 1_600, FiscalCodePA: "77777777777", CompanyName: "Comune di Provopoli",
				Stamp:                 &Stamp{HashDocument: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Type: "01", Province: "RM"},
				RemittanceInformation: "Marca da bollo", TransferCategory: "0101101IM",
			},
			{
				IDTransfer: 3, Amount: 600, FiscalCodePA: "77777777778", CompanyName: "Regione Prova",
				IBAN: "IT60X0542811101000000654321", RemittanceInformation: "Addizionale", TransferCategory: "0201102IM",
			},
		},
		Metadata: []MapEntry{{"NOTIFICATION_FEE", "200"}, {"ANNO", "2026"}},
	}
}

// fineV1 is the same payment as far as version 1 can carry it.
func fineV1() *Payment {
	p := fine()
	p.Transfers[1].Stamp, p.Transfers[1].IBAN = nil, "IT60X0542811101000000123456"
	for i := range p.Transfers {
		p.Transfers[i].CompanyName = ""
	}
	return p
}

func fineVerify() *VerifyOK {
	return &VerifyOK{
		Amount: 12_200, DueDate: "2026-12-31", DetailDescription: "Contravvenzione 12345/2026", AllCCP: true,
		PaymentDescription: "Contravvenzione 12345/2026", FiscalCodePA: "77777777777",
		CompanyName: "Comune di Provopoli", OfficeName: "Polizia locale",
	}
}

// answered checks that an answer is pure ASCII, valid against the schema and
// readable by the other side, and returns how the other side reads it.
func answered(tb testing.TB, answer []byte) *Response {
	tb.Helper()
	for _, c := range answer {
		if c >= 0x80 || c < ' ' && c != '\n' && c != '\t' {
			tb.Fatalf("byte %#x in %q", c, answer)
		}
	}
	if err := validate(tb, string(answer)); err != nil {
		tb.Fatalf("%v in %s", err, answer)
	}
	r, err := DecodeResponse(string(answer))
	if err != nil {
		tb.Fatalf("%v in %s", err, answer)
	}
	return r
}

func TestAVerifyIsReadAsItWasWritten(t *testing.T) {
	for name, v := range map[string]*VerifyOK{
		"full":                  fineVerify(),
		"without what may lack": {Amount: 1, PaymentDescription: "x", FiscalCodePA: "00000000000", CompanyName: "y"},
		"the largest amount":    {Amount: money.Max, PaymentDescription: "à <&> € 𝄞", FiscalCodePA: "77777777777", CompanyName: " "},
	} {
		r := answered(t, AppendVerifyOK(nil, v))
		want := &Response{Operation: VerifyPaymentNotice, Outcome: "OK", Verify: v, Options: "EQ"}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAPaymentIsReadAsItWasWritten(t *testing.T) {
	for op, p := range map[Operation]*Payment{GetPayment: fineV1(), GetPaymentV2: fine()} {
		r := answered(t, AppendPaymentOK(nil, op, p))
		want := &Response{Operation: op, Outcome: "OK", Payment: p}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%v: %s", op, diff)
		}
	}
}

func TestReceiptsAreAccepted(t *testing.T) {
	for _, op := range []Operation{SendRT, SendRTV2} {
		want := &Response{Operation: op, Outcome: "OK"}
		if diff := cmp.Diff(want, answered(t, AppendReceiptOK(nil, op))); diff != "" {
			t.Errorf("%v: %s", op, diff)
		}
	}
}

func TestEveryOperationRefusesWithEveryCode(t *testing.T) {
	codes := []string{
		"PAA_SINTASSI_XSD", "PAA_SINTASSI_EXTRAXSD", "PAA_ID_DOMINIO_ERRATO", "PAA_ID_INTERMEDIARIO_ERRATO",
		"PAA_STAZIONE_INT_ERRATA", "PAA_RECEIPT_DUPLICATA", "PAA_PAGAMENTO_SCONOSCIUTO", "PAA_PAGAMENTO_DUPLICATO",
		"PAA_PAGAMENTO_IN_CORSO", "PAA_PAGAMENTO_SCADUTO", "PAA_PAGAMENTO_ANNULLATO", "PAA_SEMANTICA", "PAA_SYSTEM_ERROR",
	}
	for _, op := range Operations() {
		for _, code := range codes {
			f := &Fault{Code: code, String: "La CtReceipt è già stata accettata.", ID: "77777777777", Description: "Perché sì."}
			want := &Response{Operation: op, Outcome: "KO", Fault: f}
			if diff := cmp.Diff(want, answered(t, AppendKO(nil, op, f))); diff != "" {
				t.Errorf("%v %s: %s", op, code, diff)
			}
		}
		r := answered(t, AppendKO(nil, op, &Fault{}))
		if diff := cmp.Diff(&Fault{Code: "PAA_SYSTEM_ERROR", String: "-", ID: "-"}, r.Fault); diff != "" {
			t.Errorf("%v with nothing to say: %s", op, diff)
		}
	}
}

func TestASOAPFaultIsReadAsOne(t *testing.T) {
	body := string(AppendSOAPFault(nil, "not a paForNode message: a DTD & <more>"))
	if err := validate(t, body); err != nil {
		t.Fatal(err)
	}
	_, err := DecodeResponse(body)
	var fault *SOAPFaultError
	if !errors.As(err, &fault) || fault.Code != "Client" || fault.Text != "not a paForNode message: a DTD & <more>" {
		t.Fatalf("read as %v", err)
	}
}

func TestWhatTheSchemaCannotCarryIsMended(t *testing.T) {
	p := &Payment{
		Amount: 100, DueDate: "31/12/2026", RetentionDate: "tomorrow",
		OfficeName:  "\x00\x01",
		Description: strings.Repeat("è", 141),
		Debtor:      Subject{EntityType: "X", EntityCode: "1", Country: "ita", EMail: "nobody", City: strings.Repeat("c", 36)},
		Transfers:   []Transfer{{IDTransfer: 1, Amount: 100, FiscalCodePA: "77777777777", IBAN: strings.Repeat("I", 36)}},
		Metadata: append([]MapEntry{{"NOTIFICATION_FEE", "200"}, {"", "v"}, {"k", ""}, {"k", strings.Repeat("v", 141)}},
			make([]MapEntry, 2)...),
	}
	for i := range 20 {
		p.Metadata = append(p.Metadata, MapEntry{"k" + decimal(i), "v"})
	}
	r := answered(t, AppendPaymentOK(nil, GetPaymentV2, p))
	want := &Payment{
		CreditorReferenceID: "-", Amount: 100, DueDate: "2099-12-31", Description: strings.Repeat("è", 140), CompanyName: "-",
		Debtor: Subject{EntityType: "F", EntityCode: "ANONIMO", FullName: "-", City: strings.Repeat("c", 35)},
		Transfers: []Transfer{{
			IDTransfer: 1, Amount: 100, FiscalCodePA: "77777777777", IBAN: strings.Repeat("I", 35),
			RemittanceInformation: "-", TransferCategory: "-",
		}},
		Metadata: []MapEntry{{"NOTIFICATION_FEE", "200"}},
	}
	for i := range 14 {
		want.Metadata = append(want.Metadata, MapEntry{"k" + decimal(i), "v"})
	}
	if diff := cmp.Diff(want, r.Payment); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeMendedIsRefused(t *testing.T) {
	for what, spoil := range map[string]func(*Payment){
		"amount zero":              func(p *Payment) { p.Amount = 0 },
		"amount negative":          func(p *Payment) { p.Amount = -1 },
		"amount above the maximum": func(p *Payment) { p.Amount = money.Max + 1 },
		"no transfer":              func(p *Payment) { p.Transfers = nil },
		"six transfers":            func(p *Payment) { p.Transfers = append(p.Transfers, p.Transfers...) },
		"transfer 6":               func(p *Payment) { p.Transfers[0].IDTransfer = 6 },
		"transfer of nothing":      func(p *Payment) { p.Transfers[0].Amount = 0 },
		"no beneficiary":           func(p *Payment) { p.Transfers[0].FiscalCodePA = "" },
		"stamp without hash":       func(p *Payment) { p.Transfers[1].Stamp.HashDocument = "no base64!" },
		"stamp without province":   func(p *Payment) { p.Transfers[1].Stamp.Province = "rm" },
	} {
		p := fine()
		spoil(p)
		if err := p.Check(GetPaymentV2); !errors.Is(err, ErrUnanswerable) {
			t.Errorf("%s: Check says %v", what, err)
		}
		r := answered(t, AppendPaymentOK(nil, GetPaymentV2, p))
		if r.Outcome != "KO" || r.Fault.Code != "PAA_SYSTEM_ERROR" {
			t.Errorf("%s: answered %+v", what, r)
		}
	}
	if r := answered(t, AppendPaymentOK(nil, GetPayment, fine())); r.Outcome != "KO" {
		t.Error("a stamp was answered over version 1")
	}
	if r := answered(t, AppendVerifyOK(nil, &VerifyOK{FiscalCodePA: "77777777777"})); r.Outcome != "KO" {
		t.Error("a verify without amount was answered")
	}
}

func TestAnswersAreAppendedWithoutAllocating(t *testing.T) {
	buf := make([]byte, 0, 8192)
	p, v, f := fine(), fineVerify(), &Fault{Code: "PAA_SEMANTICA", String: "Errore semantico.", ID: "77777777777"}
	for name, write := range map[string]func(){
		"payment": func() { buf = AppendPaymentOK(buf[:0], GetPaymentV2, p) },
		"verify":  func() { buf = AppendVerifyOK(buf[:0], v) },
		"receipt": func() { buf = AppendReceiptOK(buf[:0], SendRTV2) },
		"refusal": func() { buf = AppendKO(buf[:0], GetPayment, f) },
	} {
		if n := testing.AllocsPerRun(100, write); n != 0 {
			t.Errorf("a %s allocates %v times", name, n)
		}
	}
	if !strings.HasPrefix(string(AppendReceiptOK([]byte("kept"), SendRT)), "kept<?xml") {
		t.Error("what was in the buffer is lost")
	}
}
