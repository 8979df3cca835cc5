package pafornode

import (
	"encoding/xml"
	"strconv"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/soap/pafornode/wire"
)

// wireRequest is a request as encoding/xml and the generated types see it.
type wireRequest struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Body    struct {
		Verify *wire.PaVerifyPaymentNoticeReq     `xml:"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd paVerifyPaymentNoticeReq"`
		Get    *wire.PaGetPaymentReq              `xml:"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd paGetPaymentReq"`
		GetV2  *wire.PaGetPaymentV2Request        `xml:"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd paGetPaymentV2Request"`
		RT     *wire.PaSendRTReq                  `xml:"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd paSendRTReq"`
		RTV2   *wire.PaSendRTV2Request            `xml:"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd paSendRTV2Request"`
		Demand *wire.PaDemandPaymentNoticeRequest `xml:"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd paDemandPaymentNoticeRequest"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
}

// value dereferences a text of a generated type.
func value[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}

// collapsed is value for a type that collapses white space.
func collapsed[T ~string](p *T) string { return collapse(value(p)) }

// cents is value for an amount.
func cents[T ~string](tb testing.TB, p *T) (money.Cents, bool) {
	if p == nil {
		return 0, false
	}
	c, err := money.ParseEuro(collapsed(p))
	if err != nil {
		tb.Errorf("amount: %v", err)
	}
	return c, true
}

// decodeByWire reads a request with encoding/xml and puts it into our words.
func decodeByWire(tb testing.TB, message string) (Request, error) {
	tb.Helper()
	var w wireRequest
	if err := xml.Unmarshal([]byte(message), &w); err != nil {
		return Request{}, err
	}
	qr := func(q *wire.CtQrCode) QRCode {
		if q == nil {
			return QRCode{}
		}
		return QRCode{value(q.FiscalCode), value(q.NoticeNumber)}
	}
	switch b := w.Body; {
	case b.Verify != nil:
		return Request{
			Operation: VerifyPaymentNotice, IDPA: value(b.Verify.IdPA), IDBrokerPA: value(b.Verify.IdBrokerPA),
			IDStation: value(b.Verify.IdStation), QRCode: qr(b.Verify.QrCode),
		}, nil
	case b.Get != nil:
		r := Request{
			Operation: GetPayment, IDPA: value(b.Get.IdPA), IDBrokerPA: value(b.Get.IdBrokerPA), IDStation: value(b.Get.IdStation),
			QRCode: qr(b.Get.QrCode), PaymentNote: value(b.Get.PaymentNote), TransferType: value(b.Get.TransferType),
			DueDate: collapsed(b.Get.DueDate),
		}
		r.Amount, r.HasAmount = cents(tb, b.Get.Amount)
		return r, nil
	case b.GetV2 != nil:
		r := Request{
			Operation: GetPaymentV2, IDPA: value(b.GetV2.IdPA), IDBrokerPA: value(b.GetV2.IdBrokerPA), IDStation: value(b.GetV2.IdStation),
			QRCode: qr(b.GetV2.QrCode), PaymentNote: value(b.GetV2.PaymentNote), TransferType: value(b.GetV2.TransferType),
			DueDate: collapsed(b.GetV2.DueDate),
		}
		r.Amount, r.HasAmount = cents(tb, b.GetV2.Amount)
		return r, nil
	case b.RT != nil:
		return Request{
			Operation: SendRT, IDPA: value(b.RT.IdPA), IDBrokerPA: value(b.RT.IdBrokerPA), IDStation: value(b.RT.IdStation),
			Receipt: receiptByWire(tb, b.RT.Receipt),
		}, nil
	case b.RTV2 != nil:
		return Request{
			Operation: SendRTV2, IDPA: value(b.RTV2.IdPA), IDBrokerPA: value(b.RTV2.IdBrokerPA), IDStation: value(b.RTV2.IdStation),
			Receipt: receiptV2ByWire(tb, b.RTV2.Receipt),
		}, nil
	case b.Demand != nil:
		return Request{
			Operation: DemandPaymentNotice, IDPA: value(b.Demand.IdPA), IDBrokerPA: value(b.Demand.IdBrokerPA),
			IDStation: value(b.Demand.IdStation), IDServizio: value(b.Demand.IdServizio),
			IDSoggettoServizio:           value(b.Demand.IdSoggettoServizio),
			DatiSpecificiServizioRequest: collapse(b.Demand.DatiSpecificiServizioRequest),
		}, nil
	}
	return Request{}, nil
}

func receiptByWire(tb testing.TB, w *wire.CtReceipt) *Receipt {
	if w == nil {
		return nil
	}
	r := &Receipt{
		ReceiptID: w.ReceiptId, NoticeNumber: value(w.NoticeNumber), FiscalCode: value(w.FiscalCode), Outcome: value(w.Outcome),
		CreditorReferenceID: value(w.CreditorReferenceId), Description: value(w.Description), CompanyName: value(w.CompanyName),
		OfficeName: value(w.OfficeName), IDPSP: value(w.IdPSP), PSPFiscalCode: value(w.PspFiscalCode),
		PSPPartitaIVA: value(w.PspPartitaIVA), PSPCompanyName: value(w.PSPCompanyName), IDChannel: value(w.IdChannel),
		ChannelDescription: value(w.ChannelDescription), PaymentMethod: value(w.PaymentMethod),
		PaymentDateTime: collapsed(w.PaymentDateTime), ApplicationDate: collapsed(w.ApplicationDate),
		TransferDate: collapsed(w.TransferDate), Metadata: metadataByWire(w.Metadata),
		Payer: subjectByWire(w.Payer), StandIn: w.StandIn != nil && *w.StandIn,
	}
	if d := subjectByWire(w.Debtor); d != nil {
		r.Debtor = *d
	}
	r.PaymentAmount, _ = cents(tb, w.PaymentAmount)
	r.Fee, r.HasFee = cents(tb, w.Fee)
	if w.TransferList != nil {
		for _, t := range w.TransferList.Transfer {
			r.Transfers = append(r.Transfers, transferByWire(tb, &wire.CtTransferPAReceiptV2{
				IdTransfer: t.IdTransfer, TransferAmount: t.TransferAmount, FiscalCodePA: t.FiscalCodePA, IBAN: t.IBAN,
				RemittanceInformation: t.RemittanceInformation, TransferCategory: t.TransferCategory, Metadata: t.Metadata,
			}))
		}
	}
	return r
}

func receiptV2ByWire(tb testing.TB, w *wire.CtReceiptV2) *Receipt {
	if w == nil {
		return nil
	}
	r := receiptByWire(tb, &wire.CtReceipt{
		ReceiptId: w.ReceiptId, NoticeNumber: w.NoticeNumber, FiscalCode: w.FiscalCode, Outcome: w.Outcome,
		CreditorReferenceId: w.CreditorReferenceId, PaymentAmount: w.PaymentAmount, Description: w.Description,
		CompanyName: w.CompanyName, OfficeName: w.OfficeName, Debtor: w.Debtor, IdPSP: w.IdPSP, PspFiscalCode: w.PspFiscalCode,
		PspPartitaIVA: w.PspPartitaIVA, PSPCompanyName: w.PSPCompanyName, IdChannel: w.IdChannel,
		ChannelDescription: w.ChannelDescription, Payer: w.Payer, PaymentMethod: w.PaymentMethod, Fee: w.Fee,
		PaymentDateTime: w.PaymentDateTime, ApplicationDate: w.ApplicationDate, TransferDate: w.TransferDate,
		Metadata: w.Metadata, StandIn: w.StandIn,
	})
	r.PaymentNote, r.IDBundle, r.IDCIBundle = value(w.PaymentNote), value(w.IdBundle), value(w.IdCiBundle)
	r.PrimaryCIIncurredFee, r.HasPrimaryCIIncurredFee = cents(tb, w.PrimaryCiIncurredFee)
	if w.TransferList != nil {
		for _, t := range w.TransferList.Transfer {
			r.Transfers = append(r.Transfers, transferByWire(tb, t))
		}
	}
	return r
}

func transferByWire(tb testing.TB, w *wire.CtTransferPAReceiptV2) ReceiptTransfer {
	t := ReceiptTransfer{
		FiscalCodePA: value(w.FiscalCodePA), CompanyName: value(w.CompanyName), IBAN: value(w.IBAN),
		MBDAttachment: collapse(w.MBDAttachment), RemittanceInformation: value(w.RemittanceInformation),
		TransferCategory: value(w.TransferCategory), Metadata: metadataByWire(w.Metadata),
	}
	t.Amount, t.HasAmount = cents(tb, w.TransferAmount)
	id, err := strconv.Atoi(collapsed(w.IdTransfer))
	if err != nil {
		tb.Errorf("idTransfer: %v", err)
	}
	t.IDTransfer = id
	return t
}

func subjectByWire(w *wire.CtSubject) *Subject {
	if w == nil {
		return nil
	}
	s := &Subject{
		FullName: value(w.FullName), StreetName: value(w.StreetName), CivicNumber: value(w.CivicNumber),
		PostalCode: value(w.PostalCode), City: value(w.City), StateProvinceRegion: value(w.StateProvinceRegion),
		Country: value(w.Country), EMail: value(w.Email),
	}
	if w.UniqueIdentifier != nil {
		s.EntityType = value(w.UniqueIdentifier.EntityUniqueIdentifierType)
		s.EntityCode = value(w.UniqueIdentifier.EntityUniqueIdentifierValue)
	}
	return s
}

func metadataByWire(w *wire.CtMetadata) (entries []MapEntry) {
	if w == nil {
		return nil
	}
	for _, e := range w.MapEntry {
		entries = append(entries, MapEntry{value(e.Key), value(e.Value)})
	}
	return entries
}

// tokenised reads a document to its end with encoding/xml.
func tokenised(message string) error {
	d := xml.NewDecoder(strings.NewReader(message))
	for {
		if _, err := d.Token(); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
	}
}
