package soap

import (
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// parties checks who a request is for, in the order that the error guide
// prescribes: broker, station, organization. It returns nil after it has
// refused. The notice's own organization must be the one addressed, except in a
// receipt, which may be another creditor's (broadcast).
//
// Before the organizations were ever loaded everybody would seem unknown: that
// is a fault of ours, and a KO to a receipt would be final.
func (h *Handler) parties(x *exchange) *registry.Organization {
	if !h.Directory.Loaded() {
		h.overloaded(x)
		return nil
	}
	q := &x.request
	if !h.Directory.HasBroker(q.IDBrokerPA) {
		h.refuse(x, faultBroker, "idBrokerPA non è un intermediario di questo servizio.")
		return nil
	}
	if !h.Directory.HasStation(q.IDBrokerPA, q.IDStation) {
		h.refuse(x, faultStation, "idStation non è una stazione dell'intermediario indicato.")
		return nil
	}
	org, ok := h.Directory.Organization(q.IDPA)
	if !ok || org.BrokerCode != q.IDBrokerPA || !org.HasStation(q.IDStation) {
		h.refuse(x, faultOrganization, "idPA non è un ente creditore attivo su questa stazione.")
		return nil
	}
	if asksNotice(q.Operation) && q.QRCode.FiscalCode != q.IDPA {
		h.refuse(x, faultOrganization, "Il codice fiscale nel codice QR non è quello di idPA.")
		return nil
	}
	return org
}

func asksNotice(op pafornode.Operation) bool {
	return !op.IsReceipt() && op != pafornode.DemandPaymentNotice
}
