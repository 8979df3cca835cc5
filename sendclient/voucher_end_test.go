package sendclient

import (
	"bytes"
	"net/http"
	"testing"
	"time"
)

func TestTheEndOfAVoucherIsKnownAndMovesWithItsRenewal(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		wants := func(cred *Credential, known bool, left time.Duration) {
			t.Helper()
			end, ok := c.VoucherEnd(cred)
			if ok != known || left == 0 != end.IsZero() || left > 0 && time.Until(end) != left {
				t.Errorf("known %v until %v, which is %s ahead; want %v and %s", ok, end, time.Until(end), known, left)
			}
		}
		wants(withPDND(), false, 0) // nobody has asked for one
		wants(apiKeyOnly, false, 0)
		wants(&Credential{PDND: withPDND().PDND, Relay: &Relay{}}, false, 0)

		refuses := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
		b.pdnd.broken.Store(&refuses)
		c.Warm(withPDND())
		time.Sleep(100 * time.Millisecond)
		wants(withPDND(), true, 0) // PDND gives none
		b.pdnd.broken.Store(nil)
		for end := (time.Time{}); end.IsZero(); end, _ = c.VoucherEnd(withPDND()) {
			time.Sleep(time.Millisecond)
		}
		first, _ := c.VoucherEnd(withPDND())
		if left := time.Until(first); left > 9*time.Minute || left < 9*time.Minute-time.Second {
			t.Errorf("a voucher of ten minutes is used for %s", left)
		}
		time.Sleep(5 * time.Minute)
		if second, _ := c.VoucherEnd(withPDND()); !second.After(first) {
			t.Error("its renewal does not show")
		}
	})
}

// The metrics ask once a minute, for credentials in force alone.
func watch(t *testing.T, c *Client, d time.Duration, see func(end time.Time, known bool)) {
	t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(time.Minute) {
		see(c.VoucherEnd(withPDND()))
	}
}

func TestARefusalThatIsWatchedShowsUntilPDNDGivesAVoucher(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.pdnd.broken.Store(new(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })))
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindNoVoucher)
		refused := func(end time.Time, known bool) {
			if !known || !end.IsZero() {
				t.Fatalf("while PDND refuses: known %v, until %v", known, end)
			}
		}
		watch(t, c, 3*24*time.Hour, refused)
		before := b.pdnd.fetches.Load()
		watch(t, c, 24*time.Hour, refused)
		if n := b.pdnd.fetches.Load() - before; n < 100 || n > 200 {
			t.Errorf("%d fetches in a day without a payment", n)
		}
		b.pdnd.broken.Store(nil)
		began := time.Now()
		for end := (time.Time{}); !end.After(time.Now()) && time.Since(began) < time.Hour; end, _ = c.VoucherEnd(withPDND()) {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > 13*time.Minute {
			t.Errorf("that PDND gives vouchers again shows after %s", took)
		}
	})
}

func TestARefusalOfAVoucherThatLastedShowsToo(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Fatal(err)
		}
		watch(t, c, 3*time.Hour, func(time.Time, bool) {})
		b.pdnd.broken.Store(new(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })))
		time.Sleep(10 * time.Minute)
		watch(t, c, 24*time.Hour, func(end time.Time, known bool) {
			if !known || end.After(time.Now()) {
				t.Fatalf("while PDND refuses: known %v, until %v", known, end)
			}
		})
	})
}

func TestARefusedCredentialThatWasReplacedIsLeftAlone(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.pdnd.broken.Store(new(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })))
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindNoVoucher)
		watch(t, c, 5*time.Hour, func(time.Time, bool) {})
		time.Sleep(time.Hour + 13*time.Minute) // nobody asks for it any more
		if sourcesOf(c) != 0 {
			t.Error("PDND is still asked for a client it refuses")
		}
	})
}

func TestThePaymentAfterAQuietRefusalHearsOfANewAttempt(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.pdnd.broken.Store(new(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })))
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindNoVoucher)
		watch(t, c, 24*time.Hour+30*time.Second, func(time.Time, bool) {})
		_, err = c.Price(t.Context(), withPDND(), org, notice) // a new attempt, and still none
		wantKind(t, err, KindNoVoucher)
		watch(t, c, 24*time.Hour, func(time.Time, bool) {})
		b.pdnd.broken.Store(nil)
		began := time.Now()
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil || time.Since(began) != 0 {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
