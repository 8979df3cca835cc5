package variants

import "strings"

// Wrappers returns the local names of the twelve wrappers.
func Wrappers() []string {
	return []string{
		"paVerifyPaymentNoticeReq", "paVerifyPaymentNoticeRes",
		"paGetPaymentReq", "paGetPaymentRes", "paGetPaymentV2Request", "paGetPaymentV2Response",
		"paSendRTReq", "paSendRTRes", "paSendRTV2Request", "paSendRTV2Response",
		"paDemandPaymentNoticeRequest", "paDemandPaymentNoticeResponse",
	}
}

// Sample returns a message with the given wrapper, without an envelope, that
// the schema accepts and that has every element the schema knows at its place
// (of a choice, one in one item and the other in the next). The prefix of the
// wrapper is pafn.
func Sample(wrapper string) string {
	content := samples[wrapper]
	return "<pafn:" + wrapper + ` xmlns:pafn="http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd">` + content + "</pafn:" + wrapper + ">"
}

// Enveloped puts a message into a SOAP 1.1 envelope.
func Enveloped(message string) string {
	return `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>` +
		message + "</soapenv:Body></soapenv:Envelope>"
}

var samples = map[string]string{
	"paVerifyPaymentNoticeReq":      ids + qrCode,
	"paVerifyPaymentNoticeRes":      answer + verified,
	"paGetPaymentReq":               ids + qrCode + asked,
	"paGetPaymentV2Request":         ids + qrCode + asked,
	"paGetPaymentRes":               answer + payment(transfer("1", iban)+transfer("2", iban)),
	"paGetPaymentV2Response":        answer + payment(transfer("1", company+iban)+transfer("2", company+stamp)),
	"paSendRTReq":                   ids + receipt(transfer("1", iban)+transfer("2", iban), "", ""),
	"paSendRTV2Request":             ids + receipt(transfer("1", company+iban)+transfer("2", company+attachment), paymentNote, bundle),
	"paSendRTRes":                   answer,
	"paSendRTV2Response":            answer,
	"paDemandPaymentNoticeRequest":  ids + "<idServizio>00005</idServizio><idSoggettoServizio>00042</idSoggettoServizio><datiSpecificiServizioRequest>PGRhdGk+dGFyZ2E8L2RhdGk+</datiSpecificiServizioRequest>",
	"paDemandPaymentNoticeResponse": answer + qrCode + verified,
}

