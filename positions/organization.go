package positions

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions/calendar"
)

// Organization is an ente creditore (EC) that this service answers for.
type Organization struct {
	FiscalCode  string    `json:"organizationFiscalCode"` // 11 digits
	CompanyName string    `json:"companyName"`
	OfficeName  string    `json:"officeName,omitempty"`
	BrokerCode  string    `json:"brokerCode"` // idBrokerPA
	Stations    []Station `json:"stations"`
	Send        *Send     `json:"send,omitempty"`
	Relay       *Relay    `json:"relay,omitempty"`
	Policy      Policy    `json:"policy"`
	Delivery    *Receiver `json:"delivery,omitempty"`
	// Sealed holds the organization's secrets, encrypted, by field name. The
	// stores keep it apart from the rest.
	Sealed    map[Secret][]byte `json:"-"`
	Version   int64             `json:"-"` // of the registration; see [Store]
	CreatedAt time.Time         `json:"createdAt"`
	UpdatedAt time.Time         `json:"updatedAt"`
}

// Unregistered is the version of an organization that is not registered.
const Unregistered int64 = -1

// Secret names a secret of an organization by its place in the REST body.
type Secret string

// The secrets of an organization.
const (
	SecretSendAPIKey     Secret = "send.apiKey"
	SecretPDNDPrivateKey Secret = "send.pdnd.privateKey"
	SecretRelayPassword  Secret = "relay.password"
	SecretRelayToken     Secret = "relay.token"
	SecretDelivery       Secret = "delivery.secret"
)

// Station is a stazione: the Nodo's name for one endpoint of a broker.
// Stations may be shared by organizations.
type Station struct {
	Code      string `json:"stationCode"` // idStation
	Broadcast bool   `json:"broadcast"`   // receives receipts of other brokers' notices
}

// Route tells whom the price is asked of.
type Route string

// The routes to a price.
const (
	RouteDirect Route = "DIRECT" // SEND
	RouteRelay  Route = "RELAY"  // the organization's act-management system
)

// Send is how an organization reaches SEND.
type Send struct {
	PDND    *PDND `json:"pdnd,omitempty"`
	Route   Route `json:"route"`
	Streams bool  `json:"streams"`
}

// PDNDMode tells whether SEND's key wants a PDND voucher beside it. It is a
// property of the single key: a voucher sent with a key that does not want one
// is refused.
type PDNDMode string

// The PDND modes.
const (
	PDNDRequired  PDNDMode = "REQUIRED"
	PDNDForbidden PDNDMode = "FORBIDDEN"
)

// PDND is the organization's client on the national data platform.
type PDND struct {
	Mode      PDNDMode `json:"mode"`
	ClientID  string   `json:"clientId,omitempty"`
	KeyID     string   `json:"keyId,omitempty"`
	PurposeID string   `json:"purposeId,omitempty"`
}

// Relay is an act-management system that answers in SEND's place.
type Relay struct {
	Kind     string `json:"kind"` // RelayNative or RelayLegacy
	URL      string `json:"url"`  // the base that the contract's paths are added to
	Username string `json:"username,omitempty"`
}

// The contracts of a relay.
const (
	RelayNative = "NATIVE" // a token; POST {url}/amount-update
	RelayLegacy = "LEGACY" // user and password; POST {url}/login and {url}/notification-price
)

// Relays reports whether the price is asked of the act-management system in
// SEND's place.
func (o *Organization) Relays() bool {
	return o.Send != nil && o.Send.Route == RouteRelay && o.Relay != nil
}

// CredentialSecret names the secret without which nobody can be asked for a
// price: SEND's key, or what the kind of relay takes.
func (o *Organization) CredentialSecret() Secret {
	switch {
	case o.Relays() && o.Relay.Kind == RelayLegacy:
		return SecretRelayPassword
	case o.Relays():
		return SecretRelayToken
	}
	return SecretSendAPIKey
}

// HasCredential reports whether that secret is registered, be it that it cannot
// be opened.
func (o *Organization) HasCredential() bool {
	_, ok := o.Sealed[o.CredentialSecret()]
	return o.Send != nil && ok
}

