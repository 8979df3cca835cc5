package rest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// positionBody is how a position reads: GPD's members, with the fee last known
// in the amounts, and the extensions.
func (s *server) positionBody(ctx context.Context, p *positions.Position) (PaymentPosition, error) {
	bodies, err := s.positionBodies(ctx, p.OrganizationFiscalCode, []positions.Position{*p})
	if err != nil {
		return PaymentPosition{}, err
	}
	return bodies[0], nil
}

// positionBodies is positionBody of several positions of an organization; their
// prices are read at once.
func (s *server) positionBodies(ctx context.Context, organization string, ps []positions.Position) ([]PaymentPosition, error) {
	bodies := make([]PaymentPosition, len(ps))
	var navs []positions.NoticeNumber
	for i := range ps {
		for j := range ps[i].Options {
			navs = append(navs, ps[i].Options[j].NAV)
		}
	}
	prices, err := s.Store.Prices(ctx, organization, navs)
	if err != nil {
		return nil, err
	}
	now, unasked := s.Now(), s.unasked(organization)
	for i := range ps {
		bodies[i] = bodyOf(&ps[i], prices, now)
		for j := range ps[i].Options {
			o, at := &ps[i].Options[j], fmt.Sprintf("/paymentOption/%d", j)
			warnings := warningsOf(o, at, organization)
			if unasked != "" && o.SendBound && !o.Paid() {
				warnings = append(warnings, ProblemError{Pointer: at + "/sendBound", Detail: unasked})
			}
			bodies[i].PaymentOption[j].Warnings = warnings
		}
	}
	return bodies, nil
}

// unasked is why nobody can be asked for the fees of an organization, "" when
// somebody can.
func (s *server) unasked(organization string) string {
	org, ok := s.Directory.Organization(organization)
	if !ok {
		return "" // another replica knows it
	}
	_, err := org.Credential()
	whom := "SEND"
	if org.Relays() {
		whom = "its relay"
	}
	switch {
	case err == nil:
		return ""
	case org.HasCredential():
		return fmt.Sprintf("the organization's credential for %s (%s) cannot be opened: the fee cannot be asked; register it again", whom, org.CredentialSecret())
	}
	return fmt.Sprintf("the organization has no credential for %s (%s): the fee cannot be asked; register it", whom, org.CredentialSecret())
}

// bodyOf is how a position reads at an instant with the prices known then.
func bodyOf(p *positions.Position, prices map[positions.NoticeNumber]*positions.Price, now time.Time) PaymentPosition {
	d := &p.Debtor
	body := PaymentPosition{
		Iupd: p.IUPD, OrganizationFiscalCode: p.OrganizationFiscalCode,
		Type: d.Type, FiscalCode: d.FiscalCode, FullName: d.FullName, StreetName: present(d.StreetName), CivicNumber: present(d.CivicNumber),
		PostalCode: present(d.PostalCode), City: present(d.City), Province: present(d.Province), Region: present(d.Region),
		Country: present(d.Country), Email: present(d.Email), Phone: present(d.Phone),
		PayStandIn: p.PayStandIn, SwitchToExpired: p.SwitchToExpired, CompanyName: p.CompanyName, OfficeName: present(p.OfficeName),
		InsertedDate: p.InsertedAt.UTC(), LastUpdatedDate: p.UpdatedAt.UTC(),
		PublishDate: presentInstant(p.PublishDate), ValidityDate: presentInstant(p.ValidityDate), PaymentDate: presentInstant(p.PaymentDate),
		Status: p.StatusAt(now), Lifecycle: p.LifecycleAt(now), TransferredTo: present(p.TransferTo),
		PaymentOption: make([]PaymentOption, len(p.Options)),
	}
	for i := range p.Options {
		o := &p.Options[i]
		body.PaymentOption[i] = optionBody(p, o, prices[o.NAV])
	}
	if body.Lifecycle == positions.Blocked {
		body.BlockedUntil = presentInstant(p.BlockedUntil)
	}
	return body
}

