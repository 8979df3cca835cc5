package pafornode

import "github.com/attualizza/attualizza/internal/money"

// A receiptDecoder reads a receipt: strictly what the payment cannot be told
// without, leniently everything else, noting each difference from the schema
// as a flag.
type receiptDecoder struct {
	*decoder
	receipt *Receipt
	v1      bool
}

// request reads the children of the wrapper of a receipt.
func (d *receiptDecoder) request(r *Request) {
	for c := (children{parts: receiptRequestParts}); d.child(&c); {
		switch c.name {
		case "idPA":
			r.IDPA = d.vitalText(text35)
		case "idBrokerPA":
			r.IDBrokerPA = d.vitalText(text35)
		case "idStation":
			r.IDStation = d.vitalText(text35)
		case "receipt":
			d.readReceipt()
		case "standIn":
			d.readStandIn()
		}
	}
	if !d.failed() {
		d.advance()
	}
}

func (d *receiptDecoder) readReceipt() {
	r := d.receipt
	for c := (children{parts: receiptParts}); d.child(&c); {
		switch c.name {
		case "receiptId":
			r.ReceiptID = d.vitalText(receiptID)
		case "noticeNumber":
			r.NoticeNumber = d.vitalText(noticeNumber)
		case "fiscalCode":
			r.FiscalCode = d.vitalText(fiscalCodePA)
		case "outcome":
			r.Outcome = d.text(outcome)
		case "creditorReferenceId":
			r.CreditorReferenceID = d.text(text35)
		case "paymentAmount":
			r.PaymentAmount = d.vitalAmount()
		case "description":
			r.Description = d.text(text140)
		case "companyName":
			r.CompanyName = d.text(text140)
		case "officeName":
			r.OfficeName = d.text(text140)
		case "debtor":
			d.readSubject(&r.Debtor)
		case "transferList":
			d.readTransfers()
		case "idPSP":
			r.IDPSP = d.text(text35)
		case "pspFiscalCode":
			r.PSPFiscalCode = d.text(text70)
		case "pspPartitaIVA":
			r.PSPPartitaIVA = d.text(text20)
		case "PSPCompanyName":
			r.PSPCompanyName = d.text(text70)
		case "idChannel":
			r.IDChannel = d.text(text35)
		case "channelDescription":
			r.ChannelDescription = d.text(text35)
		case "payer":
			r.Payer = new(Subject)
			d.readSubject(r.Payer)
		case "paymentMethod":
			r.PaymentMethod = d.text(text35)
		case "paymentNote":
			r.PaymentNote = d.text(text210)
		case "fee":
			r.Fee, r.HasFee = d.amount(amountType)
		case "primaryCiIncurredFee":
			r.PrimaryCIIncurredFee, r.HasPrimaryCIIncurredFee = d.amount(amountType)
		case "idBundle":
			r.IDBundle = d.text(text70)
		case "idCiBundle":
			r.IDCIBundle = d.text(text70)
		case "paymentDateTime":
			r.PaymentDateTime = d.text(dateTime)
		case "applicationDate":
			r.ApplicationDate = d.text(date)
		case "transferDate":
			r.TransferDate = d.text(date)
		case "metadata":
			r.Metadata = d.readMetadata()
		case "standIn":
			d.readStandIn()
		}
	}
}

func (d *receiptDecoder) readStandIn() {
	if isTrue(d.text(boolean)) {
		d.receipt.StandIn = true
	}
}

func (d *receiptDecoder) readSubject(s *Subject) {
	for c := (children{parts: subjectParts}); d.child(&c); {
		switch c.name {
		case "uniqueIdentifier":
			d.readIdentifier(s)
		case "fullName":
			s.FullName = d.text(text70)
		case "streetName":
			s.StreetName = d.text(text70)
		case "civicNumber":
			s.CivicNumber = d.text(text16)
		case "postalCode":
			s.PostalCode = d.text(text16)
		case "city":
			s.City = d.text(text35)
		case "stateProvinceRegion":
			s.StateProvinceRegion = d.text(text35)
		case "country":
			s.Country = d.text(country)
		case "e-mail":
			s.EMail = d.text(eMail)
		}
	}
}

