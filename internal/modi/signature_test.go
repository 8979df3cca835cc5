package modi

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const signedBody = `{"orgFiscalCode":"77777777777","nav":"301000000000012345"}`

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

// request is one as a caller signs it, then changed.
type request struct {
	jws    voucher
	body   string
	header http.Header
}

// digest changes the Digest, in the header and in what is signed.
func (r *request) digest(value string) {
	r.header.Set("Digest", value)
	r.jws.claims["signed_headers"] = []member{{"digest": value}, {"content-type": "application/json"}}
}

func signRequest(now time.Time, change func(*request)) (http.Header, []byte) {
	r := request{
		body: signedBody, header: http.Header{"Content-Type": {"application/json"}},
		jws: voucher{
			method: jwt.SigningMethodRS256, key: first(), header: member{"kid": "one"},
			claims: member{"iss": client, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix()},
		},
	}
	r.digest(digestOf(signedBody))
	if change != nil {
		change(&r)
	}
	if r.header.Values(SignatureHeader) == nil {
		r.header.Set(SignatureHeader, r.jws.sign())
	}
	return r.header, []byte(r.body)
}

func registered() map[string]crypto.PublicKey {
	return map[string]crypto.PublicKey{"one": &first().PublicKey, "curve": &curve().PublicKey}
}

func TestASignatureOverTheBodyIsAccepted(t *testing.T) {
	now := time.Now()
	s := NewSignatures(audience, func() time.Time { return now })
	for name, change := range map[string]func(*request){
		"as it should be": nil,
		"without nbf":     func(r *request) { delete(r.jws.claims, "nbf") },
		"with sub":        func(r *request) { r.jws.claims["sub"] = client },
		"on a curve": func(r *request) {
			r.jws.method, r.jws.key, r.jws.header["kid"] = jwt.SigningMethodES256, curve(), "curve"
		},
		"of almost 5 minutes": func(r *request) { r.jws.claims["iat"] = now.Add(-299 * time.Second).Unix() },
		"with capitals": func(r *request) {
			r.jws.claims["signed_headers"] = []member{{"Digest": digestOf(signedBody)}, {"Content-Type": "application/json"}}
		},
		"in one object": func(r *request) {
			r.jws.claims["signed_headers"] = []member{{"digest": digestOf(signedBody), "content-type": "application/json"}}
		},
		"beside another algorithm": func(r *request) { r.digest("MD5=xxxx, " + strings.Replace(digestOf(signedBody), "SHA", "sha", 1)) },
		"over the encoding too": func(r *request) {
			r.header.Set("Content-Encoding", "UTF-8")
			r.jws.claims["signed_headers"] = []member{{"digest": digestOf(signedBody)}, {"content-type": "application/json"}, {"content-encoding": "UTF-8"}}
		},
		"over no body": func(r *request) { r.body = ""; r.digest(digestOf("")) },
	} {
		header, body := signRequest(now, change)
		if err := s.Verify(header, body, client, registered()); err != nil {
			t.Errorf("a signature %s: %v", name, err)
		}
	}
}

