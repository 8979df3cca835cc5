package sendclient

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a SEND in memory whose behaviour can be changed.
type scripted struct {
	now      atomic.Pointer[func(*http.Request) (*http.Response, error)]
	requests atomic.Int32
}

func (s *scripted) become(f func(*http.Request) (*http.Response, error)) { s.now.Store(&f) }
func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests.Add(1)
	return (*s.now.Load())(r)
}

func answering(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return reply(status, body), nil }
}

func inBubble(t *testing.T, test func(t *testing.T, c *Client, send *scripted, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		send, log := &scripted{}, &bytes.Buffer{}
		send.become(answering(200, digital))
		c := newClient(t, Config{
			BaseURL: "https://send.example", TokenURL: "https://pdnd.example", Audience: "pdnd/client-assertion",
			Transport: send, Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		test(t, c, send, log)
	})
}

func TestBreakerOpensOnAHangAndRecoversByItself(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		ask := func() error { _, err := c.Price(t.Context(), apiKeyOnly, org, notice); return err }
		send.become(hang)
		// One request every 30 s: no window of ten seconds ever sees two.
		for range failuresInARow {
			wantKind(t, ask(), KindTimeout)
			time.Sleep(30 * time.Second)
			if state := c.guards.states()[org]; state != 0 && send.requests.Load() < failuresInARow {
				t.Fatalf("open after %d failures", send.requests.Load())
			}
		}
		// Half open by now, for 30 s have passed: one request finds out.
		wantKind(t, ask(), KindTimeout)
		if state := c.guards.states()[org]; state != 2 {
			t.Fatalf("state %d, want 2 (open)", state)
		}
		asked, began := send.requests.Load(), time.Now()
		for range 100 {
			wantKind(t, ask(), KindBreakerOpen)
		}
		if send.requests.Load() != asked || time.Since(began) != 0 {
			t.Errorf("an open breaker cost %d requests and %s", send.requests.Load()-asked, time.Since(began))
		}
		send.become(answering(200, digital))
		time.Sleep(10 * time.Second)
		for range 3 {
			if err := ask(); err != nil {
				t.Fatalf("after the recovery: %v", err)
			}
		}
		if state := c.guards.states()[org]; state != 0 {
			t.Errorf("state %d, want 0 (closed)", state)
		}
	})
}

func TestBreakerOpensWhenHalfOfManyRequestsFail(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		var n atomic.Int32
		send.become(func(r *http.Request) (*http.Response, error) {
			if n.Add(1)%2 == 0 {
				return reply(500, ""), nil
			}
			return reply(200, digital), nil
		})
		asked := 0
		for c.guards.states()[org] != 2 {
			if asked++; asked > 25 {
				t.Fatal("still closed after 25 requests, half of them failures")
			}
			c.Price(t.Context(), apiKeyOnly, org, notice)
		}
		if asked < 20 {
			t.Errorf("open after %d requests", asked)
		}
	})
}

func TestBreakerIgnoresWhatIsNotSENDsFault(t *testing.T) {
	short := func(t *testing.T) (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), 100*time.Millisecond)
	}
	leaving := func(t *testing.T) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		return ctx, cancel
	}
	for _, tt := range []struct {
		name string
		send func(*http.Request) (*http.Response, error)
		ctx  func(t *testing.T) (context.Context, context.CancelFunc)
		kind ErrorKind
	}{
		{"a 404 is an answer", answering(404, problem(404, "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND")), nil, ""},
		{"a 400", answering(400, problem(400, "PN_INVALID_PARAMETERS")), nil, KindBadRequest},
		{"an anomaly", answering(200, `{}`), nil, KindAnomaly},
		{"a caller who leaves", hang, leaving, KindCancelled},
		{"a caller in a hurry", hang, short, KindTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
				send.become(tt.send)
				for range 50 {
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if tt.ctx != nil {
						ctx, cancel = tt.ctx(t)
					}
					_, err := c.Price(ctx, apiKeyOnly, org, notice)
					cancel()
					if tt.kind == "" && err != nil {
						t.Fatal(err)
					}
					if tt.kind != "" {
						wantKind(t, err, tt.kind)
					}
				}
			})
		})
	}
}

func TestACallerWhoLeavesDoesNotMakeAFailingSENDWell(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		send.become(hang)
		for range failuresInARow {
			_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
			wantKind(t, err, KindTimeout)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			c.Price(ctx, apiKeyOnly, org, notice)
		}
		if state := c.guards.states()[org]; state != 2 {
			t.Errorf("state %d, want 2 (open)", state)
		}
	})
}

func TestOneOrganizationsTroubleIsItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		other := &Credential{OrganizationFiscalCode: "80099999999", APIKey: "another-key"}
		send.become(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("x-api-key") == other.APIKey {
				return reply(200, digital), nil
			}
			return reply(503, ""), nil
		})
		for range 10 {
			c.Price(t.Context(), apiKeyOnly, org, notice)
			if _, err := c.Price(t.Context(), other, org, notice); err != nil {
				t.Fatal(err)
			}
		}
		if states := c.guards.states(); states[org] != 2 || states["80099999999"] != 0 {
			t.Errorf("states %v", states)
		}
	})
}

func TestBulkheadRefusesTheThirtyThird(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		send.become(hang)
		var wg sync.WaitGroup
		for range bulkhead {
			wg.Go(func() { c.Price(t.Context(), apiKeyOnly, org, notice) })
		}
		synctest.Wait()
		began := time.Now()
		_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
		wantKind(t, err, KindSaturated)
		if time.Since(began) != 0 {
			t.Error("the refusal was not immediate")
		}
		wg.Wait()
	})
}

