package pafornode

import "github.com/attualizza/attualizza/internal/money"

// DecodeResponse reads an answer as strictly as the Nodo does: by the schema,
// and then by the rules that the schema cannot say: a KO has a fault and
// nothing else, an OK has no fault and what the operation promises, and the
// amount of an activation is the sum of its transfers (SANP, "Integrazione
// tramite API sincrone").
//
// The error is a [*ContentError] that names the element and what is wrong with
// it, a [*SOAPFaultError] when a SOAP Fault came, or an [*EnvelopeError].
func DecodeResponse(body string) (*Response, error) {
	var d decoder
	wrapper := d.openEnvelope(body)
	if d.reason == "" && wrapper.space == EnvelopeNamespace && wrapper.local == "Fault" {
		return nil, d.soapFault()
	}
	r := &Response{}
	if d.reason == "" && wrapper.space == Namespace {
		for _, o := range Operations() {
			if wrapper.local == names[o].response {
				r.Operation, d.operation = o, o
			}
		}
	}
	if r.Operation == 0 {
		d.broken("the Body holds no response of paForNode")
		return nil, &EnvelopeError{Reason: d.reason}
	}
	d.response(r)
	if err := d.result(""); err != nil {
		return nil, err
	}
	return r, nil
}

func (d *decoder) response(r *Response) {
	d.advance()
	r.Outcome = d.value("outcome", outcome)
	if d.has("fault") {
		r.Fault = new(Fault)
		d.fault(r.Fault)
	}
	switch {
	case r.Outcome == "OK" && r.Fault != nil:
		d.fail("fault", "stands in an OK")
	case r.Outcome == "KO" && r.Fault == nil:
		d.fail("fault", "is missing in a KO")
	case r.Outcome == "KO":
		if d.at == tokenStart {
			d.fail("", "stands in a KO")
		}
	case r.Operation == VerifyPaymentNotice:
		d.verifyOK(r)
	case r.Operation == GetPayment, r.Operation == GetPaymentV2:
		r.Payment = new(Payment)
		d.payment(r.Payment, r.Operation == GetPaymentV2)
	case r.Operation == DemandPaymentNotice:
		if d.has("qrCode") {
			r.QRCode = new(QRCode)
			d.qrCode(r.QRCode)
		}
		if d.at == tokenStart {
			d.verifyOK(r)
		}
	}
	d.leave()
}

func (d *decoder) fault(f *Fault) {
	d.enter("fault")
	f.Code = d.value("faultCode", anyText)
	f.String = d.value("faultString", anyText)
	f.ID = d.value("id", anyText)
	f.Description = d.optional("description", anyText)
	d.optional("serial", integer)
	d.optional("originalFaultCode", anyText)
	d.optional("originalFaultString", anyText)
	d.optional("originalDescription", anyText)
	d.leave()
}

// verifyOK reads what follows the outcome of a verify. The schema has it all
// optional, for the sake of refusals; the Nodo wants all but officeName.
func (d *decoder) verifyOK(r *Response) {
	v := new(VerifyOK)
	r.Verify = v
	d.enter("paymentList")
	d.enter("paymentOptionDescription")
	v.Amount = d.amount("amount", amountNotZero)
	r.Options = d.value("options", amountOption)
	v.DueDate = d.optional("dueDate", date)
	v.DetailDescription = d.optional("detailDescription", text140)
	v.AllCCP = isTrue(d.value("allCCP", boolean))
	d.leave()
	d.leave()
	v.PaymentDescription = d.value("paymentDescription", text140)
	v.FiscalCodePA = d.value("fiscalCodePA", fiscalCodePA)
	v.CompanyName = d.value("companyName", text140)
	v.OfficeName = d.optional("officeName", text140)
}

