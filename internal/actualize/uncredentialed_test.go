package actualize

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func TestAnOrganizationWithoutACredentialIsTroubleForTheLogAndOnRecord(t *testing.T) {
	for name, c := range map[string]struct {
		desk func(*testing.T, func(*positions.Policy)) *desk
		says string
	}{
		"for SEND":    {newDesk, "organization has no credential for SEND"},
		"for a relay": {relayDesk, "organization has no credential for its relay"},
	} {
		t.Run(name, func(t *testing.T) {
			d := c.desk(t, nil)
			d.answer(func(http.ResponseWriter, *http.Request) { t.Error("somebody was asked") })
			var log bytes.Buffer
			d.logger = slog.New(slog.NewTextHandler(&log, nil))
			o := d.org.Organization
			d.register(t, &o, positions.SecretDelivery) // and nothing else
			nav := d.position(t, 1, nil)
			for range 5 {
				q := d.quote(t, nav)
				if q.Source != positions.SourceNone || q.Send == nil || q.Send.Code != "NO_CREDENTIAL" || q.Send.RequestedAt.IsZero() || q.Send.Status != 0 {
					t.Fatalf("source %s, exchange %+v", q.Source, q.Send)
				}
			}
			if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=ERROR") || !strings.Contains(said, c.says) || !strings.Contains(said, "organization="+ente) {
				t.Errorf("the log says %s", said)
			}
			d.advance(time.Minute)
			d.quote(t, nav)
			if n := strings.Count(log.String(), "level=ERROR"); n != 2 {
				t.Errorf("after a minute it was told %d times", n)
			}
		})
	}
}

func TestAPriceThatIsNotHadIsLoggedOnceWithWhomWasAsked(t *testing.T) {
	for name, c := range map[string]struct {
		desk func(*testing.T, func(*positions.Policy)) *desk
		says string
	}{
		"SEND":    {newDesk, "no price from SEND, answering by policy"},
		"a relay": {relayDesk, "no price from its relay, answering by policy"},
	} {
		t.Run(name, func(t *testing.T) {
			d := c.desk(t, nil)
			d.answer(problem(403, ""))
			var log bytes.Buffer
			d.logger = slog.New(slog.NewTextHandler(&log, nil))
			d.quote(t, d.position(t, 1, nil))
			if said := log.String(); !strings.Contains(said, c.says) || strings.Count(said, "price of notice") != 1 {
				t.Errorf("the log says %s", said)
			}
		})
	}
}
