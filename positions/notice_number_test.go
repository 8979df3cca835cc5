package positions

import (
	"strings"
	"testing"
)

// The vectors follow from the rule cd = first 16 digits mod 93 (SACI).
func TestNoticeNumberDerivesIUVAndCheckDigits(t *testing.T) {
	for _, c := range []struct {
		nav, iuv, segregation, check string
		right                        bool
	}{
		{"300000000000000104", "00000000000000104", "00", "04", true},
		{"347000000000000124", "47000000000000124", "47", "24", true},
		{"301123456789012316", "01123456789012316", "01", "16", true},
		{"001123456789012313", "123456789012313", "", "13", true},
		{"212345678901234544", "12345678901234544", "", "44", true},
		{"123456789012345678", "23456789012345678", "", "", true},
		{"347164993070184562", "47164993070184562", "47", "62", true},
		{"302000000000000000", "02000000000000000", "02", "83", false},
	} {
		n, err := ParseNoticeNumber(c.nav)
		if err != nil {
			t.Errorf("%s: %v", c.nav, err)
			continue
		}
		if n.IUV() != c.iuv || n.SegregationCode() != c.segregation || n.CheckDigits() != c.check || n.CheckDigitsRight() != c.right {
			t.Errorf("%s: IUV %s, segregation %q, check %q, right %v; want %s, %q, %q, %v",
				c.nav, n.IUV(), n.SegregationCode(), n.CheckDigits(), n.CheckDigitsRight(), c.iuv, c.segregation, c.check, c.right)
		}
	}
}

func TestNewNoticeNumberEndsWithItsCheckDigits(t *testing.T) {
	for want, in := range map[NoticeNumber]struct {
		seg  int
		base int64
	}{
		"300000000000000104": {0, 1},
		"347000000000000124": {47, 1},
		"301123456789012316": {1, 1234567890123},
	} {
		if got, err := NewNoticeNumber(in.seg, in.base); err != nil || got != want {
			t.Errorf("NewNoticeNumber(%d, %d) = %s, %v; want %s", in.seg, in.base, got, err, want)
		}
	}
	for _, in := range []struct {
		seg  int
		base int64
	}{{100, 1}, {-1, 1}, {1, -1}, {1, 10_000_000_000_000}} {
		if got, err := NewNoticeNumber(in.seg, in.base); err == nil {
			t.Errorf("NewNoticeNumber(%d, %d) = %s, want a refusal", in.seg, in.base, got)
		}
	}
}

func TestNoticeFromIUVPutsAuxDigitThreeInFront(t *testing.T) {
	if got, err := NoticeFromIUV("47000000000000124"); err != nil || got != "347000000000000124" {
		t.Errorf("got %s, %v", got, err)
	}
	for _, in := range []string{"", "123456789012313", "4700000000000012x", "470000000000001244"} {
		if got, err := NoticeFromIUV(in); err == nil {
			t.Errorf("NoticeFromIUV(%q) = %s, want a refusal", in, got)
		}
	}
}

func FuzzParseNoticeNumber(f *testing.F) {
	for _, s := range []string{"300000000000000104", "001123456789012313", "000000000000000000", "", "4", "３００００００", "30000000000000010\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNoticeNumber(s)
		if err != nil {
			return
		}
		if string(n) != s || len(s) != 18 {
			t.Fatalf("%q was read as %q", s, n)
		}
		iuv := n.IUV()
		if want := map[bool]int{true: 15, false: 17}[n.AuxDigit() == '0']; len(iuv) != want {
			t.Fatalf("%s has IUV %s of %d digits", n, iuv, len(iuv))
		}
		if n.AuxDigit() == '3' {
			if back, err := NoticeFromIUV(iuv); err != nil || back != n {
				t.Fatalf("%s became %s, %v", n, back, err)
			}
		}
		fixed := n
		if cd := n.CheckDigits(); cd != "" {
			fixed = n[:16] + NoticeNumber(cd)
		}
		if !fixed.CheckDigitsRight() {
			t.Fatalf("%s does not hold its own check digits", fixed)
		}
	})
}

func TestARefusedNumberSaysWhatIsWrongWithIt(t *testing.T) {
	for number, want := range map[string]string{
		"30200000000000000":  "17 characters",
		"30200000000000000x": "other characters",
		"３02000000000000000": "20 characters",
		"402000000000000000": "aux digit 4",
	} {
		if _, err := ParseNoticeNumber(number); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("notice number %q: %v, want a word of %s", number, err, want)
		}
	}
	for iuv, want := range map[string]string{"0200000000000000": "16 characters", "RF020000000000000": "other characters"} {
		if _, err := NoticeFromIUV(iuv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("IUV %q: %v, want a word of %s", iuv, err, want)
		}
	}
}
