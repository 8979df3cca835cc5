package positions

import "fmt"

// NoticeNumber is the numero avviso (NAV), 18 digits whose first, the aux
// digit, tells the layout of the rest. Source: SANP, "Numero avviso e IUV"
// (SACI rules):
//
//	aux  layout                                          IUV
//	0    0 + application code(2) + base(13) + check(2)   the last 15 digits
//	1    1 + base(17)                                    the last 17
//	2    2 + base(15) + check(2)                         the last 17
//	3    3 + segregation code(2) + base(13) + check(2)   the last 17
type NoticeNumber string

// ProbeNotice is the notice number by which pagoPA's stand-in manager probes a
// station. It never names a debt; it must be answered as unknown without
// touching the store or SEND.
const ProbeNotice NoticeNumber = "000000000000000000"

// ParseNoticeNumber accepts 18 ASCII digits with an aux digit from 0 to 3.
// Check digits are not verified: SANP makes that optional and almost no test
// notice of pagoPA has right ones.
func ParseNoticeNumber(s string) (NoticeNumber, error) {
	if err := mustBeDigits("a notice number", s, 18); err != nil {
		return "", err
	}
	if s[0] > '3' {
		return "", fmt.Errorf("aux digit %c is not one of 0, 1, 2, 3", s[0])
	}
	return NoticeNumber(s), nil
}

// NoticeFromIUV returns the notice number of a creditor reference, as GPD does:
// aux digit 3 in front of 17 digits.
func NoticeFromIUV(iuv string) (NoticeNumber, error) {
	if err := mustBeDigits("an IUV that becomes a notice number", iuv, 17); err != nil {
		return "", err
	}
	return NoticeNumber("3" + iuv), nil
}

// NewNoticeNumber builds the notice number of aux digit 3 for a segregation
// code (0 to 99) and a base (0 to 9999999999999), with its check digits.
func NewNoticeNumber(segregationCode int, base int64) (NoticeNumber, error) {
	if segregationCode < 0 || segregationCode > 99 || base < 0 || base > 9_999_999_999_999 {
		return "", fmt.Errorf("segregation code %d or base %d out of range", segregationCode, base)
	}
	n := NoticeNumber(fmt.Sprintf("3%02d%013d00", segregationCode, base))
	return n[:16] + NoticeNumber(n.CheckDigits()), nil
}

// AuxDigit returns the first digit, '0' to '3'.
func (n NoticeNumber) AuxDigit() byte { return n[0] }

// IUV returns the creditor reference (creditorReferenceId) of the notice.
func (n NoticeNumber) IUV() string {
	if n[0] == '0' {
		return string(n[3:])
	}
	return string(n[1:])
}

// SegregationCode returns the two digits after aux digit 3, which tell one
// debt-position system of an organization from another, or "" for the others.
func (n NoticeNumber) SegregationCode() string {
	if n[0] != '3' {
		return ""
	}
	return string(n[1:3])
}

// CheckDigits returns the two digits that the layout asks for: the first 16
// digits modulo 93. Aux digit 1 has none: "".
func (n NoticeNumber) CheckDigits() string {
	if n[0] == '1' {
		return ""
	}
	var v uint64 // 16 digits fit
	for i := range 16 {
		v = v*10 + uint64(n[i]-'0')
	}
	return fmt.Sprintf("%02d", v%93)
}

// CheckDigitsRight reports whether the notice ends with the digits that
// [NoticeNumber.CheckDigits] computes. It is a hint for a warning, never a
// reason to refuse.
func (n NoticeNumber) CheckDigitsRight() bool {
	return n[0] == '1' || n.CheckDigits() == string(n[16:])
}

func mustBeDigits(what, s string, count int) error {
	switch {
	case len(s) != count:
		return fmt.Errorf("%s is %d digits, this is %d characters", what, count, len(s))
	case !digits(s):
		return fmt.Errorf("%s is %d digits, this has other characters", what, count)
	}
	return nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
