package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestReceipts(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"a receipt closes its position, in either version":                      receiptCloses,
		"the same receipt twice is one receipt, answered by the policy":         receiptTwice,
		"a second payment is kept, flagged and answered OK":                     secondPayment,
		"a receipt of a notice that is unknown here is kept and answered OK":    unknownReceipt,
		"a broadcast receipt is kept, and settles nothing of ours":              broadcastReceipt,
		"standIn is understood in either spelling":                              standIn,
		"an amount that differs is no reason to refuse, the difference is told": otherAmount,
		"what is missing or malformed is flagged, what is vital is refused":     oddReceipt,
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

func receiptCloses(t *testing.T, h *house) {
	for _, activation := range []pafornode.Operation{pafornode.GetPayment, pafornode.GetPaymentV2} {
		e := h.ente(t)
		d := e.publish(t, oneLetter)
		receipt := e.receipt(t, d, activation)
		e.accepted(t, receipt)
		for _, op := range bothWays {
			wantsFault(t, e.ask(t, op, d.nav), "PAA_PAGAMENTO_DUPLICATO")
		}
		e.wantsStatus(t, d.iupd, positions.Paid)
		all := e.kept(t, d.nav)
		if len(all) != 1 {
			t.Fatalf("%d receipts are kept", len(all))
		}
		r := all[0]
		if r.ReceiptID != receipt.Receipt.ReceiptID || r.PaymentAmount != d.amount+1424 || r.Operation != receipt.Operation.String() ||
			r.LastAnswered == nil || *r.LastAnswered != d.amount+1424 || r.Difference == nil || *r.Difference != 0 || len(r.Flags) != 0 ||
			r.NotificationFee == nil || *r.NotificationFee != 1424 {
			t.Errorf("the receipt is kept as %+v", r)
		}
		var again rest.Receipt
		e.mustREST(t, http.MethodGet, "/receipts/"+r.ReceiptID, e.key, nil, http.StatusOK, &again)
		if again.ReceiptID != r.ReceiptID {
			t.Errorf("by its own id it is %+v", again)
		}
		stored, err := h.store.Receipt(t.Context(), e.fiscalCode, r.ReceiptID)
		if err != nil || !strings.Contains(string(stored.Message), payerName) {
			t.Errorf("the whole message is not kept: %v", err)
		}
	}
}

func receiptTwice(t *testing.T, h *house) {
	for choice, want := range map[string]string{"OK": "", "DUPLICATA": "PAA_RECEIPT_DUPLICATA"} {
		e := h.ente(t, policy("duplicateReceipt", choice))
		d := e.publish(t, digital)
		receipt := e.pay(t, d)
		for range 2 {
			if got := fault(h.send(t, receipt)); got != want {
				t.Errorf("%s: the same receipt again is answered %q", choice, got)
			}
		}
		other := *receipt.Receipt
		other.ReceiptID += "2"
		receipt.Receipt = &other
		e.accepted(t, receipt) // another receiptId is never a duplicate
		if all := e.kept(t, d.nav); len(all) != 2 {
			t.Errorf("%s: %d receipts are kept, want 2", choice, len(all))
		}
	}
}

func secondPayment(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	first, second := e.receipt(t, d, pafornode.GetPaymentV2), e.receipt(t, d, pafornode.GetPayment)
	e.accepted(t, first)
	e.accepted(t, second)
	all := e.kept(t, d.nav)
	if len(all) != 2 || !slices.Contains(all[0].Flags, positions.FlagAlreadyPaid) || len(all[1].Flags) != 0 {
		t.Errorf("kept are %+v", all)
	}
	var flagged rest.ReceiptList
	e.mustREST(t, http.MethodGet, "/receipts?flagged=true", e.key, nil, http.StatusOK, &flagged)
	if len(flagged.Receipts) != 1 || flagged.Receipts[0].ReceiptID != second.Receipt.ReceiptID {
		t.Errorf("flagged are %+v", flagged.Receipts)
	}
}

func unknownReceipt(t *testing.T, h *house) {
	e := h.ente(t)
	receipt := e.receipt(t, e.publish(t, digital), pafornode.GetPaymentV2)
	nav := newNotice(t, digital)
	receipt.Receipt.NoticeNumber = string(nav)
	e.accepted(t, receipt)
	if all := e.kept(t, nav); len(all) != 1 || !slices.Contains(all[0].Flags, positions.FlagUnknownNotice) {
		t.Errorf("kept are %+v", all)
	}
}

func broadcastReceipt(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	receipt := e.receipt(t, d, pafornode.GetPaymentV2)
	receipt.Receipt.FiscalCode = demoBeneficiary // the notice is another creditor's, of the same number
	e.accepted(t, receipt)
	if all := e.kept(t, d.nav); len(all) != 1 || !slices.Contains(all[0].Flags, positions.FlagBroadcast) || all[0].CreditorFiscalCode != demoBeneficiary {
		t.Errorf("kept are %+v", all)
	}
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
}

func standIn(t *testing.T, h *house) {
	for _, spelling := range []string{"standIn", "standin"} {
		e := h.ente(t)
		d := e.publish(t, digital)
		receipt := e.receipt(t, d, pafornode.GetPaymentV2)
		receipt.Receipt.StandIn = true
		message := string(pafornode.AppendRequest(nil, receipt))
		if !strings.Contains(message, "standIn>") {
			t.Fatal("the message holds no standIn")
		}
		status, answer := h.post(t, strings.ReplaceAll(message, "standIn>", spelling+">"))
		if status != http.StatusOK || !strings.Contains(answer, "<outcome>OK") {
			t.Errorf("%s: HTTP %d %s", spelling, status, answer)
		}
		if all := e.kept(t, d.nav); len(all) != 1 || !all[0].StandIn {
			t.Errorf("%s: kept are %+v", spelling, all)
		}
	}
}

func otherAmount(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, oneLetter)
	receipt := e.receipt(t, d, pafornode.GetPaymentV2)
	receipt.Receipt.PaymentAmount = d.amount // collected in stand-in, without the fee
	receipt.Receipt.Transfers[0].Amount = d.amount
	e.accepted(t, receipt)
	all := e.kept(t, d.nav)
	if len(all) != 1 || all[0].Difference == nil || *all[0].Difference != -1424 {
		t.Errorf("kept are %+v", all)
	}
	e.wantsStatus(t, d.iupd, positions.Paid)
}

