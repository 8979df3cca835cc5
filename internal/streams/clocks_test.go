package streams

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// Three replicas, each with a clock of its own: one asks what a notice costs, then a
// letter leaves, one reads the event, and one carries it out.
func TestReplicasWhoseClocksDifferBySecondsLearnTheNewPrice(t *testing.T) {
	const most = 4 * time.Second
	for _, asker := range []time.Duration{-most, 0, most} {
		for _, leader := range []time.Duration{-most, 0, 300 * time.Millisecond, most} {
			t.Run(fmt.Sprintf("who asked is %s ahead, who leads %s", asker, leader), func(t *testing.T) {
				t.Parallel()
				c := onSQLite(t)
				nav := c.owes(comune, 1)
				iun := c.notify(pays(comune, nav))
				c.do(iun, accept)
				first, worker := c.replica(), c.replica()
				first.ahead.Store(int64(asker))
				worker.terms.skew = usual.skew
				org, _ := c.registry.Organization(comune)
				if _, err := first.prices.Quote(t.Context(), org, nav); err != nil {
					t.Fatal(err)
				}
				c.do(iun, letter)
				event := Event{Organization: comune, ID: "1", Category: "SEND_ANALOG_DOMICILE", IUN: iun, ArrivedAt: time.Now().Add(leader)}
				c.eventually("the event is carried out", func() bool {
					err := worker.Handle(t.Context(), event)
					if err != nil && !errors.Is(err, errClockBehind) {
						t.Fatal(err)
					}
					if err != nil {
						time.Sleep(500 * time.Millisecond)
					}
					return err == nil
				})
				p := c.price(comune, nav)
				if p.TotalPrice != 1382 || p.Outdated() {
					t.Fatalf("the price is %+v", p)
				}
				worker.activates(comune, nav, positions.SourceCache, 1382)
				c.replica().activates(comune, nav, positions.SourceCache, 1382)
			})
		}
	}
}
