package nodo

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// ReceiptFor returns the request by which the Nodo tells that an activated
// notice was paid: the amounts, transfers and metadata of the activation's
// answer, under a new receiptId.
func ReceiptFor(activation *pafornode.Request, answer *pafornode.Payment, paidAt time.Time) *pafornode.Request {
	op := pafornode.SendRTV2
	if activation.Operation == pafornode.GetPayment {
		op = pafornode.SendRT
	}
	r := &pafornode.Receipt{
		ReceiptID: strings.ToLower(rand.Text()), NoticeNumber: activation.QRCode.NoticeNumber, FiscalCode: activation.QRCode.FiscalCode,
		Outcome: "OK", CreditorReferenceID: answer.CreditorReferenceID, PaymentAmount: answer.Amount,
		Description: answer.Description, CompanyName: answer.CompanyName, OfficeName: answer.OfficeName, Debtor: answer.Debtor,
		IDPSP: "PSP_DI_PROVA", PSPFiscalCode: "00000000001", PSPCompanyName: "PSP di prova", IDChannel: "00000000001_01", ChannelDescription: "prova",
		PaymentMethod: "creditCard", Fee: 150, HasFee: true,
		PaymentDateTime: paidAt.In(calendar.Rome).Format("2006-01-02T15:04:05"),
		ApplicationDate: calendar.DayOf(paidAt).String(), TransferDate: calendar.DayOf(paidAt.AddDate(0, 0, 1)).String(),
		Metadata: answer.Metadata,
	}
	if r.CompanyName == "" {
		r.CompanyName = "-"
	}
	for _, t := range answer.Transfers {
		out := pafornode.ReceiptTransfer{
			IDTransfer: t.IDTransfer, Amount: t.Amount, HasAmount: true, FiscalCodePA: t.FiscalCodePA, CompanyName: t.CompanyName,
			IBAN: t.IBAN, RemittanceInformation: t.RemittanceInformation, TransferCategory: t.TransferCategory, Metadata: t.Metadata,
		}
		if t.Stamp != nil {
			out.MBDAttachment = stampDocument
		}
		r.Transfers = append(r.Transfers, out)
	}
	return &pafornode.Request{
		Operation: op, IDPA: activation.IDPA, IDBrokerPA: activation.IDBrokerPA, IDStation: activation.IDStation, Receipt: r,
	}
}

// stampDocument stands for the stamp's XML document, which only a real stamp
// issuer can make: base64 of "<marcaDaBollo/>".
const stampDocument = "PG1hcmNhRGFCb2xsby8+"
