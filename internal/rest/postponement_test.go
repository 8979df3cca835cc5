package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAnOperatorGivesANoticeMoreTime(t *testing.T) {
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			h := openHouseOn(t, open).furnish(t)
			h.at(t, "2026-12-21T09:00:00Z")
			h.send.Store(sendAnswers(200, viewedIn2026))
			const nav = "301000000000000177"
			h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: ruledJSON("P-1", nav[1:], speedingParts, speeding)})
			if q := h.quote(t, nav, ""); *q.DueDate != "2026-12-28" {
				t.Fatalf("due on %s", *q.DueDate)
			}
			give := func(body string) call {
				return call{method: "PUT", path: base + "/notices/" + nav + "/postponement", key: "writer", body: `{"reason":"ricovero del debitore",` + body + `}`}
			}
			tagged := func(c call, tag string) call {
				c.header = http.Header{"If-Match": {tag}}
				return c
			}
			reader := give(`"to":"2031-02-15"`)
			reader.key = "reader"
			office := give(`"to":"2031-02-15"`)
			office.key = "segregated"
			nobody := give(`"to":"2031-02-15"`)
			nobody.path = strings.Replace(nobody.path, nav, "301000000000009999", 1)
			const five, sixty = `"term":{"anchor":"NOTIFICATION","days":5}`, `"term":{"anchor":"NOTIFICATION","days":60}`
			tag := func(c call) string {
				t.Helper()
				version, _, _ := strings.Cut(h.want(t, 200, c).header.Get("ETag"), "-")
				return version
			}
			h.play(t, []scenario{
				{"not to a day that is past", give(five + `,"to":"2026-12-20"`), 400, []string{`"/to"`}, nil},
				{"not to what is no day", give(five + `,"to":"10/01/2027"`), 400, []string{`"/to"`}, nil},
				{"not to an instant", give(five + `,"to":"2027-01-10T00:00:00Z"`), 400, []string{`"/to"`}, nil},
				{"not for ever", give(five + `,"to":"9999-12-31"`), 400, []string{`"/to"`}, nil},
				{"a term without its new end", give(five), 400, []string{`"/to"`}, nil},
				{"not a due date to nothing", give(`"to":null`), 400, []string{`"/to"`}, nil},
				{"not a due date to an earlier day", give(`"to":"2031-01-30"`), 400, []string{`"/to"`, "2031-01-31"}, nil},
				{"a term that no rule has", give(`"term":{"anchor":"NOTIFICATION","days":6},"to":"2027-01-10"`), 422, []string{`"/term"`, "5 days after NOTIFICATION, 60 days after NOTIFICATION"}, nil},
				{"a term without a unit", give(`"term":{"anchor":"NOTIFICATION"},"to":"2027-01-10"`), 400, []string{`"/term"`}, nil},
				{"a term of two", give(`"term":{"anchor":"NOTIFICATION","days":5,"months":1},"to":"2027-01-10"`), 400, []string{`"/term"`}, nil},
				{"a term below zero", give(`"term":{"anchor":"NOTIFICATION","days":-5},"to":"2027-01-10"`), 400, []string{`"/term/days"`}, nil},
				{"a term without end", give(`"term":{"anchor":"NOTIFICATION","months":99999999},"to":"2027-01-10"`), 400, []string{`"/term/months"`}, nil},
				{"a term of nothing", give(`"term":{"days":5},"to":"2027-01-10"`), 400, []string{`"/term/anchor"`}, nil},
				{"a date without its anchor", give(`"term":{"anchor":"NOTIFICATION","date":"2026-12-20","days":5},"to":"2027-01-10"`), 400, []string{`"/term/date"`}, nil},
				{"an anchor without its date", give(`"term":{"anchor":"DATE","days":5},"to":"2027-01-10"`), 400, []string{`"/term/date"`}, nil},
				{"a roll, which the rule has already", give(`"term":{"anchor":"NOTIFICATION","days":5,"roll":"NEXT_WORKING_DAY"},"to":"2027-01-10"`), 400, []string{`"/term/roll"`}, nil},
				{"a member that nobody knows", give(five + `,"to":"2027-01-10","untill":1`), 400, []string{`"/untill"`}, nil},
				{"without a reason", call{method: "PUT", path: give("").path, key: "writer", body: `{"to":"2031-02-15"}`}, 400, []string{`"/reason"`}, nil},
				{"everything wrong at once", call{method: "PUT", path: give("").path, key: "writer", body: `{"reason":" ","term":{"anchor":"X","days":"5"},"to":5}`}, 400, []string{`"/reason"`, `"/term/anchor"`, `"/term/days"`, `"/to"`}, nil},
				{"by who may only read", reader, 403, nil, nil},
				{"by another office", office, 404, nil, nil},
				{"of a notice of nobody", nobody, 404, nil, nil},
				{"with a stale tag", tagged(give(five+`,"to":"2027-01-10"`), `"7"`), 412, nil, nil},
				{"with the tag that was read", tagged(give(five+`,"to":"2027-01-10"`), `"1"`), 200, []string{`"amount":14320`, `"iupd":"P-1"`}, nil},
			})
			q := h.quote(t, nav, "2027-01-10T22:59:59Z")
			if q.Amount != 14320 || *q.DueDate != "2027-01-10" {
				t.Errorf("on the last day: %d, due on %s", q.Amount, *q.DueDate)
			}
			if q = h.quote(t, nav, "2027-01-10T23:00:00Z"); q.Amount != 19510 || *q.DueDate != "2027-02-18" {
				t.Errorf("on the day after: %d, due on %s", q.Amount, *q.DueDate)
			}
			if q = h.quote(t, nav, ""); !q.ChangesAt[0].Equal(time.Date(2027, 1, 10, 23, 0, 0, 0, time.UTC)) {
				t.Errorf("it changes at %v", q.ChangesAt)
			}
			if got := tag(give(five + `,"to":"2027-01-10"`)); got != `"2` {
				t.Errorf("doing it again made version %s", got)
			}
			if got := tag(give(sixty + `,"to":"2027-03-31"`)); got != `"3` {
				t.Errorf("another term made version %s", got)
			}
			if q = h.quote(t, nav, "2027-03-31T21:59:59Z"); q.Amount != 19510 {
				t.Errorf("what begins after the term has not moved: %d", q.Amount)
			}
			if q = h.quote(t, nav, "2027-03-31T22:00:00Z"); q.Amount != 36810 {
				t.Errorf("what begins after the term does not: %d", q.Amount)
			}
			kept := h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1", key: "writer"})
			without := strings.ReplaceAll(string(kept.body), `"amount":19510`, `"amount":18800`) // the fee, which a request never contains
			if got := tag(call{method: "PUT", path: base + "/debtpositions/P-1?toPublish=true", key: "writer", body: without}); got != `"4` {
				t.Errorf("replaced by what was read it is version %s", got)
			}
			if q = h.quote(t, nav, "2027-03-31T21:59:59Z"); q.Amount != 19510 {
				t.Errorf("a replacement by what was read lost the postponement: %d", q.Amount)
			}
			for range 2 { // twice is once
				if got := tag(give(five + `,"to":null`)); got != `"5` {
					t.Errorf("taken back it is version %s", got)
				}
			}
			if q = h.quote(t, nav, "2027-01-10T12:00:00Z"); q.Amount != 19510 {
				t.Errorf("taken back, it is still postponed: %d", q.Amount)
			}
			if got := tag(give(`"to":"2031-02-15"`)); got != `"6` {
				t.Errorf("another due date made version %s", got)
			}

			var history VersionList
			must(t, json.Unmarshal(h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1/versions", key: "reader"}).body, &history))
			for version, want := range map[int64]string{
				2: `/paymentOption/0/amountRules/0/until/postponedTo:>"2027-01-10" `,
				3: `/paymentOption/0/amountRules/1/after/postponedTo:>"2027-03-31" /paymentOption/0/amountRules/2/after/postponedTo:>"2027-03-31" `,
				5: `/paymentOption/0/amountRules/0/until/postponedTo:"2027-01-10"> `,
				6: `/paymentOption/0/dueDate:"2031-01-31T10:00:00Z">"2031-02-15T22:59:59Z" `,
			} {
				v := history.Versions[6-version]
				var changes strings.Builder
				for _, c := range v.Changes {
					changes.WriteString(c.Pointer + ":" + string(c.Before) + ">" + string(c.After) + " ")
				}
				if v.Version != version || v.Action != "POSTPONE" || v.Reason == nil || *v.Reason != "ricovero del debitore" || changes.String() != want {
					t.Errorf("version %d is %s, %s; want %s", v.Version, v.Action, changes.String(), want)
				}
			}
			h.play(t, []scenario{
				{"it is withdrawn", call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}, 200, nil, nil},
				{"then it has no term to extend", give(five + `,"to":"2027-01-10"`), 409, []string{"status INVALID", "cannot be given more time"}, nil},
			})
		})
	}
}
