package modi

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestAVoucherNamesItsClient(t *testing.T) {
	i, v := openIssuer(t)
	i.publish(
		jwkOf("one", &first().PublicKey), jwkOf("curve", &curve().PublicKey),
		member{"kty": "OKP", "crv": "Ed25519", "kid": "unusable", "x": b64(make([]byte, 32))}, member{"kid": "nonsense"},
	)
	for name, change := range map[string]func(*voucher){
		"as PDND makes it":     nil,
		"with the long typ":    func(v *voucher) { v.header["typ"] = "application/at+jwt" },
		"of several audiences": func(v *voucher) { v.claims["aud"] = []string{"other", audience} },
		"without sub":          func(v *voucher) { delete(v.claims, "sub") },
		"with PSS padding":     func(v *voucher) { v.method = jwt.SigningMethodPS256 },
		"signed on a curve":    func(v *voucher) { v.method, v.key, v.header["kid"] = jwt.SigningMethodES256, curve(), "curve" },
		"of a clock that is a little ahead": func(v *voucher) {
			v.claims["iat"], v.claims["nbf"] = i.now().Add(8*time.Second).Unix(), i.now().Add(8*time.Second).Unix()
		},
		"expired a moment ago": func(v *voucher) { v.claims["exp"] = i.now().Add(-5 * time.Second).Unix() },
	} {
		got, err := v.Client(t.Context(), i.voucher(change))
		if err != nil || got != client {
			t.Errorf("a voucher %s: client %q, %v", name, got, err)
		}
	}
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

func TestWhatIsNoVoucherOfOursIsRejected(t *testing.T) {
	i, v := openIssuer(t)
	public, err := x509.MarshalPKIXPublicKey(&first().PublicKey)
	must(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	ago := func(d time.Duration) int64 { return i.now().Add(-d).Unix() }
	for name, c := range map[string]struct {
		change func(*voucher)
		says   string
	}{
		"expired":                            {func(v *voucher) { v.claims["exp"] = ago(15 * time.Second) }, "expired"},
		"not valid yet":                      {func(v *voucher) { v.claims["nbf"] = ago(-time.Minute) }, "not valid yet"},
		"issued in the future":               {func(v *voucher) { v.claims["iat"] = ago(-time.Minute) }, "not valid yet"},
		"of another issuer":                  {func(v *voucher) { v.claims["iss"] = "uat." + issuerName }, "another issuer"},
		"of the issuer with a scheme":        {func(v *voucher) { v.claims["iss"] = "https://" + issuerName }, "another issuer"},
		"for another audience":               {func(v *voucher) { v.claims["aud"] = audience + "/other" }, "another audience"},
		"without audience":                   {func(v *voucher) { delete(v.claims, "aud") }, "claim"},
		"without exp":                        {func(v *voucher) { delete(v.claims, "exp") }, "claim"},
		"without iat":                        {func(v *voucher) { delete(v.claims, "iat") }, "claim"},
		"without issuer":                     {func(v *voucher) { delete(v.claims, "iss") }, "claim"},
		"without client":                     {func(v *voucher) { delete(v.claims, "client_id") }, "claim"},
		"of two clients":                     {func(v *voucher) { v.claims["sub"] = "another" }, "one client"},
		"bound to a key":                     {func(v *voucher) { v.claims["cnf"] = member{"jkt": "x"} }, "proof of possession"},
		"that wants DPoP":                    {func(v *voucher) { v.header["typ"] = "dpop+jwt" }, "typ"},
		"that is an ordinary JWT":            {func(v *voucher) { v.header["typ"] = "JWT" }, "typ"},
		"without typ":                        {func(v *voucher) { v.header["typ"] = nil }, "typ"},
		"with a critical header":             {func(v *voucher) { v.header["crit"] = []string{"exp"} }, "critical"},
		"signed by somebody else":            {func(v *voucher) { v.key = second() }, "not signed"},
		"of an unknown kid":                  {func(v *voucher) { v.header["kid"] = "nonesuch" }, "does not publish"},
		"without kid":                        {func(v *voucher) { v.header["kid"] = nil }, "does not publish"},
		"of alg none":                        {func(v *voucher) { v.method, v.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType }, "not signed"},
		"of HS256 with the public key":       {func(v *voucher) { v.method, v.key = jwt.SigningMethodHS256, publicPEM }, "not signed"},
		"of HS256 with the public key's DER": {func(v *voucher) { v.method, v.key = jwt.SigningMethodHS256, public }, "not signed"},
		"of RS512":                           {func(v *voucher) { v.method = jwt.SigningMethodRS512 }, "not signed"},
		"of a curve with an RSA key's kid":   {func(v *voucher) { v.method, v.key = jwt.SigningMethodES256, curve() }, "not signed"},
		"that is too long":                   {func(v *voucher) { v.claims["more"] = strings.Repeat("x", maxToken) }, "too long"},
	} {
		_, err := v.Client(t.Context(), i.voucher(c.change))
		t.Run(name, func(t *testing.T) { wantRejection(t, err, c.says) })
	}
	good := i.voucher(nil)
	parts := strings.Split(good, ".")
	for name, text := range map[string]string{
		"nothing": "", "points": "..", "two parts": parts[0] + "." + parts[1], "four parts": good + ".x",
		"no signature": parts[0] + "." + parts[1] + ".", "words": "a.b.c", "padding": parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"other claims": parts[0] + "." + b64([]byte(strings.Replace(string(unb64(t, parts[1])), client, "another", 2))) + "." + parts[2],
	} {
		if _, err := v.Client(t.Context(), text); !errors.As(err, new(Rejection)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := v.Client(t.Context(), good); err != nil || got != client {
		t.Errorf("the good one among them: %q, %v", got, err)
	}
	if log := i.logged(); log != "" {
		t.Errorf("rejections are logged: %s", log)
	}
}

func unb64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := jwt.NewParser().DecodeSegment(s)
	must(t, err)
	return b
}

func TestRotatedKeysAreFetchedOnceHoweverManyAsk(t *testing.T) {
	i, v := openIssuer(t)
	_, err := v.Client(t.Context(), i.voucher(nil))
	must(t, err)
	// The issuer changes keys. Nothing is asked again within ten seconds …
	i.publish(jwkOf("two", &second().PublicKey))
	rotated := func(v *voucher) { v.key, v.header["kid"] = second(), "two" }
	_, err = v.Client(t.Context(), i.voucher(rotated))
	wantRejection(t, err, "does not publish")
	if n := i.fetches.Load(); n != 1 {
		t.Fatalf("%d fetches within ten seconds", n)
	}
	// … and then once, for everybody who waits.
	i.advance(askAgain)
	var group sync.WaitGroup
	var refused atomic.Int64
	for range 50 {
		group.Go(func() {
			if _, err := v.Client(t.Context(), i.voucher(rotated)); err != nil {
				refused.Add(1)
			}
		})
	}
	group.Wait()
	if refused.Load() != 0 || i.fetches.Load() != 2 {
		t.Errorf("%d of 50 refused after %d fetches", refused.Load(), i.fetches.Load())
	}
	// A key that is no longer published opens nothing.
	_, err = v.Client(t.Context(), i.voucher(nil))
	wantRejection(t, err, "does not publish")
	// However many kids are made up, one question in ten seconds.
	before := i.fetches.Load()
	for n := range 200 {
		i.advance(100 * time.Millisecond)
		_, err := v.Client(t.Context(), i.voucher(func(v *voucher) { v.header["kid"] = strings.Repeat("k", n+1) }))
		wantRejection(t, err, "does not publish")
	}
	if n := i.fetches.Load() - before; n > 3 {
		t.Errorf("%d fetches for made-up kids in 20 seconds", n)
	}
}

func TestAWithdrawnKeyStopsWorkingByItself(t *testing.T) {
	i, v := openIssuer(t)
	_, err := v.Client(t.Context(), i.voucher(nil))
	must(t, err)
	i.publish(jwkOf("two", &second().PublicKey))
	i.advance(trustedFor)
	_, err = v.Client(t.Context(), i.voucher(nil)) // nobody waits for the new set
	must(t, err)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err = v.Client(t.Context(), i.voucher(nil)); err != nil || time.Now().After(deadline) {
			break
		}
	}
	wantRejection(t, err, "does not publish")
}

func TestAKeyWithdrawnDuringAPauseOpensNothing(t *testing.T) {
	i, v := openIssuer(t)
	_, err := v.Client(t.Context(), i.voucher(nil))
	must(t, err)
	i.publish(jwkOf("two", &second().PublicKey))
	i.advance(believedFor)
	_, err = v.Client(t.Context(), i.voucher(nil))
	wantRejection(t, err, "does not publish")
}

func TestAPauseDoesNotMakeAnIssuerThatHangsTheCallersTrouble(t *testing.T) {
	i, v := openIssuer(t)
	_, err := v.Client(t.Context(), i.voucher(nil))
	must(t, err)
	i.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	i.advance(24 * time.Hour)
	began := time.Now()
	_, err = v.Client(t.Context(), i.voucher(nil))
	must(t, err)
	if waited := time.Since(began); waited < patience || waited > fetchTimeout-time.Second/2 {
		t.Errorf("the first one waited %v", waited)
	}
	v.keys.work.Wait() // the failure is known
	i.advance(24 * time.Hour)
	began = time.Now()
	_, err = v.Client(t.Context(), i.voucher(nil))
	must(t, err)
	if waited := time.Since(began); waited > patience/2 {
		t.Errorf("one after the failure waited %v", waited)
	}
}

func TestKeysStayWhenTheIssuerFails(t *testing.T) {
	i, v := openIssuer(t)
	_, err := v.Client(t.Context(), i.voucher(nil))
	must(t, err)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(asJSON(member{"keys": []member{jwkOf("one", &second().PublicKey)}}))
	}))
	t.Cleanup(elsewhere.Close)
	for name, answer := range map[string]http.HandlerFunc{
		"an error":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"another address": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"no JSON":         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"an empty set":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"only weak keys": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(asJSON(member{"keys": []member{jwkOf("one", &short().PublicKey)}}))
		},
		"an endless set": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"a broken connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		i.serve(answer)
		i.advance(trustedFor)
		before := i.fetches.Load()
		for range 3 {
			if got, err := v.Client(t.Context(), i.voucher(nil)); err != nil || got != client {
				t.Errorf("while the issuer gives %s: %q, %v", name, got, err)
			}
		}
		for deadline := time.Now().Add(5 * time.Second); i.fetches.Load() == before && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if i.fetches.Load() == before {
			t.Errorf("%s was never asked for", name)
		}
		v.keys.work.Wait()
	}
	if log := i.logged(); strings.Count(log, "WARN") != 1 || !strings.Contains(log, "stay in force") {
		t.Errorf("one beginning of failures is told as: %s", log)
	}
	i.publish(jwkOf("two", &second().PublicKey))
	i.advance(askAgain)
	_, err = v.Client(t.Context(), i.voucher(func(v *voucher) { v.key, v.header["kid"] = second(), "two" }))
	must(t, err)
	if !strings.Contains(i.logged(), "again") {
		t.Error("the end of the failures is not told")
	}
}

