package rest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/internal/telemetry"
)

// metered opens a house whose metrics can be read as Prometheus would.
func metered(t *testing.T) (h *house, scrape func() string) {
	t.Helper()
	m, err := telemetry.NewMetrics(telemetry.Environment{})
	must(t, err)
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	h = openHouse(t, func(c *Config) { c.Meter = m.Meter() }).furnish(t)
	server := httptest.NewServer(m.Handler())
	t.Cleanup(server.Close)
	return h, func() string {
		t.Helper()
		response, err := http.Get(server.URL)
		must(t, err)
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		must(t, err)
		return string(page)
	}
}

func TestRequestsAreCountedByTheirRouteAndNeverByTheirPath(t *testing.T) {
	h, scrape := metered(t)
	h.create(t)
	h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"})
	head, err := http.NewRequestWithContext(t.Context(), http.MethodHead, h.url+base+"/debtpositions/P-1", nil)
	must(t, err)
	head.Header.Set("X-Api-Key", h.keys["reader"])
	answered, err := http.DefaultClient.Do(head)
	must(t, err)
	_ = answered.Body.Close()
	h.want(t, 404, call{method: "GET", path: base + "/debtpositions/RSSMRA80A01H501U", key: "reader"})
	h.want(t, 401, call{method: "GET", path: base + "/debtpositions/P-1"})
	for _, path := range []string{"/RSSMRA80A01H501U", "/v1/organizations/" + ente + "/nowhere", "/admin.php"} {
		h.do(t, call{method: "GET", path: path, lenient: true})
	}
	h.do(t, call{method: "RSSMRA80A01H501U", path: base, lenient: true})
	page := scrape()
	const route = `route="/v1/organizations/:organizationFiscalCode/debtpositions/:iupd",status=`
	for _, line := range []string{
		`attualizza_rest_requests_total{method="GET",` + route + `"200"} 2`,
		`attualizza_rest_requests_total{method="GET",` + route + `"404"} 1`,
		`attualizza_rest_requests_total{method="GET",` + route + `"401"} 1`,
		`attualizza_rest_requests_total{method="GET",route="unmatched",status="404"} 3`,
		`attualizza_rest_requests_total{method="OTHER",route="unmatched",status="405"} 1`,
		`attualizza_rest_request_duration_seconds_count{method="GET",route="/v1/organizations/:organizationFiscalCode/debtpositions/:iupd"} 4`,
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("the metrics do not say %s", line)
		}
	}
	if strings.Contains(page, "RSSMRA") || strings.Contains(page, "admin.php") {
		t.Error("what a caller wrote is in the metrics")
	}
}

func TestWhatIsRefusedIsCountedByTheOrganizationOfARightKey(t *testing.T) {
	h, scrape := metered(t)
	h.create(t)
	h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"})
	for range 2 {
		h.want(t, 404, call{method: "GET", path: base + "/debtpositions/P-2", key: "reader"})
	}
	h.want(t, 403, call{method: "POST", path: base + "/debtpositions", key: "reader", body: positionJSON("P-3", optionNAV[1:])})
	h.want(t, 404, call{method: "GET", path: "/v1/organizations/" + other + "/debtpositions/P-1", key: "reader"}) // not the other's doing
	h.want(t, 401, call{method: "GET", path: base + "/debtpositions/P-1"})                                        // anybody's
	h.want(t, 404, call{method: "GET", path: "/v1/organizations/01234567890", key: "admin"})
	h.do(t, call{method: "GET", path: "/v1/organizations/" + ente + "/nowhere", lenient: true})
	page := scrape()
	for _, line := range []string{
		`attualizza_rest_refused_total{organization="` + ente + `",status="404"} 3`,
		`attualizza_rest_refused_total{organization="` + ente + `",status="403"} 1`,
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("the metrics do not say %s", line)
		}
	}
	if n := strings.Count(page, "\nattualizza_rest_refused_total{"); n != 2 {
		t.Errorf("%d series, 2 are of a key that was right:\n%s", n, page)
	}
}

func TestChangesOfPositionsAreCountedOnceTheyAreStored(t *testing.T) {
	h, scrape := metered(t)
	const changes = "\nattualizza_position_changes_total{event="
	if page := scrape(); !strings.Contains(page, changes+`"created"} 0`) || !strings.Contains(page, changes+`"paid_outside"} 0`) {
		t.Error("the changes are not at zero at first")
	}
	draft := call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", optionNAV[1:])}
	h.want(t, 201, draft)
	h.want(t, 409, draft)
	at := base + "/debtpositions/P-1"
	h.want(t, 200, call{method: "POST", path: at + "/publish", key: "writer"})
	h.want(t, 200, call{method: "POST", path: at + "/block", key: "writer", body: `{"reason":"verifica"}`})
	h.want(t, 200, call{method: "POST", path: at + "/unblock", key: "writer", body: `{"reason":"verifica"}`})
	h.want(t, 409, call{method: "POST", path: at + "/publish", key: "writer"})
	h.want(t, 200, call{method: "POST", path: at + "/invalidate", key: "writer"})
	page := scrape()
	for event, n := range map[string]string{"created": "1", "published": "1", "blocked": "1", "unblocked": "1", "invalidated": "1", "paid": "0", "deleted": "0"} {
		if !strings.Contains(page, changes+`"`+event+`"} `+n+"\n") {
			t.Errorf("%s is not %s", event, n)
		}
	}
}

func TestEveryActionOfTheAPIHasANameInTheMetric(t *testing.T) {
	for _, action := range []string{actionCreate, actionPublish, actionInvalidate, actionPay, actionPaidOutside, actionReplace, actionDelete, actionIBAN} {
		if eventNames[action] == "" {
			t.Errorf("%s is not counted", action)
		}
	}
	seen := map[string]bool{}
	for _, name := range eventNames {
		if seen[name] {
			t.Errorf("%s stands for two actions", name)
		}
		seen[name] = true
	}
}
