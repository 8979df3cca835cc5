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
// While the directory may be out of date somebody registered elsewhere would
// seem unknown: that is a fault of ours, and a KO to a receipt would be final.
func (h *Handler) parties(x *exchange) *registry.Organization {
	q := &x.request
	org, fault, description := h.addressed(q)
	if fault == "" {
		return org
	}
	if h.Directory.Current() || org != nil {
		h.refuse(x, fault, description)
	} else {
		h.overloaded(x)
	}
	return nil
}

// addressed finds the organization, or what is wrong with the address. With an
// organization beside a fault it is the request that contradicts itself.
func (h *Handler) addressed(q *pafornode.Request) (_ *registry.Organization, fault, description string) {
	if !h.Directory.HasBroker(q.IDBrokerPA) {
		return nil, faultBroker, "idBrokerPA non è un intermediario di questo servizio."
	}
	if !h.Directory.HasStation(q.IDBrokerPA, q.IDStation) {
		return nil, faultStation, "idStation non è una stazione dell'intermediario indicato."
	}
	org, ok := h.Directory.Organization(q.IDPA)
	if !ok || org.BrokerCode != q.IDBrokerPA || !org.HasStation(q.IDStation) {
		return nil, faultOrganization, "idPA non è un ente creditore attivo su questa stazione."
	}
	if asksNotice(q.Operation) && q.QRCode.FiscalCode != q.IDPA {
		return org, faultOrganization, "Il codice fiscale nel codice QR non è quello di idPA."
	}
	return org, "", ""
}

func asksNotice(op pafornode.Operation) bool {
	return !op.IsReceipt() && op != pafornode.DemandPaymentNotice
}