func (d *receiptDecoder) readIdentifier(s *Subject) {
	for c := (children{parts: identifierParts}); d.child(&c); {
		switch c.name {
		case "entityUniqueIdentifierType":
			s.EntityType = d.text(entityType)
		case "entityUniqueIdentifierValue":
			s.EntityCode = d.text(entityCode)
		}
	}
}

func (d *receiptDecoder) readTransfers() {
	for c := (children{parts: transferListParts}); d.child(&c); {
		if c.count > maxReceiptTransfers {
			d.skip()
			continue
		}
		var t ReceiptTransfer
		d.readTransfer(&t)
		d.receipt.Transfers = append(d.receipt.Transfers, t)
	}
}

func (d *receiptDecoder) readTransfer(t *ReceiptTransfer) {
	c := children{parts: transferParts}
	for d.child(&c) {
		switch c.name {
		case "idTransfer":
			if v := collapse(d.text(idTransfer)); idTransfer.check(v) == "" {
				t.IDTransfer = int(v[len(v)-1] - '0')
			}
		case "transferAmount":
			t.Amount, t.HasAmount = d.amount(amountNotZero)
		case "fiscalCodePA":
			t.FiscalCodePA = d.text(fiscalCodePA)
		case "companyName":
			t.CompanyName = d.text(text140)
		case "IBAN":
			t.IBAN = d.text(text35)
		case "MBDAttachment":
			t.MBDAttachment = d.text(base64Binary)
		case "remittanceInformation":
			t.RemittanceInformation = d.text(text140)
		case "transferCategory":
			t.TransferCategory = d.text(text140)
		case "metadata":
			t.Metadata = d.readMetadata()
		}
	}
	switch iban, stamp := c.met("IBAN"), c.met("MBDAttachment"); {
	case !iban && !stamp:
		d.flag("IBAN", "is missing")
	case iban && stamp:
		d.flag("MBDAttachment", "stands beside IBAN")
	}
}

func (d *receiptDecoder) readMetadata() (entries []MapEntry) {
	for c := (children{parts: metadataParts}); d.child(&c); {
		if c.count > maxReceiptMetadata {
			d.skip()
			continue
		}
		var e MapEntry
		for c := (children{parts: mapEntryParts}); d.child(&c); {
			switch c.name {
			case "key":
				e.Key = d.text(text140)
			case "value":
				e.Value = d.text(text140)
			}
		}
		entries = append(entries, e)
	}
	return entries
}

// vitalText reads the child that just opened, which must be well formed.
func (d *receiptDecoder) vitalText(t *simple) string {
	child := d.top().name.local
	raw, ok := d.simpleContent()
	if !ok {
		d.failAbove("", "contains an element")
		return ""
	}
	v := t.normalise(raw)
	if problem := t.check(v); problem != "" {
		d.fail(child, problem)
		return ""
	}
	return v
}

func (d *receiptDecoder) vitalAmount() money.Cents {
	v := d.vitalText(amountType)
	if d.failed() {
		return 0
	}
	c, err := money.ParseEuro(v)
	if err != nil {
		d.fail("paymentAmount", err.Error())
	}
	return c
}

// text reads the child that just opened. A value that is not of its type is
// flagged and returned as it came, up to the first element within.
func (d *receiptDecoder) text(t *simple) string {
	child, outer := d.top().name.local, d.depth-1
	raw, ok := d.simpleContent()
	if !ok && d.reason == "" {
		d.failingChild(outer)
		return raw
	}
	v := t.normalise(raw)
	if problem := t.check(v); problem != "" {
		d.flag(child, problem)
		return raw
	}
	return v
}

// failingChild flags an element within a simple value and passes over the rest
// of the value.
func (d *receiptDecoder) failingChild(outer int) {
	d.depth--
	d.flag("", "contains an element")
	d.depth++
	for d.depth > outer && d.next() != tokenBroken {
	}
}

// amount reads the child that just opened and tells whether it was an amount.
func (d *receiptDecoder) amount(t *simple) (money.Cents, bool) {
	v := collapse(d.text(t))
	if t.check(v) != "" {
		return 0, false
	}
	c, err := money.ParseEuro(v)
	return c, err == nil
}
