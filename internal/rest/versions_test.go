package rest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/positions"
)

func TestVersionsTellWhoWhenWhyAndWhat(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	path := base + "/debtpositions/P-1"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", nav[1:])})
	h.want(t, 200, call{method: "POST", path: path + "/publish", key: "writer"})
	h.want(t, 200, call{method: "PUT", path: base + "/notices/" + nav + "/amount", key: "writer", body: `{"amount":13000,"reason":"sanzione","transfers":[{"idTransfer":"2","amount":11000},{"idTransfer":"1","amount":2000}]}`})
	must(t, h.store.SavePrice(t.Context(), ente, nav, &positions.Price{TotalPrice: 710, FetchedAt: h.now()}))
	h.want(t, 200, call{method: "POST", path: path + "/block", key: "writer", body: `{"reason":"ricorso"}`})
	id, _, _ := strings.Cut(h.keys["writer"], ".")
	read := func(path, key string, status int) answer {
		return h.want(t, status, call{method: "GET", path: path, key: key})
	}
	var list VersionList
	must(t, json.Unmarshal(read(path+"/versions", "reader", 200).body, &list))
	told := func(v Version) string {
		s := fmt.Sprintf("%d %s %s %s %s/%s", v.Version, v.Action, v.Actor.Kind, *v.Actor.ID, v.Status, v.Lifecycle)
		if v.Reason != nil {
			s += " " + *v.Reason
		}
		for _, c := range v.Changes {
			if c.Pointer != "/publishDate" && c.Pointer != "/validityDate" {
				s += fmt.Sprintf(" %s:%s>%s", c.Pointer, c.Before, c.After)
			}
		}
		return s
	}
	want := []string{
		`4 BLOCK KEY ` + id + ` VALID/BLOCKED ricorso /lifecycle:"OPEN">"BLOCKED"`,
		`3 AMOUNT KEY ` + id + ` VALID/OPEN sanzione /paymentOption/0/amount:12000>13000 /paymentOption/0/transfer/1/amount:10000>11000`,
		`2 PUBLISH KEY ` + id + ` VALID/OPEN /status:"DRAFT">"VALID"`,
		`1 CREATE KEY ` + id + ` DRAFT/OPEN`,
	}
	for i, v := range list.Versions {
		if told(v) != want[i] || v.At.IsZero() || v.Position != nil {
			t.Errorf("got  %s\nwant %s", told(v), want[i])
		}
	}
	if len(list.Versions) != 4 || list.PageInfo.TotalPages != 1 || list.PageInfo.ItemsFound != 4 {
		t.Errorf("%d versions, %+v", len(list.Versions), list.PageInfo)
	}
	for page, numbers := range map[string][]int64{"page=0&limit=3": {4, 3, 2}, "page=1&limit=3": {1}, "page=1&limit=2": {2, 1}, "page=2&limit=3": {}} {
		var part VersionList
		must(t, json.Unmarshal(read(path+"/versions?"+page, "reader", 200).body, &part))
		if len(part.Versions) != len(numbers) {
			t.Errorf("%s has %d versions", page, len(part.Versions))
			continue
		}
		for i, v := range part.Versions {
			if v.Version != numbers[i] || told(v) != want[4-v.Version] {
				t.Errorf("%s: %s", page, told(v))
			}
		}
	}
	var third Version
	must(t, json.Unmarshal(read(path+"/versions/3", "reader", 200).body, &third))
	if told(third) != want[1] || third.Position == nil || third.Position.PaymentOption[0].Amount != 13000 || third.Position.Status != positions.Valid {
		t.Errorf("the third version is %s of %+v", told(third), third.Position)
	}
	for path, status := range map[string]int{
		path + "/versions/5": 404, path + "/versions/0": 404, path + "/versions/-1": 404, path + "/versions/x": 400,
		base + "/debtpositions/P-0/versions": 404, path + "/versions?limit=0": 400,
	} {
		read(path, "reader", status)
	}
	read(path+"/versions", "segregated", 404)
	read(path+"/versions/1", "segregated", 404)
}

