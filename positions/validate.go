package positions

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/outbound"
)

// problems collects everything wrong with an input.
type problems []Problem

// maxProblems is how many are told: nobody reads more, and a hostile body could
// cause any number.
const maxProblems = 100

func (ps *problems) full() bool { return len(*ps) >= maxProblems }

func (ps *problems) add(pointer, format string, args ...any) {
	if ps.full() {
		return
	}
	*ps = append(*ps, Problem{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

func (ps *problems) check(ok bool, pointer, detail string) {
	if !ok {
		ps.add(pointer, "%s", detail)
	}
}

// text wants valid UTF-8 of low to high characters; low 0 allows absence, any
// other also wants more than blanks (GPD: NotBlank).
func (ps *problems) text(pointer, s string, low, high int) {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		ps.add(pointer, "is not valid UTF-8")
	case n < low, low > 0 && strings.TrimSpace(s) == "":
		ps.add(pointer, "must not be empty or blank")
	case n > high:
		ps.add(pointer, "has %d characters, at most %d are allowed", n, high)
	}
}

func (ps *problems) oneOf(pointer, s string, allowed ...string) {
	if !slices.Contains(allowed, s) {
		ps.add(pointer, "must be one of %s", strings.Join(allowed, ", "))
	}
}

func (ps *problems) address(pointer, raw string) {
	if err := outbound.Check(raw); err != nil {
		ps.add(pointer, "%v", err)
	}
}

// base is address for one that paths are added to.
func (ps *problems) base(pointer, raw string) {
	if err := outbound.CheckBase(raw); err != nil {
		ps.add(pointer, "%v", err)
	}
}

// FiscalCodePA reports whether s is the tax code of an organization: 11 digits.
func FiscalCodePA(s string) bool { return len(s) == 11 && digits(s) }

// Validate returns everything wrong with a position about to be stored, at the
// pointers of GPD's body. It returns a [Conflict] error instead for the
// reserved metadata key, as GPD does, and an [Unprocessable] one for a
// SEND-bound option without a transfer that could carry the fee.
func (p *Position) Validate() error {
	var ps problems
	ps.check(FiscalCodePA(p.OrganizationFiscalCode), "", "the organization's tax code must be 11 digits")
	ps.text("/iupd", p.IUPD, 1, 100)
	p.Debtor.validate(&ps)
	ps.text("/companyName", p.CompanyName, 1, 140)
	ps.text("/officeName", p.OfficeName, 0, 140)
	instant(&ps, "/validityDate", p.ValidityDate, false)
	ps.check(len(p.Options) > 0, "/paymentOption", "at least one payment option is needed")
	ps.check(p.rules() <= MaxRules, "/paymentOption", fmt.Sprintf("has %d amount rules in all, at most %d are allowed", p.rules(), MaxRules))
	ps.check(len(p.Options) <= MaxOptions, "/paymentOption", fmt.Sprintf("at most %d payment options", MaxOptions))
	if len(p.Options) <= MaxOptions {
		for i := range p.Options {
			if ps.full() {
				break
			}
			at := fmt.Sprintf("/paymentOption/%d", i)
			p.Options[i].validate(&ps, at, p.OrganizationFiscalCode)
			for j := range i {
				ps.check(p.Options[j].NAV != p.Options[i].NAV || p.Options[i].NAV == "", at+"/nav", "another option of this position has the same notice number")
				ps.check(p.Options[j].IUV != p.Options[i].IUV || p.Options[i].IUV == "", at+"/iuv", "another option of this position has the same IUV")
			}
		}
	}
	if len(ps) > 0 {
		return &Error{Code: Invalid, Message: "the position is not valid", Problems: ps}
	}
	return p.validateFee()
}

func (d *Debtor) validate(ps *problems) {
	ps.oneOf("/type", d.Type, "F", "G")
	ps.text("/fiscalCode", d.FiscalCode, 1, 255)
	ps.text("/fullName", d.FullName, 1, 255)
	for _, f := range []struct{ at, value string }{
		{"/streetName", d.StreetName},
		{"/civicNumber", d.CivicNumber},
		{"/postalCode", d.PostalCode},
		{"/city", d.City},
		{"/province", d.Province},
		{"/region", d.Region},
		{"/email", d.Email},
		{"/phone", d.Phone},
	} {
		ps.text(f.at, f.value, 0, 255)
	}
	c := d.Country
	ps.check(c == "" || len(c) == 2 && c[0] >= 'A' && c[0] <= 'Z' && c[1] >= 'A' && c[1] <= 'Z', "/country", "must be two capital letters")
}

func (o *PaymentOption) validate(ps *problems, at, organization string) {
	before := len(*ps)
	nav, err := ParseNoticeNumber(string(o.NAV))
	if err != nil {
		ps.add(at+"/nav", "%v", err)
	} else {
		ps.check(o.NAV != ProbeNotice, at+"/nav", "000000000000000000 is pagoPA's probe, it cannot name a debt")
		ps.check(nav.IUV() == o.IUV, at+"/iuv", "is not the IUV of the notice number: "+nav.IUV())
	}
	ps.check(o.Amount >= 1 && o.Amount <= money.Max, at+"/amount", "must be between 1 and 99999999999 cents")
	ps.text(at+"/description", o.Description, 1, 140)
	instant(ps, at+"/dueDate", o.DueDate, true)
	instant(ps, at+"/retentionDate", o.RetentionDate, false)
	ps.check(o.SenderFiscalCode == "" || FiscalCodePA(o.SenderFiscalCode), at+"/senderFiscalCode", "must be 11 digits")
	metadata(ps, at+"/paymentOptionMetadata", o.Metadata)
	ps.check(len(o.Transfers) > 0, at+"/transfer", "at least one transfer is needed")
	if len(o.Transfers) > MaxTransfers {
		ps.add(at+"/transfer", "has %d transfers, at most %d are allowed", len(o.Transfers), MaxTransfers)
		return
	}
	var sum money.Cents
	for i := range o.Transfers {
		t := &o.Transfers[i]
		t.validate(ps, fmt.Sprintf("%s/transfer/%d", at, i))
		ps.check(!slices.ContainsFunc(o.Transfers[:i], func(u Transfer) bool { return u.ID == t.ID }),
			fmt.Sprintf("%s/transfer/%d/idTransfer", at, i), "another transfer has the same idTransfer")
		if t.Amount > 0 && t.Amount <= money.Max { // five of them cannot overflow
			sum += t.Amount
		}
	}
	if len(o.Transfers) > 0 && sum != o.Amount {
		ps.add(at+"/amount", "is %d, but the transfers add up to %d", o.Amount, sum)
	}
	if len(*ps) == before { // rules are about amounts that are right
		o.validateRules(ps, at, organization)
	}
}

// Validate returns everything wrong with a payment that an organization tells,
// at the pointers of GPD's body. Made outside of pagoPA it needs neither PSP nor
// receipt.
func (p *OptionPayment) Validate(outside bool) []Problem {
	var ps problems
	needed := 1
	if outside {
		needed = 0
	}
	instant(&ps, "/paymentDate", p.Date, false)
	ps.text("/paymentMethod", p.Method, 0, 255)
	ps.text("/pspCode", p.PSPCode, 0, 35)
	ps.text("/pspTaxCode", p.PSPTaxCode, 0, 70)
	ps.text("/pspCompany", strings.TrimSpace(p.PSP), needed, 255)
	ps.text("/idReceipt", strings.TrimSpace(p.ReceiptID), needed, 255)
	ps.check(p.PSPFee >= 0 && p.PSPFee <= money.Max, "/fee", "must be between 0 and 99999999999 cents")
	return ps
}

func (t *Transfer) validate(ps *problems, at string) {
	ps.check(t.ID >= 1 && t.ID <= MaxTransfers, at+"/idTransfer", "must be 1, 2, 3, 4 or 5")
	ps.check(t.Amount >= 1 && t.Amount <= money.Max, at+"/amount", "must be between 1 and 99999999999 cents")
	ps.check(t.OrganizationFiscalCode == "" || FiscalCodePA(t.OrganizationFiscalCode), at+"/organizationFiscalCode", "must be 11 digits")
	ps.text(at+"/companyName", t.CompanyName, 0, 140)
	ps.text(at+"/remittanceInformation", t.RemittanceInformation, 1, 140)
	ps.text(at+"/category", t.Category, 1, 140)
	metadata(ps, at+"/transferMetadata", t.Metadata)
	ps.check(t.IBAN == "" || IBANForm(t.IBAN), at+"/iban", "must be 1 to 35 letters and digits")
	ps.check(t.PostalIBAN == "" || IBANForm(t.PostalIBAN), at+"/postalIban", "must be 1 to 35 letters and digits")
	if t.Stamp == nil {
		ps.check(t.IBAN != "", at+"/iban", "is needed, unless the transfer is a stamp")
		return
	}
	ps.check(t.IBAN == "" && t.PostalIBAN == "", at+"/stamp", "excludes iban and postalIban")
	ps.check(base64Form.MatchString(t.Stamp.HashDocument), at+"/stamp/hashDocument", "must be base64 of 4 to 72 characters")
	ps.check(t.Stamp.Type == "01", at+"/stamp/stampType", `must be "01"`)
	ps.check(provinceForm.MatchString(t.Stamp.ProvincialResidence), at+"/stamp/provincialResidence", "must be two capital letters")
}

var (
	provinceForm = regexp.MustCompile(`^[A-Z]{2}$`)
	// stBase64Binary72: base64 whose text is 4 to 72 characters long.
	base64Form = regexp.MustCompile(`^(?:[A-Za-z0-9+/]{4}){0,17}(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$`)
)

func metadata(ps *problems, at string, entries []Metadata) {
	if len(entries) > MaxMetadata {
		ps.add(at, "has %d entries, at most %d are allowed", len(entries), MaxMetadata)
		return
	}
	for i, m := range entries {
		ps.text(fmt.Sprintf("%s/%d/key", at, i), m.Key, 1, 140)
		ps.text(fmt.Sprintf("%s/%d/value", at, i), m.Value, 1, 140)
		ps.check(!slices.ContainsFunc(entries[:i], func(n Metadata) bool { return n.Key == m.Key }),
			fmt.Sprintf("%s/%d/key", at, i), "this key is there twice")
	}
}

// instant wants a year that xsd:date and both stores can carry.
func instant(ps *problems, at string, t time.Time, required bool) {
	if t.IsZero() {
		ps.check(!required, at, "is needed")
		return
	}
	ps.check(t.Year() >= 1900 && t.Year() <= 9998, at, "must lie between the years 1900 and 9998")
}

// ErrReservedMetadata is the cause of a refusal of metadata that callers may not
// send.
var ErrReservedMetadata = errors.New("metadata key " + NotificationFeeKey + " is reserved")

func (p *Position) validateFee() error {
	for i := range p.Options {
		o := &p.Options[i]
		if slices.ContainsFunc(o.Metadata, func(m Metadata) bool { return m.Key == NotificationFeeKey }) {
			return Errorf(Conflict, "%w: the service writes it", ErrReservedMetadata)
		}
		if _, ok := o.FeeTransfer(p.OrganizationFiscalCode); o.SendBound && !ok {
			return &Error{
				Code: Unprocessable, Message: "a SEND-bound option needs a transfer of the organization itself, not a stamp, to carry the notification fee",
				Problems: []Problem{{Pointer: fmt.Sprintf("/paymentOption/%d/transfer", i), Detail: ErrNoFeeTransfer.Error()}}, Err: ErrNoFeeTransfer,
			}
		}
	}
	return nil
}
