package modi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// VoucherConfig is what [Vouchers] are verified by. Issuer, KeysURL and Audience
// are needed.
type VoucherConfig struct {
	// Issuer is the iss of the vouchers, compared as it is. PDND writes its host
	// without a scheme: interop.pagopa.it, uat.interop.pagopa.it.
	Issuer string
	// KeysURL is where the issuer publishes its keys as a JWK set.
	KeysURL string
	// Audience is what our e-service is registered with on PDND.
	Audience string
	// Logger is told when the keys cannot be had, once; nil: nobody.
	Logger *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Vouchers verifies the bearer tokens that PDND issues to the clients of our
// e-service. It is safe for concurrent use. Close ends what it does in the
// background.
type Vouchers struct {
	issuer, audience string
	keys             *issuerKeys
	now              func() time.Time
}

// NewVouchers fetches nothing yet: the first voucher does.
func NewVouchers(cfg VoucherConfig) *Vouchers {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Vouchers{issuer: cfg.Issuer, audience: cfg.Audience, now: cfg.Now, keys: newIssuerKeys(cfg.KeysURL, cfg.Logger, cfg.Now)}
}

// voucherClaims are those of a voucher that say who sends it. Source: PDND
// operating manual, "Checks on a Bearer voucher by a producer".
type voucherClaims struct {
	jwt.RegisteredClaims
	ClientID     string         `json:"client_id"`
	Confirmation map[string]any `json:"cnf"`
}

// Client verifies a voucher and returns the PDND client that it was issued to.
// The error is a [Rejection], or [ErrNoKeys] when the issuer's keys were never
// had and cannot be had now: ctx bounds how long they are waited for.
func (v *Vouchers) Client(ctx context.Context, voucher string) (clientID string, err error) {
	var claims voucherClaims
	err = read(voucher, &claims, func(t *jwt.Token) (any, error) {
		// RFC 9068, 2.1. A DPoP voucher is dpop+jwt, and worth nothing without its proof.
		if typ := strings.ToLower(named(t, "typ")); strings.TrimPrefix(typ, "application/") != "at+jwt" {
			return nil, Rejection("is no voucher: its typ is not at+jwt")
		}
		return v.keys.key(ctx, named(t, "kid"))
	},
		jwt.WithValidMethods([]string{"RS256", "PS256", "ES256"}), jwt.WithTimeFunc(v.now),
		jwt.WithIssuer(v.issuer), jwt.WithAudience(v.audience))
	switch {
	case err != nil:
		return "", err
	case claims.IssuedAt == nil || claims.ClientID == "":
		return "", Rejection("lacks a claim that is needed")
	case claims.Subject != "" && claims.Subject != claims.ClientID:
		return "", Rejection("names one client as client_id and another as sub")
	case claims.Confirmation != nil:
		return "", Rejection("is bound to a proof of possession, which is not asked for here")
	}
	return claims.ClientID, nil
}

// Check fetches the issuer's keys and returns how many of them can be used.
func (v *Vouchers) Check(ctx context.Context) (int, error) {
	keys, err := v.keys.fetch(ctx)
	return len(keys), err
}

// Close cuts short what is fetched in the background.
func (v *Vouchers) Close() {
	v.keys.stop()
	v.keys.work.Wait()
}

// httpClient follows no redirect: the address was checked when it was
// configured, another one was not. It keeps no connection: minutes pass between
// two requests.
func httpClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
