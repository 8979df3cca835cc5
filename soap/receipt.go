package soap

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// receipt keeps a payment receipt and says OK once it is durable. Whatever is
// odd about it is flagged, never refused: it tells of money that was paid. What
// goes wrong on our side is answered with HTTP 503, so that the Nodo sends it
// again (SANP, "Best practice": a receipt stays in its queue until a final
// answer).
func (h *Handler) receipt(ctx context.Context, x *exchange) {
	org := h.parties(x)
	if org == nil {
		return
	}
	receipt := x.storedReceipt()
	receipt.Outgoing = positions.Outgoing{Receipt: org.Delivery != nil, SEND: org.TellsSEND()}
	ctx, span := h.Tracer.Start(ctx, "store receipt")
	duplicate, err := h.Receipts.SaveReceipt(ctx, receipt)
	telemetry.End(span, err)
	if err != nil {
		h.Logger.LogAttrs(ctx, slog.LevelError, "receipt not stored, the Nodo will send it again",
			slog.String("organization", x.request.IDPA), slog.String("nav", string(receipt.NAV)),
			slog.String("receipt", receipt.ReceiptID), slog.String("error", err.Error()))
		x.resubmit()
		return
	}
	if receipt.Unjudged != nil {
		h.Logger.LogAttrs(ctx, slog.LevelError, "receipt stored, but its position could not follow: somebody has to look",
			slog.String("organization", x.request.IDPA), slog.String("nav", string(receipt.NAV)),
			slog.String("receipt", receipt.ReceiptID), slog.String("error", receipt.Unjudged.Error()), slog.Any("cause", errors.Unwrap(receipt.Unjudged)))
	}
	if duplicate && org.Policy.DuplicateReceipt == "DUPLICATA" {
		h.refuse(x, faultReceiptKnown, "Una ricevuta con lo stesso receiptId è già stata accettata.")
		return
	}
	x.result.outcome = "OK"
	x.reply = pafornode.AppendReceiptOK(x.reply[:0], x.request.Operation)
}

// storedReceipt is the receipt as the store keeps it, the whole message beside.
func (x *exchange) storedReceipt() *positions.Receipt {
	q, r := &x.request, x.request.Receipt
	return &positions.Receipt{
		OrganizationFiscalCode: q.IDPA, ReceiptID: r.ReceiptID, CreditorFiscalCode: r.FiscalCode,
		NAV: positions.NoticeNumber(r.NoticeNumber), CreditorReferenceID: r.CreditorReferenceID,
		StationCode: q.IDStation, Operation: q.Operation.String(), Outcome: r.Outcome,
		PaymentAmount: r.PaymentAmount, NotificationFee: receiptFee(r.Metadata), PSPFee: r.Fee,
		PSPCompanyName: r.PSPCompanyName, PaymentMethod: r.PaymentMethod,
		PaymentDateTime: xsdDateTime(r.PaymentDateTime), ApplicationDate: r.ApplicationDate, TransferDate: r.TransferDate,
		StandIn: r.StandIn, Flags: r.Flags, ReceivedAt: x.arrived,
		Message: bytes.Clone(x.body.Bytes()),
	}
}

// receiptFee reads NOTIFICATION_FEE back: cents as a whole number, or euro with
// two decimals.
func receiptFee(metadata []pafornode.MapEntry) *money.Cents {
	for _, m := range metadata {
		if m.Key != positions.NotificationFeeKey {
			continue
		}
		if fee, err := money.ParseEuro(m.Value); err == nil {
			return &fee
		}
		if n, err := strconv.ParseInt(m.Value, 10, 64); err == nil && n >= 0 && n <= int64(money.Max) {
			fee := money.Cents(n)
			return &fee
		}
	}
	return nil
}