func oddReceipt(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	receipt := e.receipt(t, d, pafornode.GetPaymentV2)
	whole := string(pafornode.AppendRequest(nil, receipt))
	without := func(message, name string) string {
		begin, end := strings.Index(message, "<"+name+">"), strings.Index(message, "</"+name+">")
		if begin < 0 || end < begin {
			t.Fatalf("the message holds no %s", name)
		}
		return message[:begin] + message[end+len(name)+3:]
	}
	for _, vital := range []string{"receiptId", "noticeNumber", "paymentAmount"} {
		status, answer := h.post(t, without(whole, vital))
		if status != http.StatusOK || !strings.Contains(answer, "PAA_SINTASSI_EXTRAXSD") {
			t.Errorf("without %s: HTTP %d %s", vital, status, answer)
		}
	}
	if all := e.kept(t, d.nav); len(all) != 0 {
		t.Errorf("kept are %+v", all)
	}
	status, answer := h.post(t, without(without(whole, "idPSP"), "debtor"))
	if status != http.StatusOK || !strings.Contains(answer, "<outcome>OK") {
		t.Errorf("without idPSP and debtor: HTTP %d %s", status, answer)
	}
	if all := e.kept(t, d.nav); len(all) != 1 || len(all[0].Flags) < 2 {
		t.Errorf("kept are %+v", all)
	}
	e.wantsStatus(t, d.iupd, positions.Paid)
}
