package rest

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryAdministrativeActIsOnRecordWhoeverTriedIt(t *testing.T) {
	var log lockedBuffer
	h := openHouseOn(t, stores["sqlite"], func(c *Config) { c.Audit = slog.New(slog.NewJSONHandler(&log, nil)) }).furnish(t)
	before := len(log.String())
	h.want(t, 200, call{method: "PUT", path: base, key: "admin", body: organizationJSON})
	h.want(t, 401, call{method: "PUT", path: base, body: organizationJSON})
	h.want(t, 403, call{method: "PUT", path: base, key: "writer", body: organizationJSON})
	h.want(t, 400, call{method: "PUT", path: base, key: "admin", body: `{"companyName":"Luca Verdi"}`})
	h.want(t, 200, call{method: "GET", path: base, key: "admin"})
	h.create(t) // the versions tell of these
	type act struct{ Act, By, Organization string }
	var got []act
	for line := range strings.Lines(log.String()[before:]) {
		var told struct {
			act
			Status        int
			From, Request string
		}
		must(t, json.Unmarshal([]byte(line), &told))
		if told.From != "127.0.0.1" || told.Request == "" || told.Status == 0 {
			t.Errorf("%s", line)
		}
		if told.By != operatorName && told.By != "nobody" {
			told.By = "a key"
		}
		got = append(got, told.act)
	}
	want := []act{{"PutOrganization", operatorName, ente}, {"PutOrganization", "nobody", ente}, {"PutOrganization", "a key", ente}, {"PutOrganization", operatorName, ente}}
	for i := range got {
		if i < len(want) {
			want[i].Act = got[0].Act // as the document names it
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("on record is (-want +got):\n%s", diff)
	}
	if strings.Contains(log.String(), "Verdi") || strings.Contains(log.String(), adminKey) {
		t.Error("what was in a body, or a key, is on record")
	}
}