// TellsSEND reports whether the organization can tell SEND of its payments: it
// has a key for SEND, whomever it asks for prices. A relay is told nothing.
func (o *Organization) TellsSEND() bool {
	_, ok := o.Sealed[SecretSendAPIKey]
	return o.Send != nil && ok
}

// Signs reports whether what is asked of the relay is signed: the native
// contract has a signature, and the organization a key on PDND to sign with.
func (o *Organization) Signs() bool {
	return o.Relays() && o.Relay.Kind == RelayNative && o.Send.PDND != nil && o.Sealed[SecretPDNDPrivateKey] != nil
}

// Receiver is where receipts are pushed.
type Receiver struct {
	URL string `json:"url"`
}

// SendUnavailable is what to answer without a fresh price.
type SendUnavailable string

// The policies.
const (
	OnUnavailableLastKnown SendUnavailable = "LAST_KNOWN"  // the last answer, else the amount without fee
	OnUnavailableBase      SendUnavailable = "BASE_AMOUNT" // never an old fee
	OnUnavailableRefuse    SendUnavailable = "REFUSE"      // PAA_SYSTEM_ERROR unless a last answer exists
)

// FeeMetadata is the unit of the NOTIFICATION_FEE metadata. The dictionary and
// PagoPA's own code write cents; pagopa-api#1135 disputes it.
type FeeMetadata string

// The units.
const (
	FeeInCents FeeMetadata = "CENTS"
	FeeInEuro  FeeMetadata = "EURO"
	FeeOff     FeeMetadata = "OFF"
)

// Policy is what an organization may choose. [DefaultPolicy] is what it gets
// for what it leaves out.
type Policy struct {
	OnSendUnavailable       SendUnavailable `json:"onSendUnavailable"`
	PriceFreshFor           Duration        `json:"priceFreshFor"` // 0s: ask every time
	NotificationFeeMetadata FeeMetadata     `json:"notificationFeeMetadata"`
	DuplicateReceipt        string          `json:"duplicateReceipt"` // OK or DUPLICATA, for an identical receiptId
	Saturday                string          `json:"saturday"`         // WORKING or HOLIDAY
	PatronSaint             string          `json:"patronSaint,omitempty"`
}

// DefaultPolicy returns the defaults of the public contract.
func DefaultPolicy() Policy {
	return Policy{
		OnSendUnavailable:       OnUnavailableLastKnown,
		PriceFreshFor:           Duration(15 * time.Minute),
		NotificationFeeMetadata: FeeInCents,
		DuplicateReceipt:        "OK",
		Saturday:                "WORKING",
	}
}

// Duration is a time.Duration whose JSON form is Go's, for example "15m".
type Duration time.Duration

// MarshalJSON writes the shortest form, for example "15m" or "0s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// String returns the shortest form: "15m", not "15m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// UnmarshalJSON reads what [time.ParseDuration] reads.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// HasStation reports whether the organization works on a station.
func (o *Organization) HasStation(code string) bool {
	return slices.ContainsFunc(o.Stations, func(s Station) bool { return s.Code == code })
}

// MaxFresh bounds priceFreshFor: an older price may no longer pass as fresh.
const MaxFresh = 24 * time.Hour