func TestAnIssuerThatWasNeverReachedIsNobodysGuess(t *testing.T) {
	i, v := openIssuer(t)
	release := make(chan struct{})
	i.serve(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := v.Client(ctx, i.voucher(nil)); !errors.Is(err, ErrNoKeys) {
		t.Errorf("an issuer that hangs: %v", err)
	}
	if waited := time.Since(began); waited > 2*time.Second {
		t.Errorf("a request waited %v beyond its own end", waited)
	}
	close(release)
	v.keys.work.Wait()
	i.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	i.advance(askAgain)
	if _, err := v.Client(t.Context(), i.voucher(nil)); !errors.Is(err, ErrNoKeys) {
		t.Errorf("an issuer that fails: %v", err)
	}
	if n, err := v.Check(t.Context()); n != 0 || err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("a look at the issuer says %d, %v", n, err)
	}
	i.publish(jwkOf("one", &first().PublicKey))
	i.advance(askAgain)
	if _, err := v.Client(t.Context(), i.voucher(nil)); err != nil {
		t.Errorf("an issuer that is back: %v", err)
	}
	if n, err := v.Check(t.Context()); n != 1 || err != nil {
		t.Errorf("a look at the issuer says %d, %v", n, err)
	}
}

func TestClosingCutsAFetchShort(t *testing.T) {
	i, v := openIssuer(t)
	i.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _ = v.Client(ctx, i.voucher(nil))
	began := time.Now()
	v.Close()
	if took := time.Since(began); took > fetchTimeout/2 {
		t.Errorf("closing took %v", took)
	}
	if log := i.logged(); log != "" {
		t.Errorf("stopping is told as a failure: %s", log)
	}
}
