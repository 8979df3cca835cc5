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
