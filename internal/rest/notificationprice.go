package rest

import (
	"context"

	"github.com/attualizza/attualizza/positions"
)

// The business errors of the legacy interface.
const (
	legacyUnknown     = "002"
	legacyNotNotified = "003"
	legacyNotPayable  = "004"
)

// notPayable says in Italian why a notice cannot be paid.
var notPayable = map[positions.Refusal]string{
	positions.RefusedDuplicate:  "Avviso non pagabile: risulta già pagato",
	positions.RefusedCancelled:  "Avviso non pagabile: la posizione è stata ritirata",
	positions.RefusedExpired:    "Avviso non pagabile: i termini per il pagamento sono scaduti",
	positions.RefusedInProgress: "Avviso non pagabile: la posizione è momentaneamente bloccata",
}

// TellNotificationPrice implements the operation of that name, the legacy façade
// of p4pa-pu-sil.actualization-legacy (pagopa/p4pa-doc), which is MyPay's.
func (s *server) TellNotificationPrice(ctx context.Context, r TellNotificationPriceRequestObject) (TellNotificationPriceResponseObject, error) {
	if r.Body.ImportoPosizione != "S" {
		return nil, invalid("the body is not valid", []positions.Problem{{Pointer: "/importoPosizione", Detail: "must be S: nothing else is supported"}})
	}
	number := r.Body.NumeroAvviso
	_, q, err := s.quoteFor(ctx, r.Body.CfEnteCreditore, number, "numeroAvviso")
	switch {
	case positions.CodeOf(err) == positions.NotFound:
		return legacyError(number, legacyUnknown, "Codice avviso sconosciuto"), nil
	case err != nil:
		return nil, err
	case q.Refusal != positions.Payable:
		detail, ok := notPayable[q.Refusal]
		if !ok {
			detail = "Avviso non pagabile"
		}
		return legacyError(number, legacyNotPayable, detail), nil
	}
	p := q.Price
	if p == nil {
		p = new(positions.Price)
	}
	if q.Notice.Option.SendBound && p.NotificationViewDate.IsZero() && p.RefinementDate.IsZero() {
		return legacyError(number, legacyNotNotified, "Avviso non ancora notificato"), nil
	}
	return TellNotificationPrice200JSONResponse{
		NumeroAvviso: number, Stato: "200", Iun: p.IUN, SpeseNotifica: &q.NotificationFee, ImportoPosizione: &q.Amount,
		DataVisualizzazione: inRome(p.NotificationViewDate), DataPerfezionamentoDecorrenzaTermini: inRome(p.RefinementDate),
	}, nil
}

// legacyError is a business error, which this interface tells with HTTP 200.
func legacyError(number, code, detail string) TellNotificationPrice200JSONResponse {
	return TellNotificationPrice200JSONResponse{NumeroAvviso: number, Stato: "200", Codice: code, Dettaglio: detail}
}
