package main

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestReceipts(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"every paSendRT is kept as it came, judged, and answered OK once":   func(t *testing.T, h *house) { everyReceipt(t, h, pafornode.SendRT) },
		"every paSendRTV2 is kept as it came, judged, and answered OK once": func(t *testing.T, h *house) { everyReceipt(t, h, pafornode.SendRTV2) },
		"the same receipt twice is one receipt, answered by the policy":     receiptTwice,
		"receipts of the whole and of its instalments are told apart":       wholeAndInstalments,
	})
}

// It has a house of its own: beside 64 receipts others are asked to come back.
func TestReceiptsThatComeTogether(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"64 receipts of one notice: one settles it, 63 are to refund": manyPayments,
		"one receipt 64 times is one receipt":                         oneReceiptManyTimes,
	})
}

// receipt activates a notice and returns the request that tells of its payment.
func (e *ente) receipt(t testing.TB, d debt, activation pafornode.Operation) *pafornode.Request {
	t.Helper()
	request := e.request(activation, d.nav)
	reply := e.h.send(t, request)
	if reply.Response.Payment == nil {
		t.Fatalf("%s: %s %s", activation, reply.Response.Outcome, fault(reply))
	}
	receipt := nodo.ReceiptFor(request, reply.Response.Payment, time.Now())
	receipt.Receipt.Payer = &pafornode.Subject{EntityType: "F", EntityCode: payerCode, FullName: payerName}
	return receipt
}

// pay activates a notice and pays it.
func (e *ente) pay(t testing.TB, d debt) *pafornode.Request {
	t.Helper()
	receipt := e.receipt(t, d, pafornode.GetPaymentV2)
	e.accepted(t, receipt)
	return receipt
}

// accepted sends a receipt that must be answered OK.
func (e *ente) accepted(t testing.TB, receipt *pafornode.Request) {
	t.Helper()
	if reply := e.h.send(t, receipt); reply.Response.Outcome != "OK" {
		t.Errorf("the receipt was answered HTTP %d %s %s", reply.HTTPStatus, reply.Response.Outcome, fault(reply))
	}
}

// kept reads the receipts of a notice by REST, newest first.
func (e *ente) kept(t testing.TB, nav positions.NoticeNumber) []rest.Receipt {
	t.Helper()
	var list rest.ReceiptList
	e.mustREST(t, http.MethodGet, "/receipts?nav="+string(nav), e.key, nil, http.StatusOK, &list)
	return list.Receipts
}

// receiptCase is a receipt of a notice of 100.00 that was activated at 114.24, one
// registered letter, and what is kept of it.
type receiptCase struct {
	name    string
	change  func(*pafornode.Request) // of the receipt that goes with the activation
	message func(string) string      // of its text
	before  func(*ente, debt)        // what happens to the position before it comes

	refused    bool             // PAA_SINTASSI_EXTRAXSD, and nothing is kept
	flags      []string         // where it breaks the schema, and verdicts
	status     positions.Status // of the position afterwards; PAID unless said, "-" for none
	difference money.Cents      // from what the activation asked
	unasked    bool             // no activation of its notice is on record
	only       pafornode.Operation
}

