package deliveries

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatIsKeptOfAnErrorCanBeStoredAndShown(t *testing.T) {
	for given, want := range map[string]string{
		"the connection was refused": "the connection was refused",
		"a\x00b\nc\x1b[31m":          "a b c [31m",
		"not \xff UTF-8":             "not   UTF-8",
		"è già così":                 "è già così",
	} {
		if got := plain(given); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
	}
	if got := plain(strings.Repeat("è", 20_000)); utf8.RuneCountInString(got) != maxError {
		t.Errorf("%d characters are kept", utf8.RuneCountInString(got))
	}
}
