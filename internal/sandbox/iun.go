package sandbox

import (
	"math/rand/v2"
	"time"
)

// SEND draws the letters of an IUN from those that are hard to mistake.
const iunLetters = "ADEGHJKLMNPQRTUVWXYZ"

// newIUN draws an IUN for a notification sent at the given instant: three
// groups of four letters, year and month in UTC, a control letter and a
// version digit.
func newIUN(random *rand.Rand, sentAt time.Time) string {
	b := make([]byte, 0, 25)
	for group := range 3 {
		if group > 0 {
			b = append(b, '-')
		}
		for range 4 {
			b = append(b, iunLetters[random.IntN(len(iunLetters))])
		}
	}
	b = append(b, '-')
	b = sentAt.UTC().AppendFormat(b, "200601")
	return string(append(b, '-', controlLetter(b), '-', '1'))
}

// controlLetter adds the positions of the letters in the alphabet and the
// digits of the month, modulo 26.
func controlLetter(iun []byte) byte {
	sum := 0
	for _, c := range iun {
		switch {
		case c >= 'A' && c <= 'Z':
			sum += int(c-'A') + 1
		case c >= '0' && c <= '9':
			sum += int(c - '0')
		}
	}
	return byte('A' + sum%26)
}