func TestADenialHoldsTheCredentialOffForAMinute(t *testing.T) {
	for _, status := range []int{401, 403} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *Client, send *scripted, log *bytes.Buffer) {
				ask := func() error { _, err := c.Price(t.Context(), apiKeyOnly, org, notice); return err }
				send.become(answering(status, `{"message":"no"}`))
				if failure := wantKind(t, ask(), KindDenied); failure.Held || failure.Status != status {
					t.Errorf("the denial itself: %+v", failure)
				}
				for range 59 {
					time.Sleep(time.Second)
					failure := wantKind(t, ask(), KindDenied)
					if !failure.Held || failure.Exchange.Asked() || failure.Status != status || !failure.HeldUntil.After(time.Now()) {
						t.Fatalf("during the hold: %+v", failure)
					}
				}
				if send.requests.Load() != 1 {
					t.Errorf("SEND was hammered: %d requests", send.requests.Load())
				}
				if lines := strings.Count(log.String(), "\n"); lines != 1 || strings.Contains(log.String(), "the-api-key") {
					t.Errorf("want one line without secrets, got %d:\n%s", lines, log)
				}
				// After the hold one request finds out; the others wait for it.
				time.Sleep(2 * time.Second)
				send.become(func(r *http.Request) (*http.Response, error) {
					time.Sleep(100 * time.Millisecond)
					return reply(200, digital), nil
				})
				var refused, priced atomic.Int32
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						if ask() == nil {
							priced.Add(1)
						} else {
							refused.Add(1)
						}
					})
				}
				wg.Wait()
				if priced.Load() != 1 || refused.Load() != 9 {
					t.Errorf("%d priced and %d refused, want 1 and 9", priced.Load(), refused.Load())
				}
				if err := ask(); err != nil {
					t.Errorf("after the recovery: %v", err)
				}
			})
		})
	}
}

func TestAProbeThatProvesNothingIsFollowedByAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		send.become(answering(403, ""))
		c.Price(t.Context(), apiKeyOnly, org, notice)
		time.Sleep(61 * time.Second)
		send.become(hang)
		_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
		wantKind(t, err, KindTimeout)
		before := send.requests.Load()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { c.Price(t.Context(), apiKeyOnly, org, notice) })
		}
		wg.Wait()
		if n := send.requests.Load() - before; n != 1 {
			t.Errorf("%d requests before it is known whether the credential is good", n)
		}
		send.become(answering(200, digital))
		if _, err := c.Price(t.Context(), apiKeyOnly, org, notice); err != nil {
			t.Errorf("the last probe: %v", err)
		}
	})
}

func TestAReplacedCredentialStartsAfresh(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		send.become(answering(403, ""))
		c.Price(t.Context(), apiKeyOnly, org, notice)
		send.become(answering(200, digital))
		_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
		wantKind(t, err, KindDenied)
		mended := &Credential{OrganizationFiscalCode: org, APIKey: "the-right-key"}
		if _, err := c.Price(t.Context(), mended, org, notice); err != nil {
			t.Error(err)
		}
		if n := len(c.guards.states()); n != 1 {
			t.Errorf("%d guards for one organization", n)
		}
	})
}

func TestGuardsAreBounded(t *testing.T) {
	gs := newGuards()
	for i := range maxGuards + 10 {
		gs.of(&Credential{OrganizationFiscalCode: fmt.Sprintf("%011d", i), APIKey: "k"})
	}
	if n := len(gs.byOrg); n != maxGuards {
		t.Errorf("%d guards, want %d", n, maxGuards)
	}
	if gs.byOrg["00000000000"] != nil || gs.byOrg[fmt.Sprintf("%011d", maxGuards+9)] == nil {
		t.Error("not the oldest was forgotten")
	}
}

func TestThrottlingIsHonouredWithinReason(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		hold         time.Duration
	}{
		{"seconds", "7", 7 * time.Second},
		{"far too many seconds", "86400", time.Minute},
		{"a date", "DATE+30", 30 * time.Second},
		{"a date gone by", "DATE-30", 0},
		{"nonsense", "soon", 0},
		{"negative", "-5", 0},
		{"none", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
				header := tt.header
				if rest, ok := strings.CutPrefix(header, "DATE"); ok {
					d, err := time.ParseDuration(rest + "s")
					if err != nil {
						t.Fatal(err)
					}
					header = time.Now().Add(d).UTC().Format(http.TimeFormat)
				}
				send.become(func(*http.Request) (*http.Response, error) {
					r := reply(429, `{"message":"Too Many Requests"}`)
					r.Header.Set("Retry-After", header)
					return r, nil
				})
				_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
				if failure := wantKind(t, err, KindThrottled); failure.Held {
					t.Error("held at the first answer")
				}
				send.become(answering(200, digital))
				if tt.hold > 0 {
					time.Sleep(tt.hold - time.Millisecond)
					_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
					if failure := wantKind(t, err, KindThrottled); !failure.Held {
						t.Error("asked again too soon")
					}
					time.Sleep(time.Millisecond)
				}
				if _, err := c.Price(t.Context(), apiKeyOnly, org, notice); err != nil {
					t.Errorf("after the hold: %v", err)
				}
			})
		})
	}
}
