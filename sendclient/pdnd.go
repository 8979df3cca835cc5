package sendclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// assertionLife is how long a client assertion holds; PDND uses it at once,
	// the rest is for clocks that disagree.
	assertionLife = 5 * time.Minute
	// maxVoucherLife bounds what PDND may claim; its vouchers last 10 minutes.
	maxVoucherLife = 24 * time.Hour
)

// tokenEndpoint is PDND's authorization server.
type tokenEndpoint struct {
	client        *http.Client
	url, audience string
}

// fetch obtains a voucher with a signed client assertion (RFC 7523 §2.2, with
// PDND's purposeId). Errors quote OAuth's error code at most, never a token.
func (e *tokenEndpoint) fetch(ctx context.Context, p *PDND) (voucher, error) {
	if e.url == "" {
		return voucher{}, errors.New("voucher: no token URL of PDND is configured")
	}
	assertion, err := e.assertion(p, time.Now())
	if err != nil {
		return voucher{}, err
	}
	form := url.Values{
		"client_id":             {p.ClientID},
		"client_assertion":      {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"grant_type":            {"client_credentials"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader(form.Encode()))
	if err != nil {
		return voucher{}, fmt.Errorf("voucher: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	asked := time.Now() // the life of the voucher is counted from here, to be safe
	resp, err := e.client.Do(req)
	if err != nil {
		return voucher{}, fmt.Errorf("voucher: %w", bare(err))
	}
	defer resp.Body.Close()
	body, err := readBounded(resp.Body)
	if err != nil {
		return voucher{}, fmt.Errorf("voucher: HTTP %d: %w", resp.StatusCode, err)
	}
	if resp.StatusCode != http.StatusOK {
		return voucher{}, &VoucherRefusal{resp.StatusCode, oauthError(body)}
	}
	return readVoucher(body, asked)
}

// VoucherRefusal is an answer of PDND that holds no voucher: the cause of a
// [KindNoVoucher], unless there was no answer.
type VoucherRefusal struct {
	Status int    // of HTTP
	Code   string // OAuth's or PDND's; empty when it gave none
}

// Error tells status and code.
func (e *VoucherRefusal) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("voucher: PDND answered HTTP %d %s", e.Status, e.Code), " ")
}

// assertion is the signed statement of who asks and for which purpose.
func (e *tokenEndpoint) assertion(p *PDND, now time.Time) (string, error) {
	if p.PrivateKey == nil || p.ClientID == "" || p.KeyID == "" || p.PurposeID == "" {
		return "", errors.New("voucher: the PDND client needs client id, key id, purpose id and private key")
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": p.ClientID, "sub": p.ClientID, "aud": e.audience, "purposeId": p.PurposeID,
		"jti": uuid.NewString(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	token.Header["kid"] = p.KeyID
	signed, err := token.SignedString(p.PrivateKey)
	if err != nil {
		return "", fmt.Errorf("voucher: sign the client assertion: %w", err)
	}
	return signed, nil
}

// readVoucher reads PDND's token response. expires_in is in seconds (RFC 6749
// §5.1).
func readVoucher(body []byte, asked time.Time) (voucher, error) {
	var reply struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return voucher{}, errors.New("voucher: PDND's answer is not the JSON of a token")
	}
	switch {
	case !isBearer(reply.AccessToken):
		return voucher{}, errors.New("voucher: PDND's answer holds no token")
	case reply.TokenType != "" && !strings.EqualFold(reply.TokenType, "Bearer"):
		return voucher{}, errors.New("voucher: PDND's token is not a bearer token")
	case reply.ExpiresIn <= 0:
		return voucher{}, errors.New("voucher: PDND does not say how long its token lasts")
	}
	life := maxVoucherLife
	if reply.ExpiresIn < int64(maxVoucherLife/time.Second) {
		life = time.Duration(reply.ExpiresIn) * time.Second
	}
	return voucher{reply.AccessToken, asked.Add(life - min(voucherMargin, life/4))}, nil
}

// isBearer reports whether a token can be a header: visible ASCII.
func isBearer(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}

// oauthError returns the error code of a refusal (RFC 6749 §5.2), or PDND's
// problem code.
func oauthError(body []byte) string {
	var refusal struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &refusal) == nil && len(refusal.Error) <= 64 && isBearer(refusal.Error) {
		return refusal.Error
	}
	return problemCode(body)
}