// everyReceipt sends each of them to a position of its own. The cases are those
// of SANP ("Best practice", "Integrazione tramite API sincrone") and of what the
// Nodo is known to send beside its schema.
func everyReceipt(t *testing.T, h *house, op pafornode.Operation) {
	e := h.ente(t, policy("duplicateReceipt", "OK"))
	of := func(change func(*pafornode.Receipt)) func(*pafornode.Request) {
		return func(q *pafornode.Request) { change(q.Receipt) }
	}
	paid := func(amount money.Cents) func(*pafornode.Request) {
		return of(func(r *pafornode.Receipt) { r.PaymentAmount = amount })
	}
	without := func(names ...string) func(string) string {
		return func(message string) string {
			for _, name := range names {
				message = cut(t, message, name)
			}
			return message
		}
	}
	becomes := func(name, value string) func(string) string {
		return func(message string) string { return put(t, message, name, value) }
	}
	respelled := func(old, new string) func(string) string {
		return func(message string) string {
			if !strings.Contains(message, old) {
				t.Fatalf("the message holds no %s", old)
			}
			return strings.ReplaceAll(message, old, new)
		}
	}
	move := func(verb string, body object) func(*ente, debt) {
		return func(e *ente, d debt) {
			e.mustREST(t, http.MethodPost, "/debtpositions/"+d.iupd+"/"+verb, e.key, body, http.StatusOK, nil)
		}
	}
	replaced := func(query string, change func(position, option object)) func(*ente, debt) {
		return func(e *ente, d debt) {
			_, position := e.position(t, oneLetter)
			option := position["paymentOption"].([]object)[0]
			position["iupd"], option["nav"], option["iuv"] = d.iupd, d.nav, d.nav.IUV()
			change(position, option)
			e.mustREST(t, http.MethodPut, "/debtpositions/"+d.iupd+query, e.key, position, http.StatusOK, nil)
		}
	}
	other := pafornode.SendRT
	if op == pafornode.SendRT {
		other = pafornode.SendRTV2
	}
	notOwed := []string{positions.FlagNotOwed}
	for _, c := range []receiptCase{
		{name: "the payment that was asked for"},
		{name: "in the other version than the activation's", change: func(q *pafornode.Request) { q.Operation = other }},

		{name: "collected without the fee", change: paid(10000), difference: -1424},
		{name: "collected a cent above", change: paid(11425), difference: 1},
		{name: "of 0.00", change: paid(0), difference: -11424},
		{name: "of the largest amount", change: paid(money.Max), difference: money.Max - 11424},
		{name: "in stand-in", change: of(func(r *pafornode.Receipt) { r.StandIn = true })},
		{
			name: "in stand-in as SANP's examples spell it", change: of(func(r *pafornode.Receipt) { r.StandIn = true }),
			message: respelled("standIn>", "standin>"),
		},
		{name: "in stand-in, told outside of the receipt", message: respelled("</receipt>", "</receipt><standin>true</standin>")},

		{name: "without the payment's instant", message: without("paymentDateTime")},
		{name: "with a garbled instant", message: becomes("paymentDateTime", "ieri alle 12"), flags: []string{"receipt/paymentDateTime"}},
		{name: "with an instant of another millennium", message: becomes("paymentDateTime", "9999-12-31T23:59:59")},
		{name: "without what the schema lets go", message: without("pspFiscalCode", "payer", "paymentMethod", "fee", "applicationDate", "transferDate", "metadata")},
		{
			name: "without what the schema wants", message: without("outcome", "creditorReferenceId", "description", "companyName", "debtor", "transferList", "idPSP", "PSPCompanyName", "idChannel", "channelDescription"),
			flags: []string{
				"receipt/outcome", "receipt/creditorReferenceId", "receipt/description", "receipt/companyName", "receipt/debtor",
				"receipt/transferList", "receipt/idPSP", "receipt/PSPCompanyName", "receipt/idChannel", "receipt/channelDescription",
			},
		},
		{name: "with a debtor without a name", message: without("fullName"), flags: []string{"receipt/debtor/fullName"}},
		{name: "with a malformed outcome", message: becomes("outcome", "KKL"), flags: []string{"receipt/outcome"}},
		{name: "with a malformed fee", message: becomes("fee", "1,50"), flags: []string{"receipt/fee"}},
		{name: "with a malformed date", message: becomes("transferDate", "31/12/2026"), flags: []string{"receipt/transferDate"}},
		{name: "with a malformed transfer", message: becomes("transferAmount", "x"), flags: []string{"receipt/transferList/transfer[1]/transferAmount"}},
		{name: "with an element of the future", message: respelled("</receipt>", "<novita>1</novita></receipt>"), flags: []string{"receipt/?"}},
		{name: "in another order", message: func(m string) string {
			return respelled("</receipt>", "<idPSP>PSP_DI_PROVA</idPSP></receipt>")(cut(t, m, "idPSP"))
		}, flags: []string{"receipt/idPSP"}},
		{name: "with a stamp", change: of(func(r *pafornode.Receipt) {
			r.Transfers[0].IBAN, r.Transfers[0].MBDAttachment = "", "PG1hcmNhRGFCb2xsby8+"
		}), only: pafornode.SendRTV2},

		{name: "without receiptId", message: without("receiptId"), refused: true},
		{name: "with an empty receiptId", message: becomes("receiptId", ""), refused: true},
		{name: "without noticeNumber", message: without("noticeNumber"), refused: true},
		{name: "with a noticeNumber of 17 digits", message: becomes("noticeNumber", "30200000000000000"), refused: true},
		{name: "without fiscalCode", message: without("fiscalCode"), refused: true},
		{name: "without paymentAmount", message: without("paymentAmount"), refused: true},
		{name: "with a garbled paymentAmount", message: becomes("paymentAmount", "cento"), refused: true},

		{name: "that says KO", message: becomes("outcome", "KO"), flags: []string{positions.FlagNotOK}, status: positions.Valid},
		{
			name: "of another creditor's notice of the same number", change: of(func(r *pafornode.Receipt) { r.FiscalCode = demoBeneficiary }),
			flags: []string{positions.FlagBroadcast}, status: positions.Valid, unasked: true,
		},
		{
			name: "of another creditor's notice, unknown here", change: of(func(r *pafornode.Receipt) {
				r.FiscalCode, r.NoticeNumber = demoBeneficiary, string(newNotice(t, digital))
			}),
			flags: []string{positions.FlagBroadcast}, status: positions.Valid, unasked: true,
		},
		{
			name: "of a notice that is unknown here", change: of(func(r *pafornode.Receipt) { r.NoticeNumber = string(newNotice(t, digital)) }),
			flags: []string{positions.FlagUnknownNotice}, status: positions.Valid, unasked: true,
		},

		{name: "of a blocked position", before: move("block", object{"reason": "ricorso"})},
		{name: "of a position blocked and unblocked", before: func(e *ente, d debt) {
			move("block", object{"reason": "ricorso"})(e, d)
			move("unblock", object{"reason": "deciso"})(e, d)
		}},
		{name: "of an expired position", before: func(e *ente, d debt) {
			replaced("?toPublish=true", func(p, o object) {
				p["switchToExpired"], o["dueDate"] = true, time.Now().Add(500*time.Millisecond).UTC().Format(time.RFC3339Nano)
			})(e, d)
			time.Sleep(600 * time.Millisecond)
		}},
		{name: "of an invalidated position", before: move("invalidate", nil), flags: notOwed},
		{name: "of a position handed over", before: move("transfer", object{"reason": "riscossione", "toOrganizationFiscalCode": "11111111111"}), flags: notOwed},
		{name: "of a closed position", before: move("close", object{"reason": "sgravio"}), flags: notOwed},
		{name: "of a position that is a draft again", before: replaced("", func(object, object) {}), flags: notOwed},
		{name: "of a position that is not valid yet", before: replaced("?toPublish=true", func(p, _ object) {
			p["validityDate"] = time.Now().AddDate(0, 0, 1).UTC().Format(time.RFC3339)
		}), flags: notOwed},
		{name: "of a deleted position", before: func(e *ente, d debt) {
			e.mustREST(t, http.MethodDelete, "/debtpositions/"+d.iupd, e.key, nil, http.StatusOK, nil)
		}, flags: []string{positions.FlagUnknownNotice}, status: "-", unasked: true},
		{name: "of a notice whose payment the ente told", before: func(e *ente, d debt) {
			e.mustREST(t, http.MethodPost, "/paymentoptions/"+string(d.nav)+"/pay", e.key, object{
				"paymentDate": time.Now().UTC().Format(time.RFC3339), "idReceipt": rand.Text(), "pspCompany": "Tesoreria",
			}, http.StatusOK, nil)
		}, flags: []string{positions.FlagAlreadyPaid}},
		{name: "of a notice that was paid before", before: func(e *ente, d debt) { e.pay(t, d) }, flags: []string{positions.FlagAlreadyPaid}},
	} {
		if c.only == 0 || c.only == op {
			t.Run(c.name, func(t *testing.T) { c.play(t, e, op) })
		}
	}
}

