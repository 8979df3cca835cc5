package positions

// Deliveries returns what has to leave because of a receipt that is new here, as
// its Outgoing wants it. The receipt itself leaves whatever its verdict: what it
// means is for the debt system to judge too. paid is the position that it
// settled, nil when it settled none; only then SEND is told.
func (r *Receipt) Deliveries(paid *Position) []Delivery {
	var leaving []Delivery
	if r.Outgoing.Receipt {
		leaving = append(leaving, Delivery{
			Kind: DeliverReceipt, OrganizationFiscalCode: r.OrganizationFiscalCode, NAV: r.NAV, ReceiptID: r.ReceiptID,
		})
	}
	if r.Outgoing.SEND && paid != nil {
		if d, ok := paid.PaymentDelivery(r.NAV); ok {
			leaving = append(leaving, d)
		}
	}
	return leaving
}

// PaymentDelivery returns what tells SEND that a notice is paid. There is none
// for a notice that is not paid or that SEND does not notify, and none when
// another administration notifies: SEND takes the event from the sender alone.
func (p *Position) PaymentDelivery(nav NoticeNumber) (Delivery, bool) {
	o := p.Option(nav)
	if o == nil || o.Payment == nil || !o.SendBound || o.SenderFiscalCode != "" && o.SenderFiscalCode != p.OrganizationFiscalCode {
		return Delivery{}, false
	}
	return Delivery{
		Kind: DeliverToSEND, OrganizationFiscalCode: p.OrganizationFiscalCode, NAV: nav,
		ReceiptID: o.Payment.ReceiptID, Amount: o.Payment.Amount, PaidAt: o.Payment.Date,
	}, true
}
