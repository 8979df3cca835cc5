package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Client is a PDND client with its purposes and its public keys.
type Client struct {
	ID       string
	Purposes []string
	Keys     map[string]*rsa.PublicKey // by kid
}

const (
	maxClients      = 10_000
	maxAssertions   = 10_000
	voucherLifetime = 10 * time.Minute
	assertionType   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// pdnd issues vouchers and verifies them.
type pdnd struct {
	audience                       string
	voucherIssuer, voucherAudience string

	mu      sync.Mutex
	clients map[string]Client
	spent   map[string]time.Time // jti of assertions already used -> their expiry
	oldest  []string             // the same, in order of use

	generate sync.Once
	key      *rsa.PrivateKey
	keyErr   error
	keyID    string
}

func (p *pdnd) init(o Options) {
	p.audience, p.voucherIssuer, p.voucherAudience = o.AssertionAudience, o.VoucherIssuer, o.VoucherAudience
	p.forget()
}

func (p *pdnd) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients, p.spent, p.oldest = map[string]Client{}, map[string]time.Time{}, nil
}

// RegisterClient adds a PDND client or replaces the one with the same id. Keys
// are RSA of at least 2048 bits.
func (s *Sandbox) RegisterClient(c Client) error {
	if c.ID == "" || len(c.Purposes) == 0 || len(c.Keys) == 0 {
		return invalid("a PDND client has an id, at least a purpose and at least a key")
	}
	for kid, key := range c.Keys {
		if kid == "" || key == nil || key.N.BitLen() < 2048 {
			return invalid("keys of client %s must have a kid and at least 2048 bits", c.ID)
		}
	}
	c.Keys, c.Purposes = maps.Clone(c.Keys), slices.Clone(c.Purposes)
	p := &s.pdnd
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.clients[c.ID]; !known && len(p.clients) >= maxClients {
		return fmt.Errorf("%w: it holds %d clients", ErrFull, len(p.clients))
	}
	p.clients[c.ID] = c
	return nil
}

// ParsePublicKey reads an RSA public key in PEM: SubjectPublicKeyInfo, as
// loaded on PDND.
func ParsePublicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, invalid("the public key is not PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, invalid("public key: %v", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, invalid("the public key is not RSA")
	}
	return key, nil
}

// signer returns the key that signs vouchers, made when first needed.
func (p *pdnd) signer() (*rsa.PrivateKey, string, error) {
	p.generate.Do(func() {
		p.key, p.keyErr = rsa.GenerateKey(rand.Reader, 2048)
		if p.keyErr == nil {
			sum := sha256.Sum256(p.key.N.Bytes())
			p.keyID = base64.RawURLEncoding.EncodeToString(sum[:16])
		}
	})
	return p.key, p.keyID, p.keyErr
}

// oauthError is the error body of RFC 6749 §5.2.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

type tokenResponse struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	TokenType   string `json:"token_type"`
}

func (s *Sandbox) serveToken(w http.ResponseWriter, r *http.Request) {
	call := s.begin(w, r, EndpointToken)
	defer call.end()
	formErr := parseTokenForm(w, r)
	call.ClientID = s.pdnd.knownClient(r.PostForm.Get("client_id"))
	if !call.strike(s.faults.take(EndpointToken, noticeKey{}, true)) {
		return
	}
	if formErr != nil {
		call.write(jsonAnswer(http.StatusBadRequest, oauthError{"invalid_request", formErr.Error()}))
		return
	}
	call.meet(noticeKey{}, func() answer { return s.token(r) })
}

