package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func TestSetNoticeAmount(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav, single = "301000000000000177", "301000000000000278"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])})
	one := strings.Replace(positionJSON("P-2", single[1:]), `{"idTransfer": "1", "amount": 2000, "organizationFiscalCode": "88888888888", "remittanceInformation": "quota", "category": "9/0101100IM/", "iban": "IT60X0542811101000000123456"},`, "", 1)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: strings.Replace(one, `"amount": 12000`, `"amount": 10000`, 1)})
	set := func(nav, body string) call {
		return call{method: "PUT", path: base + "/notices/" + nav + "/amount", key: "writer", body: body}
	}
	tagged := func(c call, tag string) call {
		c.header = http.Header{"If-Match": {tag}}
		return c
	}
	two := func(amount, first, second int) string {
		return fmt.Sprintf(`{"amount":%d,"reason":"ricalcolo","transfers":[{"idTransfer":"1","amount":%d},{"idTransfer":"2","amount":%d}]}`, amount, first, second)
	}
	h.play(t, []scenario{
		{"one transfer takes the amount", set(single, `{"amount":9000,"reason":"sconto"}`), 200, []string{`"amount":9000`, `"iupd":"P-2"`, `"payable":true`}, nil},
		{"it is what is stored", call{method: "GET", path: base + "/debtpositions/P-2", key: "reader"}, 200, []string{`"amount":9000`}, []string{`"amount":10000`}},
		{"several are named", set(nav, `{"amount":9000,"reason":"sconto"}`), 400, []string{`"/transfers"`, "transfer 1", "transfer 2"}, nil},
		{"all of them", set(nav, `{"amount":9000,"reason":"x","transfers":[{"idTransfer":"2","amount":9000}]}`), 400, []string{`"/transfers"`, "transfer 1"}, []string{"transfer 2"}},
		{"they add up", set(nav, two(9000, 4000, 4000)), 400, []string{`"/amount"`, "8000"}, nil},
		{"they exist", set(nav, strings.Replace(two(9000, 4000, 5000), `"idTransfer":"2"`, `"idTransfer":"7"`, 1)), 400, []string{`"/transfers/1/idTransfer"`}, nil},
		{"no more than five", set(nav, `{"amount":6,"reason":"x","transfers":[`+strings.Repeat(`{"idTransfer":"1","amount":1},`, 5)+`{"idTransfer":"2","amount":1}]}`), 400, []string{`"/transfers"`, "6"}, nil},
		{"everything wrong is told at once", set(nav, `{"amount":0,"reason":"","transfers":[{"idTransfer":1}]}`), 400, []string{`"/amount"`, `"/reason"`, `"/transfers/0/idTransfer"`, `"/transfers/0/amount"`}, nil},
		{"a reason is needed", set(nav, `{"amount":1}`), 400, []string{`"/reason"`}, nil},
		{"an unknown member is not ignored", set(nav, `{"amount":1,"reason":"x","effectiveFrom":"2030-01-01"}`), 400, []string{`"/effectiveFrom"`}, nil},
		{"a component that is not there is not ignored", set(single, `{"amount":9000,"reason":"x","components":[{"code":"FINE","amount":9000}]}`), 400, []string{`"/components/0/code"`}, nil},
		{"a notice of nobody", set("301000000000009999", `{"amount":1,"reason":"x"}`), 404, nil, nil},
		{"a notice of another office", call{method: "PUT", path: base + "/notices/" + nav + "/amount", key: "segregated", body: `{"amount":1,"reason":"x"}`}, 404, nil, nil},
		{"no notice number", set("123", `{"amount":1,"reason":"x"}`), 400, []string{`"pointer":"nav"`}, nil},
		{"a stale tag", tagged(set(nav, two(9000, 4000, 5000)), `"7"`), 412, nil, nil},
		{"the tag that was read", tagged(set(nav, two(9000, 4000, 5000)), `"1"`), 200, []string{`"amount":9000`}, nil},
	})
	tag := func(c call) string { return h.want(t, 200, c).header.Get("ETag") }
	if got := tag(set(nav, two(9000, 4000, 5000))); !strings.HasPrefix(got, `"2-`) {
		t.Errorf("setting what is there made version %s", got)
	}
	if got := tag(call{method: "GET", path: base + "/notices/" + nav, key: "reader"}); !strings.HasPrefix(got, `"2-`) {
		t.Errorf("the notice's ETag is %s", got)
	}
	if got := tag(set(nav, two(9001, 4001, 5000))); !strings.HasPrefix(got, `"3-`) {
		t.Errorf("setting another amount made version %s", got)
	}
	must(t, h.store.SavePrice(t.Context(), ente, nav, &positions.Price{TotalPrice: 710, FetchedAt: h.now()}))
	h.play(t, []scenario{
		{"the answer contains the fee, the amount set does not", set(nav, two(9001, 4001, 5000)), 200, []string{`"amount":9711`, `"notificationFee":710`}, nil},
		{"it is withdrawn", call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}, 200, nil, nil},
		{"then it has no amount to set", set(nav, two(2, 1, 1)), 409, []string{"status INVALID", "it can be reopened, deleted"}, nil},
	})
	if n := h.sendCalls.Load(); n != 0 {
		t.Errorf("SEND was asked %d times", n)
	}
}