func TestTheHistoryOutlivesThePosition(t *testing.T) {
	h := openHouse(t).furnish(t)
	path := base + "/debtpositions/P-1"
	const iuv = "01000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", iuv)})
	p, err := h.store.Position(t.Context(), ente, "P-1")
	must(t, err)
	must(t, h.store.DeletePositions(t.Context(), []*positions.Position{p}, positions.Change{Actor: positions.Actor{Kind: "OPERATOR"}, Action: string(positions.EventDelete), Reason: "doppione", At: h.now()}))
	h.want(t, 404, call{method: "GET", path: path, key: "reader"})
	list := call{method: "GET", path: path + "/versions", key: "reader"}
	h.play(t, []scenario{
		{"deleted, it has its versions", list, 200, []string{`"DELETE"`, `"CREATE"`, `"items_found":2`, `"reason":"doppione"`}, []string{"Verdi"}},
		{"and each of them", call{method: "GET", path: path + "/versions/1", key: "reader"}, 200, []string{"Luca Verdi"}, nil},
		{"not for another office", call{method: "GET", path: path + "/versions", key: "segregated"}, 404, nil, nil},
		{"nor each of them", call{method: "GET", path: path + "/versions/1", key: "segregated"}, 404, nil, nil},
		{"the iupd is used again, by the other office", call{method: "POST", path: base + "/debtpositions", key: "segregated", body: strings.Replace(positionJSON("P-1", "02000000000000178"), "Luca", "Ugo", 1)}, 201, nil, nil},
		{"which reads its own version", call{method: "GET", path: path + "/versions/3", key: "segregated"}, 200, []string{"Ugo", `"changes":[]`}, nil},
		{"and not the old ones", call{method: "GET", path: path + "/versions/2", key: "segregated"}, 404, nil, nil},
		{"nor what they say", call{method: "GET", path: path + "/versions", key: "segregated"}, 200, []string{`"version":3`, `"version":1`}, []string{"Luca", iuv, "doppione"}},
		{"who sees everything is not told that the new one is a change of the old", list, 200, []string{`"version":3`}, []string{"Ugo", "Luca"}},
	})
}

func TestChangesArePointedAtAndWhole(t *testing.T) {
	option := func(nav positions.NoticeNumber, amount int64) PaymentOption {
		return PaymentOption{Nav: nav, Transfer: []Transfer{}, Amount: 1, Description: fmt.Sprint(amount)}
	}
	name := "a/b~c"
	for what, c := range map[string]struct {
		before, after PaymentPosition
		want          string
	}{
		"nothing":               {PaymentPosition{Iupd: "x"}, PaymentPosition{Iupd: "x"}, `[]`},
		"a member":              {PaymentPosition{CompanyName: "x"}, PaymentPosition{CompanyName: name}, `[{"after":"a/b~c","before":"x","pointer":"/companyName"}]`},
		"a member that is new":  {PaymentPosition{}, PaymentPosition{City: &name}, `[{"after":"a/b~c","pointer":"/city"}]`},
		"a member that is gone": {PaymentPosition{City: &name}, PaymentPosition{}, `[{"before":"a/b~c","pointer":"/city"}]`},
		"within an item":        {PaymentPosition{PaymentOption: []PaymentOption{option("1", 1), option("2", 2)}}, PaymentPosition{PaymentOption: []PaymentOption{option("1", 1), option("3", 2)}}, `[{"after":"3","before":"2","pointer":"/paymentOption/1/nav"}]`},
		"the biggest cents":     {PaymentPosition{PaymentOption: []PaymentOption{{Amount: 9007199254740993}}}, PaymentPosition{PaymentOption: []PaymentOption{{Amount: 9007199254740992}}}, `[{"after":9007199254740992,"before":9007199254740993,"pointer":"/paymentOption/0/amount"}]`},
	} {
		changes, err := changesBetween(c.before, c.after)
		must(t, err)
		text, err := json.Marshal(changes)
		must(t, err)
		if string(text) != c.want {
			t.Errorf("%s: %s, want %s", what, text, c.want)
		}
	}
	changes, err := changesBetween(PaymentPosition{PaymentOption: []PaymentOption{option("1", 1)}}, PaymentPosition{PaymentOption: []PaymentOption{option("1", 1), option("2", 2)}})
	must(t, err)
	if len(changes) != 1 || changes[0].Pointer != "/paymentOption/1" || changes[0].Before != nil || !strings.Contains(string(changes[0].After), `"nav":"2"`) {
		t.Errorf("a new option is %+v", changes)
	}
}
