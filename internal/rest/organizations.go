package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// ListOrganizations implements the operation of that name.
func (s *server) ListOrganizations(ctx context.Context, r ListOrganizationsRequestObject) (ListOrganizationsResponseObject, error) {
	page, err := pageOf(r.Params.Page, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	all, _, err := s.Store.Organizations(ctx)
	if err != nil {
		return nil, err
	}
	list := OrganizationList{Organizations: []Organization{}}
	for _, o := range cut(all, page) {
		list.Organizations = append(list.Organizations, organizationBody(&o))
	}
	list.PageInfo = pageInfo(page, len(list.Organizations), len(all))
	return ListOrganizations200JSONResponse(list), nil
}

// ReadOrganization implements the operation of that name.
func (s *server) ReadOrganization(ctx context.Context, r ReadOrganizationRequestObject) (ReadOrganizationResponseObject, error) {
	o, err := s.Store.Organization(ctx, r.OrganizationFiscalCode)
	if err != nil {
		return nil, err
	}
	return ReadOrganization200JSONResponse{Body: organizationBody(o), Headers: ReadOrganization200ResponseHeaders{ETag: versionTag(o.Version)}}, nil
}

// UnregisterOrganization implements the operation of that name.
func (s *server) UnregisterOrganization(ctx context.Context, r UnregisterOrganizationRequestObject) (UnregisterOrganizationResponseObject, error) {
	s.registering.Lock()
	defer s.registering.Unlock()
	if err := s.Store.DeleteOrganization(ctx, r.OrganizationFiscalCode); err != nil {
		return nil, err
	}
	if err := s.inForce(ctx); err != nil {
		return nil, err
	}
	return UnregisterOrganization204Response{}, nil
}

// RegisterOrganization implements the operation of that name.
func (s *server) RegisterOrganization(ctx context.Context, r RegisterOrganizationRequestObject) (RegisterOrganizationResponseObject, error) {
	s.registering.Lock()
	defer s.registering.Unlock()
	for range attempts(ctx) {
		o, created, err := s.register(ctx, r)
		if positions.CodeOf(err) == positions.Stale && r.Params.IfMatch == nil {
			continue // another replica was faster: keep the secrets that there are now
		}
		if err != nil {
			return nil, err
		}
		if err := s.inForce(ctx); err != nil {
			return nil, err
		}
		tag := versionTag(o.Version)
		if created {
			return RegisterOrganization201JSONResponse{Body: organizationBody(o), Headers: RegisterOrganization201ResponseHeaders{ETag: tag}}, nil
		}
		return RegisterOrganization200JSONResponse{Body: organizationBody(o), Headers: RegisterOrganization200ResponseHeaders{ETag: tag}}, nil
	}
	return nil, positions.Errorf(tryAgain, "others keep changing this registration: try again")
}

// register stores a registration in the place of the one that it read, and of
// no other.
func (s *server) register(ctx context.Context, r RegisterOrganizationRequestObject) (o *positions.Organization, created bool, err error) {
	o = r.Body.organization(r.OrganizationFiscalCode)
	o.Version = positions.Unregistered
	stored, err := s.Store.Organization(ctx, o.FiscalCode)
	if err != nil && positions.CodeOf(err) != positions.NotFound {
		return nil, false, err
	}
	if stored != nil {
		o.Version = stored.Version
	}
	if m := r.Params.IfMatch; m != nil && (stored == nil || !matchesVersion(*m, stored.Version)) {
		return nil, false, positions.Errorf(positions.Stale, "the registration is not, or no longer, what If-Match says: read it again")
	}
	given := r.Body.secrets()
	kept := map[positions.Secret][]byte{}
	if stored != nil {
		kept = given.kept(stored.Sealed)
	}
	problems := append(o.Validate(), given.problems(o, kept)...)
	if len(problems) > 0 {
		return nil, false, invalid("the organization is not valid", problems)
	}
	if o.Sealed, err = s.seal(o.FiscalCode, given, kept); err != nil {
		return nil, false, err
	}
	if stored == nil {
		o.CreatedAt = s.Now().UTC()
	}
	created, err = s.Store.PutOrganization(ctx, o)
	return o, created, err
}

// inForce makes a stored registration count on this replica before the answer
// leaves. When that fails the caller must know, though the change is stored.
func (s *server) inForce(ctx context.Context) error {
	if err := s.Directory.Reload(ctx); err != nil {
		return &positions.Error{Code: positions.Unavailable, Message: "the change is stored, but not in force on this replica yet; it will be within seconds", Err: err}
	}
	return nil
}

// organization returns what a body registers, secrets apart, with the defaults
// for what it leaves out.
func (b *OrganizationInput) organization(fiscalCode string) *positions.Organization {
	o := &positions.Organization{
		FiscalCode: fiscalCode, CompanyName: b.CompanyName, OfficeName: b.OfficeName, BrokerCode: b.BrokerCode,
		Policy: positions.DefaultPolicy(),
	}
	for _, s := range b.Stations {
		o.Stations = append(o.Stations, positions.Station{Code: s.StationCode, Broadcast: s.Broadcast})
	}
	if b.Send != nil {
		o.Send = &positions.Send{Route: b.Send.Route, Streams: b.Send.Streams}
		if o.Send.Route == "" {
			o.Send.Route = positions.RouteDirect
		}
		if p := b.Send.Pdnd; p != nil {
			o.Send.PDND = &positions.PDND{Mode: p.Mode, ClientID: p.ClientID, KeyID: p.KeyID, PurposeID: p.PurposeID}
		}
	}
	if b.Relay != nil {
		o.Relay = &positions.Relay{Kind: b.Relay.Kind, URL: b.Relay.URL, Username: b.Relay.Username}
	}
	if b.Delivery != nil {
		o.Delivery = &positions.Receiver{URL: b.Delivery.URL}
	}
	if p := b.Policy; p != nil {
		choose(&o.Policy.OnSendUnavailable, p.OnSendUnavailable)
		choose(&o.Policy.PriceFreshFor, p.PriceFreshFor)
		choose(&o.Policy.NotificationFeeMetadata, p.NotificationFeeMetadata)
		choose(&o.Policy.DuplicateReceipt, p.DuplicateReceipt)
		choose(&o.Policy.Saturday, p.Saturday)
		choose(&o.Policy.PatronSaint, p.PatronSaint)
	}
	return o
}

func choose[T any](into *T, choice *T) {
	if choice != nil {
		*into = *choice
	}
}

// organizationSecrets are the secrets of a body, by the section that is there to
// hold them.
type organizationSecrets map[positions.Secret]SecretField

func (b *OrganizationInput) secrets() organizationSecrets {
	all := organizationSecrets{}
	if b.Send != nil {
		all[positions.SecretSendAPIKey] = b.Send.APIKey
		if b.Send.Pdnd != nil {
			all[positions.SecretPDNDPrivateKey] = b.Send.Pdnd.PrivateKey
		}
	}
	if b.Relay != nil {
		all[positions.SecretRelayPassword] = b.Relay.Password
		all[positions.SecretRelayToken] = b.Relay.Token
	}
	if b.Delivery != nil {
		all[positions.SecretDelivery] = b.Delivery.Secret
	}
	return all
}

// kept returns those of the stored secrets that the body leaves as they are.
func (s organizationSecrets) kept(sealed map[positions.Secret][]byte) map[positions.Secret][]byte {
	kept := map[positions.Secret][]byte{}
	for name, field := range s {
		_, replaced := field.replacement()
		if text, ok := sealed[name]; ok && !replaced && !field.deletes() {
			kept[name] = text
		}
	}
	return kept
}

// problems checks the new secrets, as far as their form is known.
func (s organizationSecrets) problems(o *positions.Organization, kept map[positions.Secret][]byte) []positions.Problem {
	var problems []positions.Problem
	add := func(name positions.Secret, detail string) {
		problems = append(problems, positions.Problem{Pointer: secretPointer(name), Detail: detail})
	}
	if o.Send != nil && o.Send.PDND != nil && o.Send.PDND.Mode == positions.PDNDRequired {
		name := positions.SecretPDNDPrivateKey
		if _, given := s[name].replacement(); !given && kept[name] == nil {
			add(name, "is needed with mode REQUIRED")
		}
	}
	if pem, given := s[positions.SecretPDNDPrivateKey].replacement(); given {
		if _, err := sendclient.ParsePrivateKey(pem); err != nil {
			add(positions.SecretPDNDPrivateKey, err.Error()) // never quotes the key
		}
	}
	problems = append(problems, s.relayProblems(o, kept)...)
	secret, given := s[positions.SecretDelivery].replacement()
	switch {
	case given && !webhookSecret(secret):
		add(positions.SecretDelivery, "must be whsec_ and 24 to 64 bytes in base64")
	case o.Delivery != nil && !given && kept[positions.SecretDelivery] == nil:
		add(positions.SecretDelivery, "is needed with delivery.url: receipts are not sent unsigned")
	}
	return problems
}

// webhookSecret reports whether a secret has the form of Standard Webhooks.
func webhookSecret(secret string) bool {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	return ok && err == nil && len(key) >= 24 && len(key) <= 64
}

func secretPointer(name positions.Secret) string {
	return "/" + strings.ReplaceAll(string(name), ".", "/")
}

// seal encrypts the new secrets beside those that are kept. Without a master
// key nothing is stored.
func (s *server) seal(fiscalCode string, given organizationSecrets, kept map[positions.Secret][]byte) (map[positions.Secret][]byte, error) {
	sealed := maps.Clone(kept)
	var refused []positions.Problem
	for _, name := range slices.Sorted(maps.Keys(given)) {
		text, ok := given[name].replacement()
		if !ok {
			continue
		}
		box, err := s.Box.Seal(fiscalCode, string(name), []byte(text))
		switch {
		case errors.Is(err, secrets.ErrNoMasterKey):
			refused = append(refused, positions.Problem{Pointer: secretPointer(name), Detail: "cannot be stored without a master key"})
		case err != nil:
			return nil, fmt.Errorf("seal %s of %s: %w", name, fiscalCode, err)
		default:
			sealed[name] = box
		}
	}
	if refused != nil {
		return nil, &positions.Error{Code: positions.Unprocessable, Message: secrets.ErrNoMasterKey.Error(), Problems: refused}
	}
	return sealed, nil
}

// organizationBody is how a registration reads: secrets as "set".
func organizationBody(o *positions.Organization) Organization {
	shown := func(name positions.Secret) SecretField { return SecretField{present: o.Sealed[name] != nil} }
	policy := o.Policy
	body := Organization{
		OrganizationFiscalCode: o.FiscalCode, CompanyName: o.CompanyName, OfficeName: present(o.OfficeName), BrokerCode: o.BrokerCode,
		Stations: make([]Station, len(o.Stations)), CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
		Policy: Policy{
			OnSendUnavailable: &policy.OnSendUnavailable, PriceFreshFor: &policy.PriceFreshFor,
			NotificationFeeMetadata: &policy.NotificationFeeMetadata, DuplicateReceipt: &policy.DuplicateReceipt,
			Saturday: &policy.Saturday, PatronSaint: present(policy.PatronSaint),
		},
	}
	for i, s := range o.Stations {
		body.Stations[i] = Station{StationCode: s.Code, Broadcast: s.Broadcast}
	}
	if o.Send != nil {
		body.Send = &Send{APIKey: shown(positions.SecretSendAPIKey), Route: o.Send.Route, Streams: o.Send.Streams}
		if p := o.Send.PDND; p != nil {
			body.Send.Pdnd = &Pdnd{
				Mode: p.Mode, ClientID: p.ClientID, KeyID: p.KeyID, PurposeID: p.PurposeID,
				PrivateKey: shown(positions.SecretPDNDPrivateKey),
			}
		}
	}
	if o.Relay != nil {
		body.Relay = &Relay{
			Kind: o.Relay.Kind, URL: o.Relay.URL, Username: o.Relay.Username,
			Password: shown(positions.SecretRelayPassword), Token: shown(positions.SecretRelayToken),
		}
	}
	if o.Delivery != nil {
		body.Delivery = &Delivery{URL: o.Delivery.URL, Secret: shown(positions.SecretDelivery)}
	}
	return body
}
