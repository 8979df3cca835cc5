package positions

import (
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/rules"
)

// Limits of a position, those of GPD's contract and of the paForNode schema.
const (
	MaxOptions   = 100 // payment options of one position
	MaxTransfers = 5   // transfers of one payment option (ctTransferListPA)
	MaxRules     = 400 // amount rules of all options together; of one, [rules.MaxRules]
	MaxMetadata  = 10  // entries of a caller; the schema carries 15, ours included
)

// NotificationFeeKey is the metadata key that tells the creditor which part of
// a payment is SEND's fee (SANP, metadata dictionary, "Spese di notifica
// SEND"). It is written by us and reserved: callers may not send it (GPD,
// PAYMENT_OPTION_RESERVED_METADATA).
const NotificationFeeKey = "NOTIFICATION_FEE"

// Position is a debt position (posizione debitoria) of one organization. Its
// JSON form is what the stores and the version history keep; names are GPD's.
type Position struct {
	OrganizationFiscalCode string `json:"organizationFiscalCode"`
	// IUPD identifies the position within its organization.
	IUPD            string    `json:"iupd"`
	Debtor          Debtor    `json:"debtor"`
	PayStandIn      bool      `json:"payStandIn"`
	SwitchToExpired bool      `json:"switchToExpired"`
	CompanyName     string    `json:"companyName"`
	OfficeName      string    `json:"officeName,omitempty"`
	ValidityDate    time.Time `json:"validityDate,omitzero"`
	PublishDate     time.Time `json:"publishDate,omitzero"`
	PaymentDate     time.Time `json:"paymentDate,omitzero"`
	// Status is the status last written. What it is now also depends on the
	// clock: see [Position.StatusAt].
	Status    Status    `json:"status"`
	Lifecycle Lifecycle `json:"lifecycle"`
	// BlockedUntil ends a block by itself; zero: until somebody unblocks.
	BlockedUntil time.Time       `json:"blockedUntil,omitzero"`
	TransferTo   string          `json:"transferTo,omitempty"` // organization it went to, when TRANSFERRED
	Options      []PaymentOption `json:"paymentOption,omitempty"`
	// Version counts changes from 1. A writer must present the version it read.
	Version    int64     `json:"version"`
	InsertedAt time.Time `json:"insertedDate"`
	UpdatedAt  time.Time `json:"lastUpdatedDate"`
}

// Debtor is personal data: it lives in positions and receipts and nowhere else.
type Debtor struct {
	Type        string `json:"type"` // F, a person, or G, a legal entity
	FiscalCode  string `json:"fiscalCode"`
	FullName    string `json:"fullName"`
	StreetName  string `json:"streetName,omitempty"`
	CivicNumber string `json:"civicNumber,omitempty"`
	PostalCode  string `json:"postalCode,omitempty"`
	City        string `json:"city,omitempty"`
	Province    string `json:"province,omitempty"`
	Region      string `json:"region,omitempty"`
	Country     string `json:"country,omitempty"`
	Email       string `json:"email,omitempty"`
	Phone       string `json:"phone,omitempty"`
}

// PaymentOption is one way to pay a position: the whole of it
// (IsPartialPayment false) or an instalment. It is what a notice pays.
type PaymentOption struct {
	NAV NoticeNumber `json:"nav"`
	IUV string       `json:"iuv"`
	// Amount is the base amount, without SEND's fee and before amount rules.
	Amount           money.Cents `json:"amount"`
	Description      string      `json:"description"`
	IsPartialPayment bool        `json:"isPartialPayment"`
	DueDate          time.Time   `json:"dueDate"`
	RetentionDate    time.Time   `json:"retentionDate,omitzero"`
	// SendBound says that SEND notifies this notice, so that its price is asked
	// before every answer.
	SendBound bool `json:"sendBound,omitempty"`
	// SenderFiscalCode is the administration that notifies when it is not the
	// organization itself.
	SenderFiscalCode string `json:"senderFiscalCode,omitempty"`
	// Components are the parts of Amount; none: it is one part. AmountRules are
	// what becomes of them from day to day, see [PaymentOption.RuleSet].
	Components  []rules.Component `json:"components,omitempty"`
	AmountRules []rules.Rule      `json:"amountRules,omitempty"`
	Metadata    []Metadata        `json:"paymentOptionMetadata,omitempty"`
	Transfers   []Transfer        `json:"transfer"`
	Status      OptionStatus      `json:"status"`
	Payment     *OptionPayment    `json:"payment,omitempty"`
	InsertedAt  time.Time         `json:"insertedDate"`
	UpdatedAt   time.Time         `json:"lastUpdatedDate"`
}