// TestSixtyFourClientsShareOnePosition lets clients read a position and change
// it with the tag they read, each until it did so once: every version is one
// client's, and none is lost.
func TestSixtyFourClientsShareOnePosition(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) { sixtyFourClients(t, open) })
	}
}

func sixtyFourClients(t *testing.T, open func(*testing.T) positions.Store) {
	const clients = 64
	h := openHouseOn(t, open, func(c *Config) { c.RateLimit, c.Timeout = 1e6, time.Minute }).furnish(t)
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])})
	var stale atomic.Int64
	var mu sync.Mutex
	winners := map[string][]int{} // by the version that was changed
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for {
				a := h.do(t, call{method: "GET", path: base + "/debtpositions/P-1", key: "writer"})
				tag := a.header.Get("ETag")
				var p PaymentPosition
				if err := json.Unmarshal(a.body, &p); err != nil {
					t.Error(err)
					return
				}
				c := call{key: "writer", header: http.Header{"If-Match": {tag}}}
				if client%2 == 0 {
					c.method, c.path = "PUT", base+"/notices/"+nav+"/amount"
					c.body = fmt.Sprintf(`{"amount":%d,"reason":"client %d","transfers":[{"idTransfer":"1","amount":1},{"idTransfer":"2","amount":%d}]}`, 1000+client, client, 999+client)
				} else {
					c.method, c.path, c.body = "POST", base+"/debtpositions/P-1/block", fmt.Sprintf(`{"reason":"client %d"}`, client)
					if p.Lifecycle == positions.Blocked {
						c.path = base + "/debtpositions/P-1/unblock"
					}
				}
				switch a := h.do(t, c); a.status {
				case 200:
					mu.Lock()
					version, _, _ := strings.Cut(strings.Trim(tag, `"`), "-")
					winners[version] = append(winners[version], client)
					mu.Unlock()
					return
				case 412:
					stale.Add(1)
				default:
					t.Errorf("client %d: %d %s", client, a.status, a.body)
					return
				}
			}
		})
	}
	group.Wait()
	p, err := h.store.Position(t.Context(), ente, "P-1")
	must(t, err)
	if p.Version != 1+clients || len(winners) != clients {
		t.Fatalf("version %d, %d of them changed", p.Version, len(winners))
	}
	history, err := h.store.Versions(t.Context(), ente, "P-1")
	must(t, err)
	for _, v := range history[:clients] {
		won := winners[fmt.Sprint(v.Version-1)]
		if len(won) != 1 || v.Reason != fmt.Sprint("client ", won[0]) {
			t.Errorf("version %d is of %q; clients %v were told so", v.Version, v.Reason, won)
		}
	}
	t.Logf("%d changes, %d refused as stale", clients, stale.Load())
}

// TestWritersWithoutATagAreToldTheTruth lets clients change one position without
// saying which version they saw: each is carried out, or told to try again.
func TestWritersWithoutATagAreToldTheTruth(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			h := openHouseOn(t, open, func(c *Config) { c.RateLimit = 1e6 }).furnish(t)
			const clients, nav = 64, "301000000000000177"
			h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", nav[1:])})
			var done, put atomic.Int64
			var group sync.WaitGroup
			for client := range clients {
				group.Go(func() {
					body := fmt.Sprintf(`{"amount":%d,"reason":"client","transfers":[{"idTransfer":"1","amount":1},{"idTransfer":"2","amount":%d}]}`, 1000+client, 999+client)
					switch a := h.do(t, call{method: "PUT", path: base + "/notices/" + nav + "/amount", key: "writer", body: body}); {
					case a.status == 200:
						done.Add(1)
					case a.status == 409 && strings.Contains(string(a.body), "TRY_AGAIN"):
						put.Add(1)
					default:
						t.Errorf("%d %s", a.status, a.body)
					}
				})
			}
			group.Wait()
			p, err := h.store.Position(t.Context(), ente, "P-1")
			must(t, err)
			if p.Version != 1+done.Load() {
				t.Errorf("version %d after %d changes", p.Version, done.Load())
			}
			t.Logf("%d carried out, %d put off", done.Load(), put.Load())
		})
	}
}
