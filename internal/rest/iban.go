package rest

// italianIBAN is the length of an Italian IBAN; other countries' differ.
const italianIBAN = 27

// ibanRight reports whether an IBAN (letters and digits) has the check digits of
// ISO 13616 (ISO 7064, MOD 97-10) and, if Italian, its length. GPD does not
// look, so a wrong one is only warned of.
func ibanRight(iban string) bool {
	if len(iban) < 15 || len(iban) > 34 {
		return false
	}
	upper := func(b byte) byte {
		if b >= 'a' && b <= 'z' {
			return b - 'a' + 'A'
		}
		return b
	}
	if upper(iban[0]) == 'I' && upper(iban[1]) == 'T' && len(iban) != italianIBAN {
		return false
	}
	rest := 0
	for i := range len(iban) {
		switch b := upper(iban[(i+4)%len(iban)]); { // the country and check digits go last
		case b >= '0' && b <= '9':
			rest = (rest*10 + int(b-'0')) % 97
		case b >= 'A' && b <= 'Z':
			rest = (rest*100 + int(b-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

// wrongIBAN is the warning about an IBAN that is not right.
const wrongIBAN = "the check digits or the length of the IBAN are not right"
