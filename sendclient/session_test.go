package sendclient

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// taking answers a price to one token only, and 401 to the others.
func taking(token *atomic.Pointer[string], status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+*token.Load() {
			w.WriteHeader(status)
			return
		}
		says(200, legacyPrice)(w, r)
	}
}

func TestATokenThatIsNoLongerTakenIsReplacedOnce(t *testing.T) {
	for _, status := range []int{401, 403} {
		s, c := relaying(t, Config{})
		var good atomic.Pointer[string]
		set := func(token string) { good.Store(&token) }
		set("token-1")
		s.priceIs(taking(&good, status))
		ask := func() error { _, err := c.Price(t.Context(), s.legacy, org, notice); return err }
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		set("token-2") // the first has expired
		if err := ask(); err != nil || s.logins.Load() != 2 || s.prices.Load() != 3 {
			t.Errorf("%v after %d logins and %d requests", err, s.logins.Load(), s.prices.Load())
		}
		set("none") // the new one is refused too
		failure := wantKind(t, ask(), KindDenied)
		if failure.Status != status || s.logins.Load() != 3 || s.prices.Load() != 5 || failure.Held {
			t.Errorf("%+v after %d logins and %d requests", failure, s.logins.Load(), s.prices.Load())
		}
		if failure := wantKind(t, ask(), KindDenied); !failure.Held || s.logins.Load() != 3 {
			t.Errorf("a refused account is tried again: %d logins", s.logins.Load())
		}
	}
}

func TestAFirstTokenThatIsRefusedIsNotReplaced(t *testing.T) {
	s, c := relaying(t, Config{})
	s.priceIs(says(401, ""))
	_, err := c.Price(t.Context(), s.legacy, org, notice)
	if wantKind(t, err, KindDenied); s.logins.Load() != 1 || s.prices.Load() != 1 {
		t.Errorf("%d logins, %d requests", s.logins.Load(), s.prices.Load())
	}
}

func TestManyWhoAskAtOnceLogInOnce(t *testing.T) {
	for name, login := range map[string]http.HandlerFunc{
		"and all are answered":             says(200, `{"token":"t","esito":"OK"}`),
		"and all are told that it failed":  says(401, ``),
		"and all are told that it is down": says(500, ``),
	} {
		t.Run(name, func(t *testing.T) {
			s, c := relaying(t, Config{})
			s.priceIs(says(200, legacyPrice))
			s.loginIs(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(200 * time.Millisecond)
				login(w, r)
			})
			var priced atomic.Int32
			var together sync.WaitGroup
			for range 20 {
				together.Go(func() {
					if _, err := c.Price(t.Context(), s.legacy, org, notice); err == nil {
						priced.Add(1)
					}
				})
			}
			together.Wait()
			if s.logins.Load() != 1 {
				t.Errorf("%d logins", s.logins.Load())
			}
			if want := s.prices.Load(); priced.Load() != want || want != 0 && want != 20 {
				t.Errorf("%d priced of %d asked", priced.Load(), want)
			}
		})
	}
}

func TestALoginThatHangsEndsInTime(t *testing.T) {
	s, c := relaying(t, Config{Timeout: 300 * time.Millisecond})
	release := make(chan struct{})
	defer close(release)
	s.loginIs(func(_ http.ResponseWriter, r *http.Request) { wait(r, release) })
	began := time.Now()
	var together sync.WaitGroup
	for range 5 {
		together.Go(func() {
			_, err := c.Price(t.Context(), s.legacy, org, notice)
			if failure, ok := err.(*Error); !ok || failure.Kind != KindTimeout {
				t.Errorf("%v", err)
			}
		})
	}
	together.Wait()
	within(t, began, 700*time.Millisecond)
	if s.prices.Load() != 0 {
		t.Error("asked without a token")
	}
}

func TestTheHasteOfWhoWaitsForALoginProvesNothingAboutTheRelay(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		cred := &Credential{OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayLegacy, URL: "https://atti.example", Username: "u", Password: "p"}}
		send.become(hang)
		var first sync.WaitGroup
		first.Go(func() { _, _ = c.Price(t.Context(), cred, org, notice) }) // has the turn
		synctest.Wait()
		for range failuresInARow {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err := c.Price(ctx, cred, org, notice)
			cancel()
			wantKind(t, err, KindTimeout)
		}
		if states := c.guards.states(); states[org] != 0 {
			t.Errorf("the breaker is in state %d", states[org])
		}
		first.Wait()
	})
}

func TestALoginIsAnsweredInManyWays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   ErrorKind // "" when it gives a token
	}{
		{"a token", 200, `{"token":"t"}`, ""},
		{"KO with a token", 200, `{"token":"t","esito":"KO"}`, KindDenied},
		{"no token", 200, `{"esito":"OK"}`, KindAnomaly},
		{"a token that cannot be a header", 200, `{"token":"a b"}`, KindAnomaly},
		{"no JSON", 200, `ok`, KindUnreadable},
		{"not allowed", 403, ``, KindDenied},
		{"a wrong address", 404, ``, KindAnomaly},
		{"down", 503, ``, KindServerError},
		{"too many", 429, ``, KindThrottled},
		{"a redirect", 302, ``, KindUnreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, failure := readLogin(tt.status, []byte(tt.body))
			switch {
			case tt.want == "" && (failure != nil || token != "t"):
				t.Errorf("%q %v", token, failure)
			case tt.want != "" && (failure == nil || failure.Kind != tt.want || token != ""):
				t.Errorf("%q %v, want %s", token, failure, tt.want)
			}
		})
	}
}

func TestATokenIsUsedForABoundedTime(t *testing.T) {
	now := time.Now()
	sign := func(exp time.Time) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(exp)}).SignedString([]byte("k"))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, tt := range map[string]struct {
		token string
		want  time.Duration
	}{
		"opaque":                 {"abc", sessionLife},
		"a JWT that ends sooner": {sign(now.Add(10 * time.Minute)), 10*time.Minute - sessionMargin},
		"a JWT that ends later":  {sign(now.Add(24 * time.Hour)), sessionLife},
		"a JWT that has ended":   {sign(now.Add(-time.Hour)), -time.Hour - sessionMargin},
	} {
		if got := endOf(tt.token, now).Sub(now); got < tt.want-2*time.Second || got > tt.want+2*time.Second {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