func (c *receiptCase) play(t *testing.T, e *ente, op pafornode.Operation) {
	activation := pafornode.GetPaymentV2
	if op == pafornode.SendRT {
		activation = pafornode.GetPayment
	}
	d := e.publish(t, oneLetter)
	request := e.receipt(t, d, activation)
	e.answersOnRecord(t, d.nav, 1) // what was asked is known from there
	if c.change != nil {
		c.change(request)
	}
	message := string(pafornode.AppendRequest(nil, request))
	if c.message != nil {
		message = c.message(message)
	}
	if c.before != nil {
		c.before(e, d)
	}
	before := e.kept(t, d.nav)

	status, answer := e.h.post(t, message)
	if c.refused {
		if status != http.StatusOK || !strings.Contains(answer, "<faultCode>PAA_SINTASSI_EXTRAXSD<") {
			t.Errorf("HTTP %d %s", status, answer)
		}
		if all := e.kept(t, d.nav); len(all) != 0 {
			t.Errorf("kept is %+v", all)
		}
		e.wantsStatus(t, d.iupd, positions.Valid)
		return
	}
	if status != http.StatusOK || !strings.Contains(answer, "<outcome>OK<") {
		t.Fatalf("HTTP %d %s", status, answer)
	}
	c.check(t, e, d, request, message)

	// The Nodo sends it again when it has not seen the answer.
	versions := e.versions(t, d)
	if status, answer := e.h.post(t, message); status != http.StatusOK || !strings.Contains(answer, "<outcome>OK<") {
		t.Errorf("again: HTTP %d %s", status, answer)
	}
	c.check(t, e, d, request, message)
	if n := e.versions(t, d); n != versions {
		t.Errorf("again: version %d became %d", versions, n)
	}
	if nav := positions.NoticeNumber(request.Receipt.NoticeNumber); nav == d.nav && len(e.kept(t, nav)) != len(before)+1 {
		t.Errorf("again: %d receipts are kept", len(e.kept(t, nav)))
	}
}

