package pafornode

import "github.com/attualizza/attualizza/internal/money"

// Request is what the Nodo asks. Which fields are set depends on Operation.
type Request struct {
	Operation Operation

	IDPA       string // tax code of the creditor the request is for
	IDBrokerPA string // tax code of its broker
	IDStation  string // station of the broker

	// QRCode is the notice; not set in receipts and demands.
	QRCode QRCode

	// What an activation adds. The amount is the one the payer saw, or the one
	// the PSP read on the notice: it is informative, the creditor's answer
	// decides.
	Amount       money.Cents
	HasAmount    bool
	PaymentNote  string // idCart, when the payment began on the creditor's site
	TransferType string // "POSTAL", "PAGOPA" or ""
	DueDate      string // xsd:date as it came, perhaps with a time zone

	// Receipt is set for SendRT and SendRTV2 only.
	Receipt *Receipt

	// What a demand adds.
	IDServizio                   string // 5 characters, service of the catalogue
	IDSoggettoServizio           string // 5 characters, creditor within the service
	DatiSpecificiServizioRequest string // base64 as it came
}

// QRCode identifies a notice: the tax code of the creditor that issued it (11
// digits) and the notice number (18 digits).
type QRCode struct {
	FiscalCode   string
	NoticeNumber string
}

// Receipt tells that a notice was paid.
//
// ReceiptID, NoticeNumber, FiscalCode and PaymentAmount are always there and
// well formed. Every other field holds what came, well formed or not, and is
// empty when nothing came.
type Receipt struct {
	ReceiptID           string // the payment token; 1..255 characters
	NoticeNumber        string // 18 digits
	FiscalCode          string // tax code of the creditor that was paid first; not always Request.IDPA
	Outcome             string // "OK" or "KO"
	CreditorReferenceID string
	PaymentAmount       money.Cents // what was paid, without the payer's fee
	Description         string
	CompanyName         string
	OfficeName          string
	Debtor              Subject
	Transfers           []ReceiptTransfer // at most 20

	IDPSP              string
	PSPFiscalCode      string
	PSPPartitaIVA      string
	PSPCompanyName     string
	IDChannel          string
	ChannelDescription string
	Payer              *Subject
	PaymentMethod      string
	PaymentNote        string // V2

	Fee                     money.Cents // asked of the payer by the PSP
	HasFee                  bool
	PrimaryCIIncurredFee    money.Cents // V2: borne by the creditor
	HasPrimaryCIIncurredFee bool
	IDBundle                string // V2
	IDCIBundle              string // V2

	PaymentDateTime string     // xsd:dateTime as it came
	ApplicationDate string     // xsd:date as it came
	TransferDate    string     // xsd:date as it came
	Metadata        []MapEntry // at most 20

	// StandIn is true when the Nodo collected while the creditor was down,
	// perhaps an amount that was not up to date.
	StandIn bool

	// Flags lists how the message differs from the schema: element path and
	// problem, never a value. Empty for a message that the schema accepts. At
	// most 32.
	Flags []string
}

// ReceiptTransfer is the part of a payment that goes to one beneficiary.
type ReceiptTransfer struct {
	IDTransfer            int // 1..5, or 0 when it was not readable
	Amount                money.Cents
	HasAmount             bool // false when Amount was missing or not readable
	FiscalCodePA          string
	CompanyName           string // V2
	IBAN                  string // either IBAN
	MBDAttachment         string // or, in V2, the digital revenue stamp: base64 as it came
	RemittanceInformation string
	TransferCategory      string
	Metadata              []MapEntry // at most 20
}

// Subject is a debtor or a payer. Personal data: it belongs in messages and in
// the store, never in logs or errors.
type Subject struct {
	EntityType          string // "F" a natural person, "G" a legal one
	EntityCode          string // tax code, 2..16 characters, or "ANONIMO"
	FullName            string // 1..70
	StreetName          string // ..70, like all that follow optional
	CivicNumber         string // ..16
	PostalCode          string // ..16
	City                string // ..35
	StateProvinceRegion string // ..35
	Country             string // two capital letters
	EMail               string // ..256
}

// MapEntry is a pair of metadata, 1..140 characters each.
type MapEntry struct{ Key, Value string }

// VerifyOK answers a verify: the notice can be paid, for this much.
type VerifyOK struct {
	Amount             money.Cents // 0.01..999999999.99
	DueDate            string      // "2006-01-02", or "" to leave it out
	DetailDescription  string      // ..140, optional
	AllCCP             bool        // every transfer can go to a postal account
	PaymentDescription string      // 1..140
	FiscalCodePA       string      // 11 digits: the creditor to activate with
	CompanyName        string      // 1..140
	OfficeName         string      // ..140, optional
}

// Payment answers an activation, in either version.
type Payment struct {
	CreditorReferenceID string      // the IUV, 1..35
	Amount              money.Cents // the sum of the transfers
	DueDate             string      // "2006-01-02"; written as 2099-12-31 when empty
	RetentionDate       string      // xsd:dateTime, or "" to leave it out (the Nodo ignores it)
	LastPayment         bool
	HasLastPayment      bool   // false leaves LastPayment out (the Nodo ignores it)
	Description         string // 1..140
	CompanyName         string // ..140, required by version 2
	OfficeName          string // ..140, optional
	Debtor              Subject
	Transfers           []Transfer // 1..5
	Metadata            []MapEntry // the first 15 usable ones are written
}

// Transfer is the part of a payment that goes to one beneficiary.
type Transfer struct {
	IDTransfer            int         // 1..5
	Amount                money.Cents // 0.01..999999999.99
	FiscalCodePA          string      // 11 digits
	CompanyName           string      // ..140, optional, not written in version 1
	IBAN                  string      // 1..35; not written when Stamp is set
	Stamp                 *Stamp      // version 2 only
	RemittanceInformation string      // 1..140
	TransferCategory      string      // 1..140
	Metadata              []MapEntry  // the first 15 usable ones are written
}

// Stamp asks for a digital revenue stamp instead of a credit transfer.
type Stamp struct {
	HashDocument string // base64, 4..72 characters
	Type         string // always written as "01", the only type there is
	Province     string // two capital letters
}

// Fault is a refusal. ID should be the tax code of the creditor.
type Fault struct{ Code, String, ID, Description string }

// Response is an answer as the Nodo sees it.
type Response struct {
	Operation Operation
	Outcome   string // "OK" or "KO"

	// Fault is set when Outcome is KO.
	Fault *Fault

	// Verify is set for an OK to a verify, or to a demand that brings a price;
	// Options then says how the amount paid may differ ("EQ": not at all).
	Verify  *VerifyOK
	Options string

	// QRCode is set for an OK to a demand that brings a notice.
	QRCode *QRCode

	// Payment is set for an OK to an activation.
	Payment *Payment
}