func TestASignatureThatProvesNothingIsRejected(t *testing.T) {
	now := time.Now()
	s := NewSignatures(audience, func() time.Time { return now })
	for name, c := range map[string]struct {
		change func(*request)
		says   string
	}{
		"none": {func(r *request) { r.header[http.CanonicalHeaderKey(SignatureHeader)] = []string{} }, "missing"},
		"two": {func(r *request) {
			r.header[http.CanonicalHeaderKey(SignatureHeader)] = []string{r.jws.sign(), r.jws.sign()}
		}, "more than one"},
		"over another body": {func(r *request) { r.body = strings.Replace(signedBody, "45", "46", 1) }, "SHA-256 of the body"},
		"of another body whose digest the header has": {func(r *request) {
			r.body = strings.Replace(signedBody, "45", "46", 1)
			r.header.Set("Digest", digestOf(r.body))
		}, "other headers"},
		"without a digest":                {func(r *request) { r.header.Del("Digest") }, "SHA-256"},
		"with two digests":                {func(r *request) { r.header.Add("Digest", digestOf(signedBody)) }, "SHA-256"},
		"with a weak digest":              {func(r *request) { r.digest("MD5=rL0Y20zC+Fzt72VPzMSk2A==") }, "SHA-256"},
		"with a digest in hex":            {func(r *request) { r.digest(fmt.Sprintf("SHA-256=%x", sha256.Sum256([]byte(signedBody)))) }, "SHA-256"},
		"with a right and a wrong digest": {func(r *request) { r.digest(digestOf(signedBody) + "," + digestOf("other")) }, "SHA-256"},
		"over no headers":                 {func(r *request) { delete(r.jws.claims, "signed_headers") }, "must sign"},
		"over the digest only":            {func(r *request) { r.jws.claims["signed_headers"] = []member{{"digest": digestOf(signedBody)}} }, "must sign"},
		"over the type only":              {func(r *request) { r.jws.claims["signed_headers"] = []member{{"content-type": "application/json"}} }, "must sign"},
		"over another type":               {func(r *request) { r.header.Set("Content-Type", "application/json; charset=utf-8") }, "other headers"},
		"over a header that is not there": {func(r *request) {
			r.jws.claims["signed_headers"] = append(r.jws.claims["signed_headers"].([]member), member{"x-a": "b"})
		}, "other headers"},
		"over an empty header": {func(r *request) {
			r.jws.claims["signed_headers"] = append(r.jws.claims["signed_headers"].([]member), member{"x-a": ""})
		}, "other headers"},
		"over a thousand headers":        {func(r *request) { r.jws.claims["signed_headers"] = make([]member, 1000) }, "too"},
		"over headers that are no texts": {func(r *request) { r.jws.claims["signed_headers"] = []member{{"digest": 1}} }, "not a signed JWT"},
		"that leaves the encoding out":   {func(r *request) { r.header.Set("Content-Encoding", "gzip") }, "must sign"},
		"expired":                        {func(r *request) { r.jws.claims["exp"] = now.Add(-11 * time.Second).Unix() }, "expired"},
		"older than 5 minutes": {func(r *request) {
			r.jws.claims["iat"], r.jws.claims["exp"] = now.Add(-302*time.Second).Unix(), now.Add(time.Hour).Unix()
		}, "older"},
		"of the future":                       {func(r *request) { r.jws.claims["iat"] = now.Add(time.Minute).Unix() }, "not valid yet"},
		"not valid yet":                       {func(r *request) { r.jws.claims["nbf"] = now.Add(time.Minute).Unix() }, "not valid yet"},
		"without exp":                         {func(r *request) { delete(r.jws.claims, "exp") }, "claim"},
		"without iat":                         {func(r *request) { delete(r.jws.claims, "iat") }, "claim"},
		"without jti":                         {func(r *request) { delete(r.jws.claims, "jti") }, "claim"},
		"with an endless jti":                 {func(r *request) { r.jws.claims["jti"] = strings.Repeat("j", maxTokenID+1) }, "claim"},
		"without iss":                         {func(r *request) { delete(r.jws.claims, "iss") }, "claim"},
		"of another issuer":                   {func(r *request) { r.jws.claims["iss"] = "another" }, "issuer"},
		"for another audience":                {func(r *request) { r.jws.claims["aud"] = "https://other.example" }, "audience"},
		"without audience":                    {func(r *request) { delete(r.jws.claims, "aud") }, "claim"},
		"of an unknown kid":                   {func(r *request) { r.jws.header["kid"] = "nonesuch" }, "kid"},
		"without kid":                         {func(r *request) { r.jws.header["kid"] = nil }, "kid"},
		"by somebody else":                    {func(r *request) { r.jws.key = second() }, "not signed"},
		"that is a voucher":                   {func(r *request) { r.jws.header["typ"] = "at+jwt" }, "typ"},
		"of PS256":                            {func(r *request) { r.jws.method = jwt.SigningMethodPS256 }, "not signed"},
		"of alg none":                         {func(r *request) { r.jws.method, r.jws.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType }, "not signed"},
		"of HS256 with the public modulus":    {func(r *request) { r.jws.method, r.jws.key = jwt.SigningMethodHS256, first().N.Bytes() }, "not signed"},
		"with a detached payload (b64, crit)": {func(r *request) { r.jws.header["b64"], r.jws.header["crit"] = false, []string{"b64"} }, "critical"},
		"that is no JWS":                      {func(r *request) { r.header.Set(SignatureHeader, "signature") }, "not a signed JWT"},
	} {
		header, body := signRequest(now, c.change)
		err := s.Verify(header, body, client, registered())
		t.Run(name, func(t *testing.T) { wantRejection(t, err, c.says) })
	}
	header, body := signRequest(now, nil)
	wantRejection(t, s.Verify(header, body, client, nil), "registered")
}

func TestASignatureIsAcceptedOnce(t *testing.T) {
	now := time.Now()
	s := NewSignatures(audience, func() time.Time { return now })
	header, body := signRequest(now, func(r *request) { r.jws.claims["exp"] = now.Add(time.Hour).Unix() })
	var accepted atomic.Int64
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if s.Verify(header, body, client, registered()) == nil {
				accepted.Add(1)
			}
		})
	}
	group.Wait()
	if accepted.Load() != 1 {
		t.Fatalf("accepted %d times", accepted.Load())
	}
	for range 40 { // until long after it is too old
		now = now.Add(10 * time.Second)
		if s.Verify(header, body, client, registered()) == nil {
			t.Fatalf("accepted again after %v", now)
		}
	}
	// A forged one with the same jti does not spend it.
	now = time.Now()
	const jti = "one of many"
	forged, body := signRequest(now, func(r *request) { r.jws.claims["jti"], r.jws.key = jti, second() })
	wantRejection(t, s.Verify(forged, body, client, registered()), "not signed")
	genuine, body := signRequest(now, func(r *request) { r.jws.claims["jti"] = jti })
	must(t, s.Verify(genuine, body, client, registered()))
	// Nor does another caller's.
	others, body := signRequest(now, func(r *request) { r.jws.claims["jti"], r.jws.claims["iss"] = jti, "another" })
	must(t, s.Verify(others, body, "another", registered()))
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	var r replays
	now := time.Now()
	for n := range 3 * maxReplays {
		if !r.first(fmt.Sprint(n), now) {
			t.Fatal("a new one counts as seen")
		}
		if len(r.younger)+len(r.older) > 2*maxReplays {
			t.Fatalf("%d are remembered", len(r.younger)+len(r.older))
		}
	}
	if r.first(fmt.Sprint(3*maxReplays-1), now) || r.first(fmt.Sprint(2*maxReplays), now) {
		t.Error("the latest are forgotten")
	}
	now = now.Add(2 * replayWindow)
	r.first("later", now)
	if len(r.younger)+len(r.older) != 1 {
		t.Errorf("%d are remembered after their time", len(r.younger)+len(r.older))
	}
}