// check holds what is kept of a receipt, and the position, to the case.
func (c *receiptCase) check(t *testing.T, e *ente, d debt, request *pafornode.Request, message string) {
	t.Helper()
	sent := request.Receipt
	stored, err := e.h.store.Receipt(t.Context(), e.fiscalCode, sent.ReceiptID)
	if err != nil {
		t.Fatal(err)
	}
	if string(stored.Message) != message {
		t.Errorf("the message is kept as %s", stored.Message)
	}
	var r rest.Receipt
	e.mustREST(t, http.MethodGet, "/receipts/"+sent.ReceiptID, e.key, nil, http.StatusOK, &r)
	var where []string
	for _, flag := range r.Flags {
		path, _, _ := strings.Cut(flag, ": ")
		if _, inside, ok := strings.Cut(path, "/"); ok {
			path = inside // of the wrapper, which is another one in each version
		}
		where = append(where, path)
	}
	if !slices.Equal(where, c.flags) {
		t.Errorf("flags are %q, want %q", r.Flags, c.flags)
	}
	if r.PaymentAmount != sent.PaymentAmount || r.Operation != request.Operation.String() || string(r.Nav) != sent.NoticeNumber ||
		r.CreditorFiscalCode != sent.FiscalCode || r.StandIn != strings.Contains(strings.ToLower(message), "<standin>true") {
		t.Errorf("kept is %s", show(r))
	}
	switch {
	case c.unasked:
		if r.Difference != nil || r.LastAnswered != nil {
			t.Errorf("%s was asked, difference %s", show(r.LastAnswered), show(r.Difference))
		}
	case r.LastAnswered == nil || *r.LastAnswered != 11424 || r.Difference == nil || *r.Difference != c.difference:
		t.Errorf("%s was asked, difference %s, want %s", show(r.LastAnswered), show(r.Difference), c.difference)
	}
	if len(c.flags) > 0 {
		var flagged rest.ReceiptList
		e.mustREST(t, http.MethodGet, "/receipts?flagged=true&nav="+sent.NoticeNumber, e.key, nil, http.StatusOK, &flagged)
		if len(flagged.Receipts) != 1 || flagged.Receipts[0].ReceiptID != sent.ReceiptID {
			t.Errorf("flagged are %s", show(flagged.Receipts))
		}
	}
	switch c.status {
	case "-":
		wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_PAGAMENTO_SCONOSCIUTO")
	case positions.Valid:
		e.wantsStatus(t, d.iupd, positions.Valid)
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+1424)
	default:
		e.wantsStatus(t, d.iupd, positions.Paid)
		wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_PAGAMENTO_DUPLICATO")
	}
}