func optionBody(p *positions.Position, o *positions.PaymentOption, price *positions.Price) PaymentOption {
	fee, carrier := o.KnownFee(p.OrganizationFiscalCode, price)
	body := PaymentOption{
		Nav: o.NAV, Iuv: o.IUV, OrganizationFiscalCode: p.OrganizationFiscalCode,
		Amount: o.Amount + fee, NotificationFee: fee, // both at most money.Max: no overflow
		Description: o.Description, IsPartialPayment: o.IsPartialPayment, DueDate: o.DueDate.UTC(), RetentionDate: presentInstant(o.RetentionDate),
		InsertedDate: o.InsertedAt.UTC(), LastUpdatedDate: o.UpdatedAt.UTC(), Status: o.Status,
		SendBound: o.SendBound, SenderFiscalCode: present(o.SenderFiscalCode),
		Components: componentBodies(o.Components), AmountRules: ruleBodies(o.AmountRules),
		PaymentOptionMetadata: metadataBody(o.Metadata), Transfer: make([]Transfer, len(o.Transfers)),
	}
	if paid := o.Payment; paid != nil {
		body.PaymentDate, body.PaymentMethod = presentInstant(paid.Date), present(paid.Method)
		body.PspCompany, body.IDReceipt, body.Fee = present(paid.PSP), present(paid.ReceiptID), paid.PSPFee
	}
	if source := o.KnownSource(price); source != positions.SourceNotBound && source != positions.SourceNone {
		body.Price = priceBody(price, source)
	}
	for i := range o.Transfers {
		body.Transfer[i] = transferBody(p, o, &o.Transfers[i])
	}
	if fee > 0 {
		body.Transfer[carrier].Amount += fee
	}
	return body
}

func transferBody(p *positions.Position, o *positions.PaymentOption, t *positions.Transfer) Transfer {
	body := Transfer{
		IDTransfer: strconv.Itoa(t.ID), Amount: t.Amount, OrganizationFiscalCode: t.Beneficiary(p.OrganizationFiscalCode),
		CompanyName: present(t.CompanyName), RemittanceInformation: t.RemittanceInformation, Category: t.Category,
		Iban: present(t.IBAN), PostalIban: present(t.PostalIBAN), TransferMetadata: metadataBody(t.Metadata),
		InsertedDate: presentInstant(o.InsertedAt), LastUpdatedDate: presentInstant(o.UpdatedAt), Status: "T_UNREPORTED",
	}
	if o.Status == positions.OptionReported {
		body.Status = "T_REPORTED"
	}
	if s := t.Stamp; s != nil {
		body.Stamp = &Stamp{HashDocument: s.HashDocument, StampType: s.Type, ProvincialResidence: s.ProvincialResidence}
	}
	return body
}

func metadataBody(entries []positions.Metadata) []Metadata {
	var list []Metadata
	for _, m := range entries {
		list = append(list, Metadata{Key: m.Key, Value: m.Value})
	}
	return list
}

func priceBody(p *positions.Price, source positions.FeeSource) *Price {
	return &Price{
		Source: source, TotalPrice: p.TotalPrice, PartialPrice: p.PartialPrice, Vat: p.VAT, PaFee: p.PAFee, SendFee: p.SendFee,
		AnalogCost: p.AnalogCost, Iun: present(p.IUN), RefinementDate: presentInstant(p.RefinementDate),
		NotificationViewDate: presentInstant(p.NotificationViewDate), FetchedAt: p.FetchedAt.UTC(),
	}
}

// warningsOf lists what was accepted of an option and is probably a slip.
func warningsOf(o *positions.PaymentOption, at, organization string) []ProblemError {
	var warnings []ProblemError
	if !o.NAV.CheckDigitsRight() {
		warnings = append(warnings, ProblemError{Pointer: at + "/nav", Detail: fmt.Sprintf(
			"the check digits of the notice number are not right: its last two digits should be %s", o.NAV.CheckDigits())})
	}
	for i := range o.Transfers {
		for _, f := range []struct{ name, iban string }{{"iban", o.Transfers[i].IBAN}, {"postalIban", o.Transfers[i].PostalIBAN}} {
			if f.iban != "" && !ibanRight(f.iban) {
				warnings = append(warnings, ProblemError{
					Pointer: fmt.Sprintf("%s/transfer/%d/%s", at, i, f.name), Detail: wrongIBAN,
				})
			}
		}
	}
	if o.HasRules() {
		o.RuleSet(organization).Warn(o.SendBound, func(pointer, detail string) {
			warnings = append(warnings, ProblemError{Pointer: at + pointer, Detail: detail})
		})
	}
	return warnings
}