func parseTokenForm(w http.ResponseWriter, r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return errors.New("the body must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenBody)
	if err := r.ParseForm(); err != nil {
		return errors.New("the form cannot be read")
	}
	return nil
}

func (s *Sandbox) token(r *http.Request) answer {
	form := func(name string) string { return r.PostForm.Get(name) }
	bad := func(code, description string) answer {
		return jsonAnswer(http.StatusBadRequest, oauthError{code, description})
	}
	for _, name := range []string{"client_id", "client_assertion", "client_assertion_type", "grant_type"} {
		if len(r.PostForm[name]) != 1 || form(name) == "" {
			return bad("invalid_request", name+" must be given once")
		}
	}
	if form("grant_type") != "client_credentials" {
		return bad("unsupported_grant_type", "grant_type must be client_credentials")
	}
	if form("client_assertion_type") != assertionType {
		return bad("invalid_request", "client_assertion_type must be "+assertionType)
	}
	purpose, err := s.pdnd.verifyAssertion(form("client_id"), form("client_assertion"), s.clock())
	if err != nil {
		s.log.Info("client assertion refused", "client", s.pdnd.knownClient(form("client_id")), "error", err)
		return jsonAnswer(http.StatusUnauthorized, oauthError{"invalid_client", err.Error()})
	}
	voucher, err := s.pdnd.issue(form("client_id"), purpose, s.clock())
	if err != nil {
		s.log.Error("voucher not issued", "error", err)
		return jsonAnswer(http.StatusInternalServerError, oauthError{"server_error", "the voucher could not be signed"})
	}
	return jsonAnswer(http.StatusOK, tokenResponse{voucher, int(voucherLifetime / time.Second), "Bearer"})
}

// knownClient returns id when it is registered: what goes to the log is never
// free text of the caller.
func (p *pdnd) knownClient(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.clients[id]; ok {
		return id
	}
	return ""
}

type assertionClaims struct {
	jwt.RegisteredClaims
	PurposeID string `json:"purposeId"`
}

// verifyAssertion checks a client assertion (RFC 7523, and PDND's guide for
// typ, purposeId and the audience) and returns its purpose.
func (p *pdnd) verifyAssertion(clientID, assertion string, now time.Time) (purpose string, err error) {
	p.mu.Lock()
	client, ok := p.clients[clientID]
	p.mu.Unlock()
	if !ok {
		return "", errors.New("client_id is not registered")
	}
	var claims assertionClaims
	_, err = jwt.ParseWithClaims(assertion, &claims, func(t *jwt.Token) (any, error) {
		if typ, _ := t.Header["typ"].(string); typ != "JWT" {
			return nil, errors.New("typ must be JWT")
		}
		kid, _ := t.Header["kid"].(string)
		key, ok := client.Keys[kid]
		if !ok {
			return nil, errors.New("kid is not a key of this client")
		}
		return key, nil
	},
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithIssuer(clientID), jwt.WithSubject(clientID), jwt.WithAudience(p.audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(),
	)
	switch {
	case err != nil:
		return "", err
	case claims.IssuedAt == nil:
		return "", errors.New("iat is required")
	case !claims.IssuedAt.Before(claims.ExpiresAt.Time):
		return "", errors.New("iat must precede exp")
	case claims.ID == "":
		return "", errors.New("jti is required")
	case !slices.Contains(client.Purposes, claims.PurposeID):
		return "", errors.New("purposeId is not a purpose of this client")
	case !p.spend(clientID+" "+claims.ID, claims.ExpiresAt.Time, now):
		return "", errors.New("jti was already used")
	}
	return claims.PurposeID, nil
}

// spend remembers an assertion until it expires and tells whether it is new.
// The memory is bounded: beyond the bound the oldest is forgotten.
func (p *pdnd) spend(id string, expires, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until, used := p.spent[id]; used && now.Before(until) {
		return false
	} else if used {
		p.oldest = slices.DeleteFunc(p.oldest, func(o string) bool { return o == id })
	}
	for len(p.oldest) > 0 && (len(p.oldest) >= maxAssertions || !now.Before(p.spent[p.oldest[0]])) {
		delete(p.spent, p.oldest[0])
		p.oldest = p.oldest[1:]
	}
	p.spent[id] = expires
	p.oldest = append(p.oldest, id)
	return true
}

type voucherClaims struct {
	jwt.RegisteredClaims
	PurposeID string `json:"purposeId"`
	ClientID  string `json:"client_id"`
}

// IssueVoucher signs a voucher as the token endpoint does, for tests of what
// SEND's authorizer makes of it. It expires lifetime from now; a negative
// lifetime gives an expired one.
func (s *Sandbox) IssueVoucher(clientID, purposeID string, lifetime time.Duration) (string, error) {
	now := s.clock()
	return s.pdnd.sign(clientID, purposeID, now, now.Add(lifetime))
}

func (p *pdnd) issue(clientID, purposeID string, now time.Time) (string, error) {
	return p.sign(clientID, purposeID, now, now.Add(voucherLifetime))
}

func (p *pdnd) sign(clientID, purposeID string, from, until time.Time) (string, error) {
	key, kid, err := p.signer()
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, voucherClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: p.voucherIssuer, Audience: jwt.ClaimStrings{p.voucherAudience}, Subject: clientID, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(from), NotBefore: jwt.NewNumericDate(from), ExpiresAt: jwt.NewNumericDate(until),
		},
		PurposeID: purposeID, ClientID: clientID,
	})
	token.Header["typ"], token.Header["kid"], token.Header["use"] = "at+jwt", kid, "sig"
	return token.SignedString(key)
}

// verifyVoucher checks what SEND's authorizer checks (validation.js of
// apikeyAuthorizerV2): typ, signature, iss, aud and exp without leeway.
func (p *pdnd) verifyVoucher(voucher string, now time.Time) error {
	key, kid, err := p.signer()
	if err != nil {
		return err
	}
	_, err = jwt.ParseWithClaims(voucher, &voucherClaims{}, func(t *jwt.Token) (any, error) {
		if typ, _ := t.Header["typ"].(string); typ != "at+jwt" {
			return nil, errors.New("typ must be at+jwt")
		}
		if t.Header["kid"] != kid {
			return nil, errors.New("kid is not in the key set")
		}
		return &key.PublicKey, nil
	},
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithIssuer(p.voucherIssuer), jwt.WithAudience(p.voucherAudience), jwt.WithExpirationRequired(),
	)
	return err
}

// serveKeySet answers the public key of the vouchers (RFC 7517).
func (s *Sandbox) serveKeySet(w http.ResponseWriter, _ *http.Request) {
	key, kid, err := s.pdnd.signer()
	if err != nil {
		s.log.Error("no voucher key", "error", err)
		writeJSON(w, http.StatusInternalServerError, gatewayMessage{"Internal server error"})
		return
	}
	encode := base64.RawURLEncoding.EncodeToString
	writeJSON(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
	}}})
}