const (
	ids         = "<idPA>77777777777</idPA><idBrokerPA>15376371009</idBrokerPA><idStation>15376371009_01</idStation>"
	qrCode      = "<qrCode><fiscalCode>77777777777</fiscalCode><noticeNumber>301000000000012345</noticeNumber></qrCode>"
	paymentNote = "<paymentNote>carrello 2026/11</paymentNote>"
	asked       = "<amount>120.00</amount>" + paymentNote + "<transferType>POSTAL</transferType><dueDate>2026-12-31</dueDate>"

	// The schema lets a fault stand beside everything else.
	answer = "<outcome>OK</outcome><fault><faultCode>PAA_SEMANTICA</faultCode><faultString>Errore semantico.</faultString>" +
		"<id>77777777777</id><description>Prova</description><serial>1</serial><originalFaultCode>X</originalFaultCode>" +
		"<originalFaultString>Y</originalFaultString><originalDescription>Z</originalDescription></fault>"
	verified = "<paymentList><paymentOptionDescription><amount>122.00</amount><options>EQ</options><dueDate>2026-12-31</dueDate>" +
		"<detailDescription>Contravvenzione</detailDescription><allCCP>true</allCCP></paymentOptionDescription></paymentList>" +
		"<paymentDescription>Contravvenzione</paymentDescription><fiscalCodePA>77777777777</fiscalCodePA>" +
		"<companyName>Comune di Provopoli</companyName><officeName>Polizia locale</officeName>"

	company    = "<companyName>Comune di Provopoli</companyName>"
	iban       = "<IBAN>IT60X0542811101000000123456</IBAN>"
	attachment = "<MBDAttachment>PG1hcmNhLz4=</MBDAttachment>"
	stamp      = "<richiestaMarcaDaBollo><hashDocumento>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</hashDocumento>" +
		"<tipoBollo>01</tipoBollo><provinciaResidenza>RM</provinciaResidenza></richiestaMarcaDaBollo>"
	bundle = "<primaryCiIncurredFee>0.50</primaryCiIncurredFee><idBundle>pacchetto</idBundle><idCiBundle>pacchetto-ec</idCiBundle>"

	metadata = "<metadata><mapEntry><key>NOTIFICATION_FEE</key><value>200</value></mapEntry>" +
		"<mapEntry><key>ANNO</key><value>2026</value></mapEntry></metadata>"
	subject = "<uniqueIdentifier><entityUniqueIdentifierType>F</entityUniqueIdentifierType>" +
		"<entityUniqueIdentifierValue>PRVMRA80A01H501X</entityUniqueIdentifierValue></uniqueIdentifier><fullName>Mario Prova</fullName>" +
		"<streetName>Via delle Prove</streetName><civicNumber>7/bis</civicNumber><postalCode>00100</postalCode><city>Provopoli</city>" +
		"<stateProvinceRegion>RM</stateProvinceRegion><country>IT</country><e-mail>mario.prova+avvisi@posta.example</e-mail>"
)

func transfer(id, means string) string {
	amount := map[string]string{"1": "106.00", "2": "16.00"}[id]
	return "<transfer><idTransfer>" + id + "</idTransfer><transferAmount>" + amount + "</transferAmount>" +
		"<fiscalCodePA>77777777777</fiscalCodePA>" + means + "<remittanceInformation>Contravvenzione</remittanceInformation>" +
		"<transferCategory>0101101IM</transferCategory>" + metadata + "</transfer>"
}

func payment(transfers string) string {
	return "<data><creditorReferenceId>01000000000012345</creditorReferenceId><paymentAmount>122.00</paymentAmount>" +
		"<dueDate>2026-12-31</dueDate><retentionDate>2026-12-30T23:59:59</retentionDate><lastPayment>false</lastPayment>" +
		"<description>Contravvenzione</description>" + company + "<officeName>Polizia locale</officeName><debtor>" + subject + "</debtor>" +
		"<transferList>" + transfers + "</transferList>" + metadata + "</data>"
}

func receipt(transfers, note, bundle string) string {
	return strings.Join([]string{
		"<receipt><receiptId>5b1f0c7ad3e94f0f8f6a1d2c3b4a5968</receiptId><noticeNumber>301000000000012345</noticeNumber>",
		"<fiscalCode>77777777777</fiscalCode><outcome>OK</outcome><creditorReferenceId>01000000000012345</creditorReferenceId>",
		"<paymentAmount>122.00</paymentAmount><description>Contravvenzione</description>", company,
		"<officeName>Polizia locale</officeName><debtor>", subject, "</debtor><transferList>", transfers, "</transferList>",
		"<idPSP>PROVPSPXXX</idPSP><pspFiscalCode>88888888888</pspFiscalCode><pspPartitaIVA>88888888888</pspPartitaIVA>",
		"<PSPCompanyName>Banca di Prova</PSPCompanyName><idChannel>88888888888_01</idChannel>",
		"<channelDescription>sportello</channelDescription><payer>", subject, "</payer><paymentMethod>creditCard</paymentMethod>",
		note, "<fee>1.50</fee>", bundle, "<paymentDateTime>2026-11-20T10:11:12</paymentDateTime>",
		"<applicationDate>2026-11-20</applicationDate><transferDate>2026-11-21</transferDate>", metadata,
		"<standIn>false</standIn></receipt>",
	}, "")
}