// OptionPayment tells how a paid option was paid.
type OptionPayment struct {
	Date   time.Time `json:"paymentDate,omitzero"`
	Method string    `json:"paymentMethod,omitempty"`
	PSP    string    `json:"pspCompany,omitempty"`
	// PSPCode and PSPTaxCode are known only of payments that the organization told.
	PSPCode    string      `json:"pspCode,omitempty"`
	PSPTaxCode string      `json:"pspTaxCode,omitempty"`
	ReceiptID  string      `json:"idReceipt,omitempty"`
	Amount     money.Cents `json:"amount"` // what was really paid, fee included
	PSPFee     money.Cents `json:"fee,omitempty"`
	// NotificationFee is the part of Amount that was SEND's fee, and IUN the
	// notification that it was of; see [OptionPayment.SetFee].
	NotificationFee money.Cents `json:"notificationFee,omitempty"`
	IUN             string      `json:"iun,omitempty"`
}

// Metadata is a key and value that the organization wants back in the receipt.
type Metadata struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Transfer is the part of an option that goes to one account or stamp.
type Transfer struct {
	ID     int         `json:"idTransfer"` // 1 to 5
	Amount money.Cents `json:"amount"`
	// OrganizationFiscalCode is the beneficiary; empty means the organization
	// of the position.
	OrganizationFiscalCode string     `json:"organizationFiscalCode,omitempty"`
	CompanyName            string     `json:"companyName,omitempty"`
	RemittanceInformation  string     `json:"remittanceInformation"`
	Category               string     `json:"category"`
	IBAN                   string     `json:"iban,omitempty"`
	PostalIBAN             string     `json:"postalIban,omitempty"`
	Stamp                  *Stamp     `json:"stamp,omitempty"`
	Metadata               []Metadata `json:"transferMetadata,omitempty"`
}

// Stamp is a digital revenue stamp (marca da bollo digitale) to be bought with
// the payment; only paGetPaymentV2 can carry it.
type Stamp struct {
	HashDocument        string `json:"hashDocument"` // base64, 4 to 72 characters
	Type                string `json:"stampType"`    // "01"
	ProvincialResidence string `json:"provincialResidence"`
}

// Beneficiary returns the tax code of who receives the transfer, for a
// position of organization.
func (t *Transfer) Beneficiary(organization string) string {
	if t.OrganizationFiscalCode == "" {
		return organization
	}
	return t.OrganizationFiscalCode
}

// FeeTransfer returns the index in o.Transfers of the transfer that carries
// SEND's fee: the first, by idTransfer, of the organization itself that is not
// a stamp. No public rule names it; GPD and GovPay agree on the organization's
// own first transfer, and a stamp's amount is fixed by law. ok is false when
// there is none.
func (o *PaymentOption) FeeTransfer(organization string) (index int, ok bool) {
	for i := range o.Transfers {
		t := &o.Transfers[i]
		if t.Stamp != nil || t.Beneficiary(organization) != organization {
			continue
		}
		if !ok || t.ID < o.Transfers[index].ID {
			index, ok = i, true
		}
	}
	return index, ok
}

// HasStamp reports whether paying the option buys a digital revenue stamp.
func (o *PaymentOption) HasStamp() bool {
	return slices.ContainsFunc(o.Transfers, func(t Transfer) bool { return t.Stamp != nil })
}

// Paid reports whether the option was paid, reported or not.
func (o *PaymentOption) Paid() bool { return o.Status != OptionUnpaid }

// Option returns the option with the given notice number, or nil.
func (p *Position) Option(nav NoticeNumber) *PaymentOption {
	for i := range p.Options {
		if p.Options[i].NAV == nav {
			return &p.Options[i]
		}
	}
	return nil
}

// Clone returns a deep copy, so that a change can be prepared and thrown away.
func (p *Position) Clone() *Position {
	q := *p
	q.Options = slices.Clone(p.Options)
	for i := range q.Options {
		o := &q.Options[i]
		o.Metadata = slices.Clone(o.Metadata)
		o.Components = slices.Clone(o.Components)
		o.AmountRules = rules.Clone(o.AmountRules)
		o.Transfers = slices.Clone(o.Transfers)
		for j := range o.Transfers {
			t := &o.Transfers[j]
			t.Metadata = slices.Clone(t.Metadata)
			if t.Stamp != nil {
				stamp := *t.Stamp
				t.Stamp = &stamp
			}
		}
		if o.Payment != nil {
			payment := *o.Payment
			o.Payment = &payment
		}
	}
	return &q
}