// Validate returns everything wrong with the organization, at the pointers of
// the REST body.
func (o *Organization) Validate() []Problem {
	var ps problems
	ps.check(FiscalCodePA(o.FiscalCode), "", "organizationFiscalCode must be 11 digits")
	ps.text("/companyName", o.CompanyName, 1, 140)
	ps.text("/officeName", o.OfficeName, 0, 140)
	ps.text("/brokerCode", o.BrokerCode, 1, 35)
	ps.check(len(o.Stations) > 0, "/stations", "at least one station is needed: the Nodo's requests name it")
	ps.check(len(o.Stations) <= 100, "/stations", "at most 100 stations")
	for i, s := range o.Stations {
		at := fmt.Sprintf("/stations/%d/stationCode", i)
		ps.text(at, s.Code, 1, 35)
		ps.check(!slices.ContainsFunc(o.Stations[:i], func(t Station) bool { return t.Code == s.Code }), at, "this station is listed twice")
	}
	if s := o.Send; s != nil {
		ps.oneOf("/send/route", string(s.Route), string(RouteDirect), string(RouteRelay))
		if s.Route == RouteRelay && o.Relay == nil {
			ps.add("/relay", "route RELAY needs relay {kind, url}")
		}
		if s.PDND != nil {
			ps.oneOf("/send/pdnd/mode", string(s.PDND.Mode), string(PDNDRequired), string(PDNDForbidden))
			if s.PDND.Mode == PDNDRequired {
				ps.text("/send/pdnd/clientId", s.PDND.ClientID, 1, 200)
				ps.text("/send/pdnd/keyId", s.PDND.KeyID, 1, 200)
				ps.text("/send/pdnd/purposeId", s.PDND.PurposeID, 1, 200)
			}
		}
	}
	if r := o.Relay; r != nil {
		ps.oneOf("/relay/kind", r.Kind, RelayNative, RelayLegacy)
		ps.base("/relay/url", r.URL)
		if o.Relays() && r.Kind == RelayLegacy {
			ps.check(r.Username != "", "/relay/username", "is needed with kind LEGACY")
		}
		ps.text("/relay/username", r.Username, 0, 200)
		ps.check(r.Username == "" || r.Kind != RelayNative, "/relay/username", "is not for kind NATIVE, which is asked with a token")
	}
	if o.Delivery != nil {
		ps.address("/delivery/url", o.Delivery.URL)
	}
	p := o.Policy
	ps.oneOf("/policy/onSendUnavailable", string(p.OnSendUnavailable), string(OnUnavailableLastKnown), string(OnUnavailableBase), string(OnUnavailableRefuse))
	fresh := time.Duration(p.PriceFreshFor)
	ps.check(fresh >= 0 && fresh <= MaxFresh, "/policy/priceFreshFor", "must be between 0s and 24h")
	ps.oneOf("/policy/notificationFeeMetadata", string(p.NotificationFeeMetadata), string(FeeInCents), string(FeeInEuro), string(FeeOff))
	ps.oneOf("/policy/duplicateReceipt", p.DuplicateReceipt, "OK", "DUPLICATA")
	ps.oneOf("/policy/saturday", p.Saturday, "WORKING", "HOLIDAY")
	if p.PatronSaint != "" {
		_, err := calendar.ParseMonthDay(p.PatronSaint)
		ps.check(err == nil, "/policy/patronSaint", `must be a day of the year as "MM-DD"`)
	}
	return ps
}

// Role is what a key may do.
type Role string

// The roles.
const (
	Writer Role = "WRITER"
	Reader Role = "READER"
)

// Key is the credential of a debt-position system. Only a hash of its secret
// is kept.
type Key struct {
	ID                     string    `json:"id"`
	OrganizationFiscalCode string    `json:"organizationFiscalCode"`
	Name                   string    `json:"name"`
	Role                   Role      `json:"role"`
	SegregationCodes       []string  `json:"segregationCodes,omitempty"`
	Hash                   []byte    `json:"-"` // SHA-256 of the secret part; empty: no secret was issued
	CreatedAt              time.Time `json:"createdAt"`
	LastUsedAt             time.Time `json:"lastUsedAt,omitzero"`
	// PDNDClientID is the client that the system is on PDND, empty when it is
	// none. Its vouchers are the credential then, in place of a secret.
	PDNDClientID string `json:"pdndClientId,omitempty"`
	// SignatureKeys are what the system's signatures over requests are verified
	// with (ModI, INTEGRITY_REST_02).
	SignatureKeys []SignatureKey `json:"signatureKeys,omitempty"`
}

// SignatureKey is a public key by its name in signatures.
type SignatureKey struct {
	ID  string `json:"kid"`
	DER []byte `json:"der"` // SubjectPublicKeyInfo (RFC 5280)
}
