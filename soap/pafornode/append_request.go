package pafornode

// AppendRequest appends a request as the Nodo sends it. It writes what it is
// given: an empty string leaves its element out, and nothing is cut or mended,
// so that a client can also show how a creditor treats a wrong request. For a
// request that the schema accepts, [DecodeRequest] gives back an equal one.
// r.Operation must be one of the six; r.Receipt must be set for receipts.
func AppendRequest(dst []byte, r *Request) []byte {
	w := writer(dst)
	wrapper := names[r.Operation].request
	w.begin(wrapper)
	w.given("idPA", r.IDPA)
	w.given("idBrokerPA", r.IDBrokerPA)
	w.given("idStation", r.IDStation)
	switch r.Operation {
	case VerifyPaymentNotice:
		w.qrCode(&r.QRCode)
	case GetPayment, GetPaymentV2:
		w.qrCode(&r.QRCode)
		if r.HasAmount {
			w.amount("amount", r.Amount)
		}
		w.given("paymentNote", r.PaymentNote)
		w.given("transferType", r.TransferType)
		w.given("dueDate", r.DueDate)
	case SendRT, SendRTV2:
		w.receipt(r.Operation, r.Receipt)
	case DemandPaymentNotice:
		w.given("idServizio", r.IDServizio)
		w.given("idSoggettoServizio", r.IDSoggettoServizio)
		w.open("datiSpecificiServizioRequest")
		w.escaped(r.DatiSpecificiServizioRequest, noLimit)
		w.close("datiSpecificiServizioRequest")
	}
	w.end(wrapper)
	return w
}

// given writes an element as it was given, or nothing for no text.
func (w *writer) given(name, text string) { w.text(name, text, noLimit) }

func (w *writer) qrCode(q *QRCode) {
	w.open("qrCode")
	w.given("fiscalCode", q.FiscalCode)
	w.given("noticeNumber", q.NoticeNumber)
	w.close("qrCode")
}

func (w *writer) receipt(op Operation, r *Receipt) {
	v2 := op == SendRTV2
	w.open("receipt")
	w.given("receiptId", r.ReceiptID)
	w.given("noticeNumber", r.NoticeNumber)
	w.given("fiscalCode", r.FiscalCode)
	w.given("outcome", r.Outcome)
	w.given("creditorReferenceId", r.CreditorReferenceID)
	w.amount("paymentAmount", r.PaymentAmount)
	w.given("description", r.Description)
	w.given("companyName", r.CompanyName)
	w.given("officeName", r.OfficeName)
	w.givenSubject("debtor", &r.Debtor)
	w.open("transferList")
	for i := range r.Transfers {
		w.receiptTransfer(v2, &r.Transfers[i])
	}
	w.close("transferList")
	w.given("idPSP", r.IDPSP)
	w.given("pspFiscalCode", r.PSPFiscalCode)
	w.given("pspPartitaIVA", r.PSPPartitaIVA)
	w.given("PSPCompanyName", r.PSPCompanyName)
	w.given("idChannel", r.IDChannel)
	w.given("channelDescription", r.ChannelDescription)
	if r.Payer != nil {
		w.givenSubject("payer", r.Payer)
	}
	w.given("paymentMethod", r.PaymentMethod)
	if v2 {
		w.given("paymentNote", r.PaymentNote)
	}
	if r.HasFee {
		w.amount("fee", r.Fee)
	}
	if v2 {
		if r.HasPrimaryCIIncurredFee {
			w.amount("primaryCiIncurredFee", r.PrimaryCIIncurredFee)
		}
		w.given("idBundle", r.IDBundle)
		w.given("idCiBundle", r.IDCIBundle)
	}
	w.given("paymentDateTime", r.PaymentDateTime)
	w.given("applicationDate", r.ApplicationDate)
	w.given("transferDate", r.TransferDate)
	w.givenMetadata(r.Metadata)
	if r.StandIn {
		w.boolean("standIn", true)
	}
	w.close("receipt")
}

func (w *writer) receiptTransfer(v2 bool, t *ReceiptTransfer) {
	w.open("transfer")
	if t.IDTransfer != 0 {
		w.integer("idTransfer", t.IDTransfer)
	}
	if t.HasAmount {
		w.amount("transferAmount", t.Amount)
	}
	w.given("fiscalCodePA", t.FiscalCodePA)
	if v2 {
		w.given("companyName", t.CompanyName)
	}
	w.given("IBAN", t.IBAN)
	if v2 {
		w.given("MBDAttachment", t.MBDAttachment)
	}
	w.given("remittanceInformation", t.RemittanceInformation)
	w.given("transferCategory", t.TransferCategory)
	w.givenMetadata(t.Metadata)
	w.close("transfer")
}

func (w *writer) givenSubject(name string, s *Subject) {
	w.open(name)
	w.open("uniqueIdentifier")
	w.given("entityUniqueIdentifierType", s.EntityType)
	w.given("entityUniqueIdentifierValue", s.EntityCode)
	w.close("uniqueIdentifier")
	w.given("fullName", s.FullName)
	w.given("streetName", s.StreetName)
	w.given("civicNumber", s.CivicNumber)
	w.given("postalCode", s.PostalCode)
	w.given("city", s.City)
	w.given("stateProvinceRegion", s.StateProvinceRegion)
	w.given("country", s.Country)
	w.given("e-mail", s.EMail)
	w.close(name)
}

func (w *writer) givenMetadata(entries []MapEntry) {
	if len(entries) == 0 {
		return
	}
	w.open("metadata")
	for i := range entries {
		w.open("mapEntry")
		w.given("key", entries[i].Key)
		w.given("value", entries[i].Value)
		w.close("mapEntry")
	}
	w.close("metadata")
}
