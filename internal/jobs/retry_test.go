package jobs

import (
	"testing"
	"time"
)

func TestPausesBeginShortAndGrowToAnHour(t *testing.T) {
	for attempts, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 5 * time.Second, 3: 30 * time.Second, 4: 2 * time.Minute,
		5: 10 * time.Minute, 6: 30 * time.Minute, 7: time.Hour, 8: time.Hour, 500: time.Hour,
	} {
		for range 20 {
			if got := Pause(attempts); got < want || got >= want+want/10 {
				t.Errorf("after %d attempts: %v, want %v and less than a tenth more", attempts, got, want)
			}
		}
	}
}
