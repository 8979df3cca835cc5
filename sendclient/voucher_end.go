package sendclient

import "time"

// VoucherEnd tells until when the voucher in hand of a credential is used, which is
// a minute before PDND ends it; the zero instant while there is none yet. It is
// renewed at half of its life. ok is false where no voucher is kept: the credential
// takes none, or nobody has wanted one for long. Asking does not count as wanting one,
// but while it is done at least once an hour, one that PDND refuses is not given up:
// ask for credentials in force alone, and the trouble shows until it ends.
func (c *Client) VoucherEnd(cred *Credential) (end time.Time, ok bool) {
	if cred.PDND == nil || cred.Relay != nil {
		return time.Time{}, false
	}
	v := c.vouchers
	id := cred.PDND.fingerprint(v.pdnd.url, v.pdnd.audience)
	v.mu.Lock()
	s := v.sources[id]
	if s != nil {
		s.watched = time.Now()
	}
	v.mu.Unlock()
	if s == nil {
		return time.Time{}, false
	}
	return s.held().until, true
}
