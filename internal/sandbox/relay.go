package sandbox

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// RelayAccount is what one organization shows to the simulated act-management
// system, by either contract, and how that answers it.
type RelayAccount struct {
	// Name stands for the account wherever it is shown.
	Name string `json:"name"`
	// CreditorTaxID is the organization; only its notices may be asked for.
	CreditorTaxID string `json:"creditorTaxId"`
	// Token of the native contract.
	Token string `json:"token,omitempty"`
	// Username and Password of the legacy contract's login.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	// TokenLife is how long the token of a login lasts; default 1h.
	TokenLife Duration `json:"tokenLife,omitempty"`
	// Retention is how long after an answer its retentionDate lies, at most 48h,
	// and before it where negative; zero: the answer has none. Native only.
	Retention Duration `json:"retention,omitempty"`
	// PublicKey in PEM is what requests by the native contract must be signed
	// with; empty: a signature is not looked at.
	PublicKey string `json:"publicKey,omitempty"`
}

// RelayBase is the debt, without the notification fee, that the simulated
// act-management system answers for every notice: it knows no amounts.
const RelayBase money.Cents = 12_345

const (
	maxRelayTokens = 10_000
	relayTokenLife = time.Hour
	maxRetention   = 48 * time.Hour
)

// relay is the simulated act-management system. Its costs and dates are those
// of the notifications.
type relay struct {
	mu       sync.Mutex
	open     bool // any token, any login
	accounts map[string]RelayAccount
	tokens   map[string]relayToken
}

type relayToken struct {
	account string
	until   time.Time
}

func (r *relay) init(o Options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = o.UnknownKeys != ""
	r.accounts, r.tokens = map[string]RelayAccount{}, map[string]relayToken{}
}

// RegisterRelayAccount adds an account, or replaces the one with the same name.
func (s *Sandbox) RegisterRelayAccount(a RelayAccount) error {
	if a.TokenLife == 0 {
		a.TokenLife = Duration(relayTokenLife)
	}
	switch {
	case a.Name == "":
		return invalid("an account has a name")
	case !taxIDPattern.MatchString(a.CreditorTaxID):
		return invalid("creditorTaxId must be 11 digits")
	case a.Token == "" && (a.Username == "" || a.Password == ""):
		return invalid("an account has a token, or a username and a password")
	case a.TokenLife < 0 || a.TokenLife > Duration(24*time.Hour):
		return invalid("tokenLife must be between 0 and 24h")
	case a.Retention < -Duration(maxRetention) || a.Retention > Duration(maxRetention):
		return invalid("retention must be between -48h and 48h")
	}
	if a.PublicKey != "" {
		if _, err := ParsePublicKey(a.PublicKey); err != nil {
			return err
		}
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if _, known := s.relay.accounts[a.Name]; !known && len(s.relay.accounts) >= maxKeys {
		return fmt.Errorf("%w: it holds %d accounts", ErrFull, maxKeys)
	}
	s.relay.accounts[a.Name] = a
	return nil
}

// RelayAccounts returns the accounts by name, without their secrets.
func (s *Sandbox) RelayAccounts() []RelayAccount {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	list := []RelayAccount{}
	for _, a := range s.relay.accounts {
		a.Token, a.Password = "", ""
		list = append(list, a)
	}
	slices.SortFunc(list, func(x, y RelayAccount) int { return strings.Compare(x.Name, y.Name) })
	return list
}

// RemoveRelayAccount removes an account and its tokens.
func (s *Sandbox) RemoveRelayAccount(name string) error {
	if err := s.ExpireRelayTokens(name); err != nil {
		return err
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	delete(s.relay.accounts, name)
	return nil
}

// ExpireRelayTokens ends the tokens that an account obtained by login.
func (s *Sandbox) ExpireRelayTokens(name string) error {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if _, known := s.relay.accounts[name]; !known {
		return fmt.Errorf("relay account %s: %w", name, ErrUnknown)
	}
	for token, t := range s.relay.tokens {
		if t.account == name {
			delete(s.relay.tokens, token)
		}
	}
	return nil
}

// bearer finds the account of a native token.
func (r *relay) bearer(token string) (RelayAccount, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.accounts {
		if token != "" && a.Token == token {
			return a, true
		}
	}
	return RelayAccount{Name: "unregistered"}, r.open && token != ""
}

// login finds the account of a username; ok tells whether the password is its.
func (r *relay) login(username, password string) (a RelayAccount, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.accounts {
		if username != "" && a.Username == username {
			return a, a.Password == password
		}
	}
	return RelayAccount{Name: "unregistered", TokenLife: Duration(relayTokenLife)}, r.open
}

// issue makes a token for an account; "" when there are too many.
func (r *relay) issue(a RelayAccount, now time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tokens) >= maxRelayTokens {
		for token, t := range r.tokens {
			if !now.Before(t.until) {
				delete(r.tokens, token)
			}
		}
		if len(r.tokens) >= maxRelayTokens {
			return ""
		}
	}
	token := rand.Text()
	r.tokens[token] = relayToken{a.Name, now.Add(time.Duration(a.TokenLife))}
	return token
}

// session finds the account of a token that a login gave and that still lasts.
func (r *relay) session(token string, now time.Time) (RelayAccount, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.tokens[token]
	if !ok || !now.Before(t.until) {
		return RelayAccount{}, false
	}
	if a, ok := r.accounts[t.account]; ok {
		return a, true
	}
	return RelayAccount{Name: t.account}, r.open
}

// The codes of an act-management system.
const (
	relayUnknown    = "002"
	relayNotYet     = "003"
	relayNotPayable = "004"
)

var relayMeanings = map[string]string{
	relayUnknown: "avviso sconosciuto", relayNotYet: "avviso non ancora notificato", relayNotPayable: "avviso non pagabile (pagato o ritirato)",
}

// act tells what the act-management system knows of a notice: what SEND would
// answer, unless the notice was paid or its notification is being cancelled.
func (s *Sandbox) act(key noticeKey) (Price, string) {
	p, code := s.Price(key.creditor, key.notice)
	switch {
	case code == codeCancelled, code == "" && s.paid(key):
		return Price{}, relayNotPayable
	case code == codeNotAccepted:
		return Price{}, relayNotYet
	case code != "":
		return Price{}, relayUnknown
	}
	return p, ""
}

func (s *Sandbox) paid(key noticeKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.notifications[s.rows[key]]; n != nil {
		return n.noticePaid(key)
	}
	n := s.cannedNotification(key)
	return n != nil && n.noticePaid(key)
}