// versions is how many versions a position has, 0 when it was deleted.
func (e *ente) versions(t *testing.T, d debt) int {
	t.Helper()
	all, err := e.h.store.Versions(t.Context(), e.fiscalCode, d.iupd)
	if err != nil && positions.CodeOf(err) != positions.NotFound {
		t.Fatal(err)
	}
	return len(all)
}

// element finds the first element of a name in a message.
func element(t *testing.T, message, name string) (begin, content, end int) {
	t.Helper()
	begin, end = strings.Index(message, "<"+name+">"), strings.Index(message, "</"+name+">")
	if begin < 0 || end < begin {
		t.Fatalf("the message holds no %s", name)
	}
	return begin, begin + len(name) + 2, end
}

func cut(t *testing.T, message, name string) string {
	t.Helper()
	begin, _, end := element(t, message, name)
	return message[:begin] + message[end+len(name)+3:]
}

func put(t *testing.T, message, name, value string) string {
	t.Helper()
	_, content, end := element(t, message, name)
	return message[:content] + value + message[end:]
}

func receiptTwice(t *testing.T, h *house) {
	for choice, want := range map[string]string{"OK": "", "DUPLICATA": "PAA_RECEIPT_DUPLICATA"} {
		e := h.ente(t, policy("duplicateReceipt", choice))
		d := e.publish(t, digital)
		receipt := e.pay(t, d)
		before, versions := e.kept(t, d.nav), e.versions(t, d)
		for range 2 {
			if got := fault(h.send(t, receipt)); got != want {
				t.Errorf("%s: the same receipt again is answered %q", choice, got)
			}
		}
		changed := *receipt.Receipt // the Nodo does not change a receipt: what came first counts
		changed.PaymentAmount++
		if got := fault(h.send(t, &pafornode.Request{
			Operation: receipt.Operation, IDPA: receipt.IDPA, IDBrokerPA: receipt.IDBrokerPA, IDStation: receipt.IDStation, Receipt: &changed,
		})); got != want {
			t.Errorf("%s: the same receiptId with another amount is answered %q", choice, got)
		}
		if after := e.kept(t, d.nav); show(after) != show(before) || e.versions(t, d) != versions {
			t.Errorf("%s: %s became %s", choice, show(before), show(after))
		}
		other := *receipt.Receipt
		other.ReceiptID += "2"
		receipt.Receipt = &other
		e.accepted(t, receipt) // another receiptId is never a duplicate
		all := e.kept(t, d.nav)
		if len(all) != 2 || !slices.Equal(all[0].Flags, []string{positions.FlagAlreadyPaid}) || len(all[1].Flags) != 0 {
			t.Errorf("%s: kept are %s, want 2", choice, show(all))
		}
	}
}

