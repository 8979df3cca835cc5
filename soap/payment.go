package soap

import (
	"context"
	"errors"
	"strconv"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// payment answers a verify or an activation with today's amount, and records
// what was said before the reply leaves. Both are reads: the position stays
// open and may be asked about any number of times (SANP, "Integrazione tramite
// API sincrone").
func (h *Handler) payment(ctx context.Context, x *exchange) {
	org := h.parties(x)
	if org == nil {
		return
	}
	nav := positions.NoticeNumber(x.request.QRCode.NoticeNumber)
	if nav == positions.ProbeNotice {
		h.refuseNotice(x, positions.RefusedUnknown)
		return // the stand-in manager's probe touches neither store nor SEND
	}
	var accept []func(*positions.Notice) error
	if x.request.Operation == pafornode.GetPayment {
		accept = withoutStamp
	}
	quote, err := h.Quoter.Quote(ctx, org, nav, accept...)
	x.result.quote = quote
	switch fault := actualize.Fault(quote, err); {
	case err != nil:
		h.refuseError(ctx, x, fault, err)
	case fault != "":
		h.refuseNotice(x, quote.Refusal)
	case x.request.Operation == pafornode.VerifyPaymentNotice:
		h.verified(ctx, x, org, quote)
	default:
		h.activated(ctx, x, org, quote)
	}
	if positions.CodeOf(err) == positions.Unavailable {
		// The journal is in the same store: nobody waits for it now.
		hurried, cancel := context.WithCancel(ctx)
		cancel()
		ctx = hurried
	}
	h.record(ctx, x)
}

// withoutStamp refuses what paGetPayment cannot carry.
var withoutStamp = []func(*positions.Notice) error{func(n *positions.Notice) error {
	if n.Option.HasStamp() {
		return errStamp
	}
	return nil
}}

var errStamp = actualize.Unacceptable("a stamp asked for through version 1")

func (h *Handler) refuseNotice(x *exchange, why positions.Refusal) {
	h.refuse(x, string(why), refusalDescriptions[why])
}

// refuseError answers that there is no quote, and logs what is ours to mend.
func (h *Handler) refuseError(ctx context.Context, x *exchange, fault string, err error) {
	switch {
	case positions.CodeOf(err) == positions.NotFound:
		h.refuseNotice(x, positions.RefusedUnknown)
		return
	case errors.Is(err, errStamp):
		h.refuse(x, fault, "L'avviso contiene una marca da bollo, che paGetPayment non può trasportare: usare paGetPaymentV2.")
		return
	case errors.Is(err, actualize.ErrAmountTooLarge):
		h.refuse(x, fault, "L'importo supera 999999999,99 euro.")
		return
	case errors.Is(err, actualize.ErrNoPrice):
		h.refuse(x, fault, "Il costo di notifica SEND non è disponibile e l'ente ha scelto di non incassare senza: riprovare.")
		return
	case errors.Is(err, pafornode.ErrUnanswerable), positions.CodeOf(err) == positions.Unprocessable:
		h.refuse(x, fault, "La posizione contiene dati che il Nodo non può ricevere: va corretta dall'ente.")
	case positions.CodeOf(err) == positions.Unavailable:
		h.refuse(x, fault, "L'archivio delle posizioni non risponde: riprovare.")
	default:
		h.refuse(x, fault, "Errore interno del servizio: riprovare.")
	}
	h.Logger.ErrorContext(ctx, "the Nodo was told "+fault, "operation", x.result.operation,
		"organization", x.request.IDPA, "nav", x.request.QRCode.NoticeNumber, "error", err)
}

// verified writes the answer to paVerifyPaymentNotice.
func (h *Handler) verified(ctx context.Context, x *exchange, org *registry.Organization, q *actualize.Quote) {
	p, o := &q.Notice.Position, &q.Notice.Option
	answer := pafornode.VerifyOK{
		Amount: q.Amount, DueDate: q.DueDate, DetailDescription: o.Description, AllCCP: allPostal(o),
		PaymentDescription: o.Description, FiscalCodePA: org.FiscalCode,
		CompanyName: p.CompanyName, OfficeName: p.OfficeName,
	}
	if err := answer.Check(); err != nil {
		h.refuseError(ctx, x, faultSystem, err)
		return
	}
	x.result.outcome = "OK"
	x.reply = pafornode.AppendVerifyOK(x.reply[:0], &answer)
}

// allPostal is allCCP: true when every transfer can go to a postal account
// (SANP, "Best practice").
func allPostal(o *positions.PaymentOption) bool {
	for i := range o.Transfers {
		if o.Transfers[i].PostalIBAN == "" {
			return false
		}
	}
	return true
}

// activated writes the answer to paGetPayment or paGetPaymentV2.
func (h *Handler) activated(ctx context.Context, x *exchange, org *registry.Organization, q *actualize.Quote) {
	p, o := &q.Notice.Position, &q.Notice.Option
	x.entries = x.entries[:0]
	for i := range q.Transfers {
		x.transfers[i] = x.transfer(org, &q.Transfers[i])
	}
	d := &p.Debtor
	x.payment = pafornode.Payment{
		CreditorReferenceID: o.IUV, Amount: q.Amount, DueDate: q.DueDate,
		Description: o.Description, CompanyName: p.CompanyName, OfficeName: p.OfficeName,
		Debtor: pafornode.Subject{
			EntityType: d.Type, EntityCode: d.FiscalCode, FullName: d.FullName, StreetName: d.StreetName,
			CivicNumber: d.CivicNumber, PostalCode: d.PostalCode, City: d.City,
			StateProvinceRegion: d.Province, Country: d.Country, EMail: d.Email,
		},
		Transfers: x.transfers[:len(q.Transfers)],
		Metadata:  x.metadata(org, q),
	}
	if err := x.payment.Check(x.request.Operation); err != nil {
		h.refuseError(ctx, x, faultSystem, err)
		return
	}
	x.result.outcome = "OK"
	x.reply = pafornode.AppendPaymentOK(x.reply[:0], x.request.Operation, &x.payment)
}

// metadata puts NOTIFICATION_FEE in front of the organization's own entries.
// Unit and presence follow its policy (SANP, metadata dictionary, "Spese di
// notifica SEND"; the unit is disputed in pagopa-api#1135).
func (x *exchange) metadata(org *registry.Organization, q *actualize.Quote) []pafornode.MapEntry {
	first := len(x.entries)
	if unit := org.Policy.NotificationFeeMetadata; q.CouldHaveFee() && unit != positions.FeeOff {
		value := strconv.FormatInt(int64(q.NotificationFee), 10)
		if unit == positions.FeeInEuro {
			value = q.NotificationFee.Euro()
		}
		x.entries = append(x.entries, pafornode.MapEntry{Key: positions.NotificationFeeKey, Value: value})
	}
	return x.own(first, q.Notice.Option.Metadata)
}

// own adds an organization's entries and returns all since first.
func (x *exchange) own(first int, entries []positions.Metadata) []pafornode.MapEntry {
	for _, m := range entries {
		x.entries = append(x.entries, pafornode.MapEntry{Key: m.Key, Value: m.Value})
	}
	return x.entries[first:len(x.entries):len(x.entries)]
}

// alternativeIBAN is the transfer metadata that names the other account of a
// beneficiary that has a bank and a postal one (SANP, "Best practice").
const alternativeIBAN = "IBANAPPOGGIO"

// transfer chooses the account that the Nodo asked for: POSTAL wants the postal
// one where there is one, and for a payment that began on the creditor's own
// site (paymentNote is its cart) the other beside it; PAGOPA wants the bank's,
// with the postal one beside it where the version can carry it.
func (x *exchange) transfer(org *registry.Organization, t *positions.Transfer) pafornode.Transfer {
	out := pafornode.Transfer{
		IDTransfer: t.ID, Amount: t.Amount, FiscalCodePA: t.Beneficiary(org.FiscalCode), CompanyName: t.CompanyName,
		IBAN: t.IBAN, RemittanceInformation: t.RemittanceInformation, TransferCategory: t.Category,
	}
	if t.Stamp != nil {
		out.Stamp = &pafornode.Stamp{HashDocument: t.Stamp.HashDocument, Type: t.Stamp.Type, Province: t.Stamp.ProvincialResidence}
	}
	alternative := ""
	switch {
	case t.PostalIBAN == "":
	case x.request.TransferType == "POSTAL":
		out.IBAN = t.PostalIBAN
		if x.request.PaymentNote != "" {
			alternative = t.IBAN
		}
	case x.request.TransferType == "PAGOPA" && x.request.Operation == pafornode.GetPaymentV2:
		alternative = t.PostalIBAN
	}
	first := len(x.entries)
	if alternative != "" {
		x.entries = append(x.entries, pafornode.MapEntry{Key: alternativeIBAN, Value: alternative})
	}
	out.Metadata = x.own(first, t.Metadata)
	return out
}

// demand refuses paDemandPaymentNotice: payments that the payer starts without
// a notice are not this service's job.
func (h *Handler) demand(x *exchange) {
	if h.parties(x) != nil {
		h.refuse(x, faultSemantics, "Il servizio non gestisce pagamenti spontanei presso i PSP.")
	}
}
