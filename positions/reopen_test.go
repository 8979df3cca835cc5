package positions_test

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func TestWhatAPriceIsWorthAfterSomethingHappened(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		asked, fetched time.Time
		reopened       []time.Time
		outdated       bool
		since          time.Time
	}{
		"nothing happened":                           {fetched: noon, reopened: []time.Time{{}}},
		"it was asked for afterwards":                {asked: noon, fetched: noon.Add(time.Second), reopened: []time.Time{noon.Add(-1)}, since: noon.Add(-1)},
		"it was asked for at that instant":           {asked: noon, fetched: noon.Add(time.Second), reopened: []time.Time{noon}, outdated: true, since: noon},
		"it was under way":                           {asked: noon, fetched: noon.Add(time.Second), reopened: []time.Time{noon.Add(1)}, outdated: true, since: noon.Add(1)},
		"nobody knows when it was asked for":         {fetched: noon, reopened: []time.Time{noon.Add(1)}, outdated: true, since: noon.Add(1)},
		"an older event comes late, and changes not": {fetched: noon, reopened: []time.Time{noon.Add(5), noon.Add(1)}, outdated: true, since: noon.Add(5)},
	} {
		t.Run(name, func(t *testing.T) {
			p := positions.Price{AskedAt: c.asked, FetchedAt: c.fetched, Final: true}
			for _, at := range c.reopened {
				p.Reopen(at)
			}
			if p.Outdated() != c.outdated || p.Final == c.outdated || !p.StaleSince.Equal(c.since) {
				t.Fatalf("%+v", p)
			}
		})
	}
}
