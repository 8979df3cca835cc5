package rules_test

import (
	"reflect"
	"testing"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/internal/document"
	"github.com/attualizza/attualizza/positions/rules"
)

// written is the JSON that the stores keep.
func written(t testing.TB, v any) string {
	t.Helper()
	text, err := document.Write(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRulesComeBackFromTheStoresAsTheyWere(t *testing.T) {
	everything := rules.Effect{
		Type: rules.Accrue, Components: []string{"TAX", "È"}, Value: rate("-2/3"), To: "INTEREST", Max: 1, Amount: -5, Annual: rate("0"), Legal: true, Plus: rate("0.0001"),
	}
	list := append(append(fine().Rules, assessment().Rules...),
		rules.Rule{},
		rules.Rule{Label: "<à & \"b\">", Anchor: rules.Date, Date: day("1970-01-01"), From: days(0), After: months(0), Until: withoutAugust(rolled(&rules.Term{PostponedTo: day("1900-01-01")})), Effect: everything},
	)
	option := positions.PaymentOption{Components: assessment().Parts, AmountRules: list}
	option.Components[0].TransferID = 0
	var again positions.PaymentOption
	if err := document.Read([]byte(written(t, option)), &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, option) {
		t.Errorf("%s\nbecame\n%s", written(t, option), written(t, again))
	}
	if got := again.AmountRules[len(list)-1].Date; got != day("1970-01-01") {
		t.Errorf("the first of January 1970 became %q", got)
	}
}

// The documents of released versions must stay readable: what is pinned here is a
// format.
func TestTheFormOfARuleInTheStores(t *testing.T) {
	r := rules.Rule{
		Label: "Interessi", Anchor: rules.Date, Date: day("2026-12-28"), After: rolled(withoutAugust(&rules.Term{Span: calendar.Span{Unit: calendar.Semesters, Count: 1}, PostponedTo: day("2027-01-31")})), Until: days(0),
		Effect: rules.Effect{Type: rules.Accrue, Components: []string{"TAX"}, Legal: true, Plus: rate("2.5")},
	}
	want := `{"label":"Interessi","anchor":"DATE","date":"2026-12-28","after":{"unit":"SEMESTERS","count":1,"withoutAugust":true,"roll":true,"postponedTo":"2027-01-31"},` +
		`"until":{"unit":"DAYS","count":0},"effect":{"type":"INTEREST","components":["TAX"],"legal":true,"plus":"2.5"}}`
	if got := written(t, r); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := written(t, always(percent("-2/3", "A"))); got != `{"anchor":"NOTIFICATION","effect":{"type":"PERCENT","components":["A"],"value":"-2/3"}}` {
		t.Error(got)
	}
	if got := written(t, part("A", 0)); got != `{"code":"A","amount":0,"idTransfer":1}` {
		t.Error(got)
	}
}
