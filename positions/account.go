package positions

import (
	"regexp"
	"time"
)

var ibanForm = regexp.MustCompile(`^[A-Za-z0-9]{1,35}$`)

// IBANForm reports whether s could be an IBAN: 1 to 35 letters and digits
// (stIBANIdentifier of the paForNode schema). Check digits are not looked at.
func IBANForm(s string) bool { return ibanForm.MatchString(s) }

// ChangeIBAN moves transfers of unpaid options from one account to another, at
// most limit of them, and returns how many moved. As in GPD they move only in a
// position that is DRAFT, PUBLISHED, VALID or PARTIALLY_PAID; nor in one that this
// organization no longer collects. The IBAN is compared as it is written.
func (p *Position) ChangeIBAN(from, to string, limit int, now time.Time) (moved int) {
	switch p.StatusAt(now) {
	case Draft, Published, Valid, PartiallyPaid:
	default:
		return 0
	}
	if life := p.LifecycleAt(now); life != Open && life != Blocked {
		return 0
	}
	for i := range p.Options {
		o := &p.Options[i]
		if o.Paid() {
			continue
		}
		for j := range o.Transfers {
			if moved < limit && o.Transfers[j].IBAN == from {
				o.Transfers[j].IBAN = to
				moved++
			}
		}
	}
	return moved
}