// atOnce sends receipts together, and again until each is answered OK: a busy
// service asks the Nodo to come back (HTTP 503), and nothing else.
func (h *house) atOnce(t *testing.T, messages []string) {
	t.Helper()
	var all sync.WaitGroup
	for _, message := range messages {
		all.Go(func() {
			for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
				status, answer := h.post(t, message)
				switch {
				case status == http.StatusOK && strings.Contains(answer, "<outcome>OK<"):
					return
				case status != http.StatusServiceUnavailable || answer != "" || time.Since(began) > 20*time.Second:
					t.Errorf("HTTP %d %s", status, answer)
					return
				}
			}
		})
	}
	all.Wait()
}

const together = 64

func manyPayments(t *testing.T, h *house) {
	e := h.ente(t, policy("duplicateReceipt", "DUPLICATA"))
	d := e.publish(t, digital)
	request := e.receipt(t, d, pafornode.GetPaymentV2)
	var messages []string
	for range together {
		request.Receipt.ReceiptID = rand.Text()
		messages = append(messages, string(pafornode.AppendRequest(nil, request)))
	}
	h.atOnce(t, messages)
	all, _, err := h.store.Receipts(t.Context(), positions.ReceiptFilter{
		OrganizationFiscalCode: e.fiscalCode, NAV: d.nav, Page: positions.Page{Limit: 2 * together},
	})
	if err != nil {
		t.Fatal(err)
	}
	flagged, settledBy := 0, ""
	for _, r := range all {
		if slices.Equal(r.Flags, []string{positions.FlagAlreadyPaid}) {
			flagged++
		} else {
			settledBy = r.ReceiptID
		}
	}
	if len(all) != together || flagged != together-1 {
		t.Errorf("%d receipts are kept, %d flagged", len(all), flagged)
	}
	p, err := h.store.Position(t.Context(), e.fiscalCode, d.iupd)
	if err != nil || p.Status != positions.Paid || p.Options[0].Payment.ReceiptID != settledBy || e.versions(t, d) != 2 {
		t.Errorf("paid by %+v, want receipt %s in version 2: %v", p.Options[0].Payment, settledBy, err)
	}
}

func oneReceiptManyTimes(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	message := string(pafornode.AppendRequest(nil, e.receipt(t, d, pafornode.GetPaymentV2)))
	h.atOnce(t, slices.Repeat([]string{message}, together))
	if all := e.kept(t, d.nav); len(all) != 1 || len(all[0].Flags) != 0 || e.versions(t, d) != 2 {
		t.Errorf("kept are %s, %d versions", show(all), e.versions(t, d))
	}
}

// wholeAndInstalments: the whole and an instalment can both be under way when
// the first of them is paid. Either way the second is money to give back.
func wholeAndInstalments(t *testing.T, h *house) {
	e := h.ente(t)
	for name, c := range map[string]struct{ first, second int }{
		"the whole, then an instalment":     {0, 1},
		"an instalment, then the whole":     {1, 0},
		"an instalment, then the other one": {1, 2},
	} {
		options := [3]debt{}
		options[0], options[1], options[2] = e.plan(t)
		first, second := options[c.first], options[c.second]
		a, b := e.receipt(t, first, pafornode.GetPaymentV2), e.receipt(t, second, pafornode.GetPayment)
		e.accepted(t, a)
		e.accepted(t, b)
		want := []string{positions.FlagAlreadyPaid}
		if c.second == 2 {
			want = nil
		}
		if all := e.kept(t, first.nav); len(all) != 1 || len(all[0].Flags) != 0 {
			t.Errorf("%s: of the first are kept %s", name, show(all))
		}
		if all := e.kept(t, second.nav); len(all) != 1 || !slices.Equal(all[0].Flags, want) {
			t.Errorf("%s: of the second are kept %s", name, show(all))
		}
		e.wantsStatus(t, options[0].iupd, positions.Paid)
	}
}