func (d *decoder) payment(p *Payment, v2 bool) {
	d.enter("data")
	p.CreditorReferenceID = d.value("creditorReferenceId", text35)
	p.Amount = d.amount("paymentAmount", amountNotZero)
	p.DueDate = d.value("dueDate", date)
	p.RetentionDate = d.optional("retentionDate", dateTime)
	if p.HasLastPayment = d.has("lastPayment"); p.HasLastPayment {
		p.LastPayment = isTrue(d.value("lastPayment", boolean))
	}
	p.Description = d.value("description", text140)
	if v2 {
		p.CompanyName = d.value("companyName", text140)
	} else {
		p.CompanyName = d.optional("companyName", text140)
	}
	p.OfficeName = d.optional("officeName", text140)
	d.subject("debtor", &p.Debtor)
	if d.enter("transferList") {
		for len(p.Transfers) == 0 || d.has("transfer") {
			var t Transfer
			d.transfer(&t, len(p.Transfers)+1, v2)
			p.Transfers = append(p.Transfers, t)
			if d.failed() {
				return
			}
		}
		d.leave()
	}
	p.Metadata = d.metadata()
	d.leave()
	var sum money.Cents
	for i := range p.Transfers {
		sum += p.Transfers[i].Amount
	}
	if sum != p.Amount {
		d.fail("data", "paymentAmount is not the sum of the transfers")
	}
}

func (d *decoder) transfer(t *Transfer, position int, v2 bool) {
	if !d.item("transfer", position, 5) {
		return
	}
	if v := d.value("idTransfer", idTransfer); v != "" {
		t.IDTransfer = int(v[len(v)-1] - '0')
	}
	t.Amount = d.amount("transferAmount", amountNotZero)
	t.FiscalCodePA = d.value("fiscalCodePA", fiscalCodePA)
	if v2 {
		t.CompanyName = d.optional("companyName", text140)
	}
	if v2 && d.has("richiestaMarcaDaBollo") {
		t.Stamp = new(Stamp)
		d.stamp(t.Stamp)
	} else {
		t.IBAN = d.value("IBAN", text35)
	}
	t.RemittanceInformation = d.value("remittanceInformation", text140)
	t.TransferCategory = d.value("transferCategory", text140)
	t.Metadata = d.metadata()
	d.leave()
}

func (d *decoder) stamp(s *Stamp) {
	d.enter("richiestaMarcaDaBollo")
	s.HashDocument = d.value("hashDocumento", documentHash)
	s.Type = d.value("tipoBollo", stampType)
	s.Province = d.value("provinciaResidenza", country)
	d.leave()
}

func (d *decoder) subject(name string, s *Subject) {
	d.enter(name)
	d.enter("uniqueIdentifier")
	s.EntityType = d.value("entityUniqueIdentifierType", entityType)
	s.EntityCode = d.value("entityUniqueIdentifierValue", entityCode)
	d.leave()
	s.FullName = d.value("fullName", text70)
	s.StreetName = d.optional("streetName", text70)
	s.CivicNumber = d.optional("civicNumber", text16)
	s.PostalCode = d.optional("postalCode", text16)
	s.City = d.optional("city", text35)
	s.StateProvinceRegion = d.optional("stateProvinceRegion", text35)
	s.Country = d.optional("country", country)
	s.EMail = d.optional("e-mail", eMail)
	d.leave()
}

func (d *decoder) metadata() (entries []MapEntry) {
	if !d.has("metadata") {
		return nil
	}
	d.enter("metadata")
	for !d.failed() && (len(entries) == 0 || d.has("mapEntry")) {
		var e MapEntry
		if d.item("mapEntry", len(entries)+1, 15) {
			e.Key = d.value("key", text140)
			e.Value = d.value("value", text140)
			d.leave()
		}
		entries = append(entries, e)
	}
	d.leave()
	return entries
}

// item goes into the next item of a list of at most most.
func (d *decoder) item(name string, position, most int) bool {
	if d.has(name) {
		d.top().position = position
	}
	if position > most {
		d.fail("", "is one too many, the schema allows "+decimal(most))
	}
	return d.enter(name)
}

// soapFault reads a SOAP 1.1 Fault: faultcode, faultstring, and whatever else
// may follow.
func (d *decoder) soapFault() error {
	f := &SOAPFaultError{}
	for d.depth > 2 {
		if t := d.next(); t == tokenBroken {
			return &EnvelopeError{Reason: d.reason}
		} else if t != tokenStart || d.depth != 4 || d.top().name.space != "" {
			continue
		}
		switch d.top().name.local {
		case "faultcode":
			code, _ := d.simpleContent()
			_, f.Code = split(collapse(code))
		case "faultstring":
			f.Text, _ = d.simpleContent()
		}
	}
	d.advance()
	if d.closeEnvelope(); d.reason != "" {
		return &EnvelopeError{Reason: d.reason}
	}
	return f
}
