package pafornode

// DecodeRequest reads a SOAP 1.1 envelope with one of the six requests.
//
// The error is an [*EnvelopeError] when the document is not a message of
// paForNode, and a [*ContentError] when it is one and breaks the schema. Errors
// hold no values of the message. The strings of the request share the memory
// of body. DecodeRequest bounds depth, attributes and lists, not the length of
// body: that is the caller's.
func DecodeRequest(body string) (Request, error) {
	var d decoder
	var r Request
	wrapper := d.openEnvelope(body)
	if d.reason == "" && wrapper.space == Namespace {
		for _, o := range [...]Operation{VerifyPaymentNotice, GetPayment, GetPaymentV2, SendRT, SendRTV2, DemandPaymentNotice} {
			if wrapper.local == names[o].request {
				r.Operation, d.operation = o, o
			}
		}
	}
	if r.Operation == 0 {
		d.broken("the Body holds no request of paForNode")
		return Request{}, &EnvelopeError{Reason: d.reason}
	}
	if r.Operation.IsReceipt() {
		r.Receipt = new(Receipt)
		receipts := receiptDecoder{decoder: &d, receipt: r.Receipt, v1: r.Operation == SendRT}
		receipts.request(&r)
	} else {
		d.request(&r)
	}
	if err := d.result(r.IDPA); err != nil {
		return Request{}, err
	}
	return r, nil
}

// request reads the children of the wrapper of a verify, an activation or a
// demand.
func (d *decoder) request(r *Request) {
	d.advance()
	r.IDPA = d.value("idPA", text35)
	r.IDBrokerPA = d.value("idBrokerPA", text35)
	r.IDStation = d.value("idStation", text35)
	switch r.Operation {
	case VerifyPaymentNotice:
		d.qrCode(&r.QRCode)
	case GetPayment, GetPaymentV2:
		d.qrCode(&r.QRCode)
		if r.HasAmount = d.has("amount"); r.HasAmount {
			r.Amount = d.amount("amount", amountType)
		}
		r.PaymentNote = d.optional("paymentNote", text210)
		r.TransferType = d.optional("transferType", transferType)
		r.DueDate = d.optional("dueDate", date)
	case DemandPaymentNotice:
		r.IDServizio = d.value("idServizio", text5)
		r.IDSoggettoServizio = d.value("idSoggettoServizio", text5)
		r.DatiSpecificiServizioRequest = d.value("datiSpecificiServizioRequest", base64Binary)
	}
	d.leave()
}

func (d *decoder) qrCode(q *QRCode) {
	if d.enter("qrCode") {
		q.FiscalCode = d.value("fiscalCode", fiscalCodePA)
		q.NoticeNumber = d.value("noticeNumber", noticeNumber)
		d.leave()
	}
}
