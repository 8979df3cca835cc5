package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/positions"
)

// fined is what the parts of a fine are in ruledJSON: 173.00 and 15.00 of expenses.
const fined = `[{"code":"FINE","amount":17300},{"code":"EXPENSES","amount":1500}]`

// ruledJSON is a SEND-bound position of 188.00 on one transfer, with parts and
// rules.
func ruledJSON(iupd, iuv, components, amountRules string) string {
	return `{
	"iupd": "` + iupd + `", "type": "F", "fiscalCode": "VRDLCU80A01H501X", "fullName": "Luca Verdi",
	"companyName": "Comune di Esempio", "switchToExpired": false,
	"paymentOption": [{
		"iuv": "` + iuv + `", "amount": 18800, "description": "Verbale 1", "isPartialPayment": false, "dueDate": "2031-01-31T10:00:00Z",
		"sendBound": true, "components": ` + components + `, "amountRules": ` + amountRules + `,
		"transfer": [{"idTransfer": "1", "amount": 18800, "remittanceInformation": "verbale", "category": "9/0101100IM/", "iban": "IT60X0542811101000000123456"}]
	}]}`
}

// reduced is the rule of the contract's example.
const reduced = `{"label":"Riduzione 30% entro 5 giorni","anchor":"NOTIFICATION","until":{"days":5,"roll":"NEXT_WORKING_DAY"},"effect":{"type":"PERCENT","value":"-30","components":["FINE"]}}`

// pointersOf returns where a refusal points, each pointer once, in order.
func pointersOf(t *testing.T, err error) string {
	t.Helper()
	var refusal *positions.Error
	if err == nil {
		return ""
	}
	if !errors.As(err, &refusal) || refusal.Code != positions.Invalid {
		t.Fatalf("it is not refused as invalid: %v", err)
	}
	var pointers []string
	for _, p := range refusal.Problems {
		pointers = append(pointers, strings.TrimPrefix(p.Pointer, "/paymentOption/0"))
	}
	slices.Sort(pointers)
	return strings.Join(slices.Compact(pointers), " ")
}

func TestWhatIsWrongWithARuleIsToldWhereItIs(t *testing.T) {
	edit := func(old, text string) string {
		if strings.Count(reduced, old) != 1 {
			t.Fatalf("%q is not in the rule once", old)
		}
		return strings.Replace(reduced, old, text, 1)
	}
	effect := func(text string) string {
		return `{"anchor":"DATE","date":"2026-12-28","after":{"days":60},"effect":` + text + `}`
	}
	for name, c := range map[string]struct{ rules, want string }{
		"a value that is no number":                 {edit(`"-30"`, `"thirty"`), "/effect/value"},
		"a value with a percent sign":               {edit(`"-30"`, `"-30%"`), "/effect/value"},
		"a value with five decimals":                {edit(`"-30"`, `"-30.00001"`), "/effect/value"},
		"a number with five decimals":               {edit(`"-30"`, `-30.00001`), "/effect/value"},
		"a number with an exponent":                 {edit(`"-30"`, `-3e1`), "/effect/value"},
		"a value that is true":                      {edit(`"-30"`, `true`), "/effect/value"},
		"a value that is an object":                 {edit(`"-30"`, `{"percent":-30}`), "/effect/value"},
		"a fraction of nothing":                     {edit(`"-30"`, `"-2/0"`), "/effect/value"},
		"no value":                                  {edit(`"value":"-30",`, ``), "/effect/value"},
		"a null value":                              {edit(`"-30"`, `null`), "/effect/value"},
		"zero per cent":                             {edit(`"-30"`, `"0"`), "/effect/value"},
		"more than there is":                        {edit(`"-30"`, `"-101"`), "/effect/value"},
		"all there is":                              {`{"anchor":"NOTIFICATION","effect":{"type":"PERCENT","value":-100,"components":["FINE","EXPENSES"]}}`, "/effect"},
		"a legal value":                             {edit(`"-30"`, `"LEGAL"`), "/effect/value"},
		"a type that is none":                       {edit(`PERCENT`, `PERCENTAGE`), "/effect/type"},
		"no type":                                   {edit(`"type":"PERCENT",`, ``), "/effect/type"},
		"no effect":                                 {`{"anchor":"NOTIFICATION"}`, "/effect"},
		"an effect that is text":                    {`{"anchor":"NOTIFICATION","effect":"PERCENT"}`, "/effect"},
		"no anchor":                                 {edit(`"anchor":"NOTIFICATION",`, ``), "/anchor"},
		"an anchor that is none":                    {edit(`NOTIFICATION`, `NOTIFIED`), "/anchor"},
		"a date of a notification":                  {edit(`"until"`, `"date":"2026-12-28","until"`), "/date"},
		"an anchor without its date":                {edit(`NOTIFICATION`, `DATE`), "/date"},
		"a day that does not exist":                 {edit(`"NOTIFICATION"`, `"DATE","date":"2026-02-30"`), "/date"},
		"an instant in place of a day":              {edit(`"NOTIFICATION"`, `"DATE","date":"2026-02-28T10:00:00Z"`), "/date"},
		"a day before all debts":                    {edit(`"NOTIFICATION"`, `"DATE","date":"0001-02-28"`), "/date"},
		"two units":                                 {edit(`"days":5`, `"days":5,"months":1`), "/until"},
		"no unit":                                   {edit(`"days":5,`, ``), "/until"},
		"days in quotes":                            {edit(`"days":5`, `"days":"5"`), "/until/days"},
		"half a day":                                {edit(`"days":5`, `"days":5.5`), "/until/days"},
		"days before the anchor":                    {edit(`"days":5`, `"days":-1`), "/until/days"},
		"days without end":                          {edit(`"days":5`, `"days":3661`), "/until/days"},
		"a roll that is none":                       {edit(`NEXT_WORKING_DAY`, `PREVIOUS_WORKING_DAY`), "/until/roll"},
		"a roll that is empty":                      {edit(`NEXT_WORKING_DAY`, ``), "/until/roll"},
		"a roll that is true":                       {edit(`"NEXT_WORKING_DAY"`, `true`), "/until/roll"},
		"a first day that rolls":                    {edit(`"until":{"days":5,`, `"from":{"days":5,`), "/from/roll"},
		"August that is text":                       {edit(`"days":5`, `"days":5,"suspendAugust":"yes"`), "/until/suspendAugust"},
		"a postponement that is no day":             {edit(`"days":5`, `"days":5,"postponedTo":"domani"`), "/until/postponedTo"},
		"two first days":                            {edit(`"until"`, `"from":{"days":1},"after":{"days":1},"until"`), "/after"},
		"a last day before the first":               {edit(`"until"`, `"after":{"days":60},"until"`), "/until"},
		"a component that is not there":             {edit(`"FINE"`, `"TAX"`), "/effect/components/0"},
		"a component twice":                         {edit(`"FINE"`, `"FINE","FINE"`), "/effect/components/1"},
		"a component that is a number":              {edit(`"FINE"`, `1`), "/effect/components/0"},
		"no component of two":                       {edit(`,"components":["FINE"]`, ``), "/effect/components"},
		"a destination that is not there":           {effect(`{"type":"PERCENT","value":"10","components":["FINE"],"to":"SANCTION"}`), "/effect/to"},
		"a destination that is empty":               {effect(`{"type":"PERCENT","value":"10","components":["FINE"],"to":""}`), "/effect/to"},
		"a bound of nothing":                        {effect(`{"type":"PERCENT","value":"10","components":["FINE"],"max":0}`), "/effect/max"},
		"a bound below nothing":                     {effect(`{"type":"PERCENT","value":"10","components":["FINE"],"max":-1}`), "/effect/max"},
		"an amount of a percentage":                 {effect(`{"type":"PERCENT","value":"10","components":["FINE"],"amount":0}`), "/effect/amount"},
		"a percentage of an amount":                 {effect(`{"type":"SET","amount":100,"value":"10","components":["FINE"]}`), "/effect/value"},
		"no amount to set":                          {effect(`{"type":"SET","components":["FINE"]}`), "/effect/amount"},
		"an amount in euro":                         {effect(`{"type":"SET","amount":100.50,"components":["FINE"]}`), "/effect/amount"},
		"an amount to set below zero":               {effect(`{"type":"SET","amount":-1,"components":["FINE"]}`), "/effect/amount"},
		"two components to set":                     {effect(`{"type":"SET","amount":1,"components":["FINE","EXPENSES"]}`), "/effect/components"},
		"nothing to add":                            {effect(`{"type":"ADD","amount":0,"components":["FINE"]}`), "/effect/amount"},
		"no rate of interest":                       {effect(`{"type":"INTEREST","components":["FINE"]}`), "/effect/annualRate"},
		"a rate of interest that is a fraction":     {effect(`{"type":"INTEREST","annualRate":"1/10","components":["FINE"]}`), "/effect/annualRate"},
		"a rate of interest in the wrong case":      {effect(`{"type":"INTEREST","annualRate":"legal","components":["FINE"]}`), "/effect/annualRate"},
		"points that are a fraction":                {effect(`{"type":"INTEREST","annualRate":"LEGAL","plus":"1/10","components":["FINE"]}`), "/effect/plus"},
		"interest from no day":                      {`{"anchor":"NOTIFICATION","effect":{"type":"INTEREST","annualRate":2.5,"components":["FINE"]}}`, "/amountRules/0"},
		"components of nothing payable":             {effect(`{"type":"NOT_PAYABLE","components":["FINE"]}`), "/effect/components"},
		"more components than there can be":         {edit(`["FINE"]`, `["FINE"`+strings.Repeat(`,"TAX"`, 13)+`]`), "/effect/components"},
		"a label that ends a line":                  {edit(`5 giorni`, `5\n giorni`), "/label"},
		"a label that turns the writing round":      {edit(`5 giorni`, `\u202e5 giorni`), "/label"},
		"a label that is too long":                  {edit(`5 giorni`, strings.Repeat("x", 140)), "/label"},
		"a member of the rule that nobody knows":    {edit(`"until"`, `"untill"`), "/untill"},
		"a member of the term that nobody knows":    {edit(`"days":5`, `"days":5,"hours":3`), "/until/hours"},
		"a member of the effect that nobody knows":  {edit(`"value"`, `"note":"x","value"`), "/effect/note"},
		"a member twice":                            {edit(`"days":5`, `"days":5,"days":6`), "/until/days"},
		"one thing wrong in each of three":          {reduced + `,` + edit(`"-30"`, `"x"`) + `,` + edit(`FINE`, `TAX`), "/amountRules/1/effect/value /amountRules/2/effect/components/0"},
		"several in one, of which none is derived":  {edit(`"days":5,"roll":"NEXT_WORKING_DAY"`, `"days":"5","roll":"never"`), "/until/days"},
		"rules of a notice that has too many":       {strings.TrimSuffix(strings.Repeat(reduced+",", 21), ","), "/amountRules"},
		"an item that is null":                      {`null`, "/amountRules/0"},
		"an item that is text":                      {`"-30%"`, "/amountRules/0"},
		"an object in place of the list of effects": {edit(`["FINE"]`, `{"code":"FINE"}`), "/effect/components"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadPosition([]byte(ruledJSON("P-1", "01000000000000177", fined, "["+c.rules+"]")), ente, time.Now())
			want := c.want
			if !strings.HasPrefix(want, "/amountRules") {
				want = "/amountRules/0" + want
			}
			if got := pointersOf(t, err); got != want {
				t.Errorf("told at %q, want %q: %v", got, want, err)
			}
		})
	}
}

func TestWhatIsWrongWithComponentsIsToldWhereItIs(t *testing.T) {
	edit := func(old, text string) string { return strings.Replace(fined, old, text, 1) }
	for name, c := range map[string]struct{ components, want string }{
		"they do not add up":                  {edit(`17300`, `17301`), "/components"},
		"an amount in quotes, told once":      {edit(`17300`, `"17300"`), "/components/0/amount"},
		"an amount below zero":                {edit(`1500`, `-1500`), "/components/1/amount"},
		"no code":                             {edit(`"code":"FINE",`, ``), "/components/0/code"},
		"a code that ends a line":             {edit(`EXPENSES`, `EXPEN\nSES`), "/components/1/code"},
		"a blank code":                        {edit(`FINE`, ` `), "/amountRules/0/effect/components/0 /components/0/code"},
		"the same code twice":                 {edit(`EXPENSES`, `FINE`), "/components/1/code"},
		"the fee's code":                      {edit(`EXPENSES`, `NOTIFICATION_FEE`), "/components/1/code"},
		"a transfer that is not there":        {edit(`17300`, `17300,"idTransfer":"2"`), "/components/0/idTransfer"},
		"a transfer that cannot be":           {edit(`17300`, `17300,"idTransfer":"6"`), "/components/0/idTransfer"},
		"a transfer without a name":           {edit(`17300`, `17300,"idTransfer":""`), "/components/0/idTransfer"},
		"a transfer that is a number":         {edit(`17300`, `17300,"idTransfer":1`), "/components/0/idTransfer"},
		"a member that nobody knows":          {edit(`17300`, `17300,"share":"all"`), "/components/0/share"},
		"one that cannot be read spoils none": {`[{"code":7,"amount":17300},{"code":"EXPENSES","amount":1500}]`, "/components/0/code"},
		"thirteen":                            {`[` + strings.TrimSuffix(strings.Repeat(`{"code":"X","amount":0},`, 13), ",") + `]`, "/components"},
		"text":                                {`"FINE"`, "/components"},
	} {
		t.Run(name, func(t *testing.T) {
			rules := "[" + reduced + "]"
			if name == "thirteen" || name == "text" {
				rules = "[]"
			}
			_, err := ReadPosition([]byte(ruledJSON("P-1", "01000000000000177", c.components, rules)), ente, time.Now())
			if got := pointersOf(t, err); got != c.want {
				t.Errorf("told at %q, want %q: %v", got, c.want, err)
			}
		})
	}
}

func TestWrongRulesAreRefusedWhereverTheyAreSent(t *testing.T) {
	h := openHouse(t).furnish(t)
	wrong := ruledJSON("P-1", "01000000000000177", fined, "["+strings.Replace(reduced, `"-30"`, `"x"`, 1)+"]")
	right := ruledJSON("P-1", "01000000000000177", fined, "["+reduced+"]")
	const pointer = `/paymentOption/0/amountRules/0/effect/value"`
	h.play(t, []scenario{
		{"one that is created", call{method: "POST", path: base + "/debtpositions", key: "writer", body: wrong}, 400, []string{`"` + pointer}, nil},
		{"many that are", call{method: "POST", path: "/v2/organizations/" + ente + "/debtpositions", key: "writer", body: batchJSON(positionJSON("P-0", "01000000000000278"), wrong)}, 400, []string{`"/paymentPositions/1` + pointer}, nil},
		{"many that are right", call{method: "POST", path: "/v2/organizations/" + ente + "/debtpositions", key: "writer", body: batchJSON(positionJSON("P-0", "01000000000000278"), right)}, 201, nil, nil},
		{"one that is replaced", call{method: "PUT", path: base + "/debtpositions/P-1", key: "writer", body: wrong}, 400, []string{`"` + pointer}, nil},
		{"many that are replaced", call{method: "PUT", path: "/v2/organizations/" + ente + "/debtpositions", key: "writer", body: batchJSON(wrong)}, 400, []string{`"/paymentPositions/0` + pointer}, nil},
		{"rules without the parts of several transfers", call{method: "POST", path: base + "/debtpositions", key: "writer", body: strings.Replace(positionJSON("P-2", "01000000000000379"), `"iuv"`, `"amountRules": [{"anchor":"NOTIFICATION","effect":{"type":"PERCENT","value":"-1"}}], "iuv"`, 1)}, 400, []string{`/paymentOption/0/components"`}, nil},
		{"rules where they do not belong", call{method: "POST", path: base + "/debtpositions", key: "writer", body: strings.Replace(right, `"iupd"`, `"amountRules": [], "iupd"`, 1)}, 400, []string{`"/amountRules"`}, nil},
	})
}

// everyRule uses all that a rule can say; what is not as it reads back is in
// everyRuleRead.
const everyRule = `[
	` + reduced + `,
	{"anchor":"DATE","date":"2026-12-28","from":{"months":2,"suspendAugust":true},"until":{"semesters":1,"roll":"NEXT_WORKING_DAY","suspendAugust":true,"postponedTo":"2027-09-15"},"effect":{"type":"PERCENT","value":"1/10","components":["FINE","EXPENSES"],"to":"SANCTION","max":500}},
	{"anchor":"NOTIFICATION","after":{"days":60,"roll":"NEXT_WORKING_DAY"},"effect":{"type":"SET","amount":0,"components":["EXPENSES"]}},
	{"anchor":"NOTIFICATION","from":{"days":0},"effect":{"type":"ADD","amount":-250,"components":["FINE"]}},
	{"label":"Interessi","anchor":"NOTIFICATION","after":{"days":60},"effect":{"type":"INTEREST","annualRate":"LEGAL","plus":"3.50","components":["FINE"]}},
	{"anchor":"NOTIFICATION","after":{"days":60},"effect":{"type":"INTEREST","annualRate":2.5,"components":["FINE","EXPENSES"]}},
	{"anchor":"NOTIFICATION","after":{"days":60},"effect":{"type":"PER_SEMESTER","value":10,"components":["FINE"],"to":"SANCTION"}},
	{"label":"Non più pagabile","anchor":"NOTIFICATION","after":{"days":400},"effect":{"type":"NOT_PAYABLE"}}
]`

var everyRuleRead = strings.NewReplacer(`"3.50"`, `"3.5"`, `"annualRate":2.5`, `"annualRate":"2.5"`, `"value":10,`, `"value":"10",`).Replace(everyRule)

const everyPart = `[{"code":"FINE","amount":17300,"idTransfer":"1"},{"code":"EXPENSES","amount":1500},{"code":"SANCTION","amount":0}]`

func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &v))
	return v
}

func TestRulesReadBackAsTheyWereGiven(t *testing.T) {
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			h := openHouseOn(t, open).furnish(t)
			read := call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}
			hold := func(what string, a answer) {
				t.Helper()
				option, _ := at(parsed(t, string(a.body)), "/paymentOption/0")
				o := option.(map[string]any)
				if diff := cmp.Diff(parsed(t, everyPart), o["components"]); diff != "" {
					t.Errorf("%s: components (-want +got):\n%s", what, diff)
				}
				if diff := cmp.Diff(parsed(t, everyRuleRead), o["amountRules"]); diff != "" {
					t.Errorf("%s: rules (-want +got):\n%s", what, diff)
				}
			}
			hold("created", h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: ruledJSON("P-1", "01000000000000177", everyPart, everyRule)}))
			first := h.want(t, 200, read)
			hold("read", first)
			hold("replaced by what was read", h.want(t, 200, call{method: "PUT", path: base + "/debtpositions/P-1?toPublish=true", key: "writer", body: string(first.body)}))
			hold("read again", h.want(t, 200, read))

			version := h.want(t, 200, call{method: "GET", path: base + "/debtpositions/P-1/versions/2", key: "reader"})
			if changes, _ := at(version.json(t), "/changes"); strings.Contains(string(version.body), `"pointer":"/paymentOption/0/`) {
				t.Errorf("replaced by the same, the option changed: %v", changes)
			}
			option := h.want(t, 200, call{method: "GET", path: base + "/paymentoptions/301000000000000177", key: "reader"})
			if diff := cmp.Diff(parsed(t, everyRuleRead), parsed(t, string(option.body)).(map[string]any)["amountRules"]); diff != "" {
				t.Errorf("of one option (-want +got):\n%s", diff)
			}
			imported, err := ReadPosition(first.body, ente, time.Now())
			must(t, err)
			stored, err := h.store.Position(t.Context(), ente, "P-1")
			must(t, err)
			if diff := cmp.Diff(stored.Options[0].RuleSet(ente), imported.Options[0].RuleSet(ente), cmp.AllowUnexported(stored.Options[0].AmountRules[0].Effect.Value)); diff != "" {
				t.Errorf("imported (-stored +imported):\n%s", diff)
			}
		})
	}
}

func TestARuleThatNamesNoComponentIsAboutTheOnlyOne(t *testing.T) {
	const rule = `[{"anchor":"NOTIFICATION","effect":{"type":"PERCENT","value":"-2/3"}},{"anchor":"NOTIFICATION","after":{"days":9},"effect":{"type":"NOT_PAYABLE"}}]`
	for components, want := range map[string]string{`null`: "AMOUNT", `[]`: "AMOUNT", `[{"code":"TAX","amount":18800}]`: "TAX"} {
		p, err := ReadPosition([]byte(ruledJSON("P-1", "01000000000000177", components, rule)), ente, time.Now())
		must(t, err)
		rules := p.Options[0].AmountRules
		if got := rules[0].Effect.Components; len(got) != 1 || got[0] != want || rules[1].Effect.Components != nil {
			t.Errorf("with %s they are about %v and %v", components, got, rules[1].Effect.Components)
		}
	}
}

func TestAChangeOfTheRulesIsInTheHistory(t *testing.T) {
	h := openHouse(t).furnish(t)
	body := ruledJSON("P-1", "01000000000000177", fined, "["+reduced+"]")
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: body})
	h.want(t, 200, call{method: "PUT", path: base + "/debtpositions/P-1", key: "writer", body: strings.NewReplacer(`"-30"`, `"-20"`, `17300`, `17200`, `"amount":1500`, `"amount":1600`).Replace(body)})
	h.play(t, []scenario{{"with what it was and is", call{method: "GET", path: base + "/debtpositions/P-1/versions/2", key: "reader"}, 200, []string{
		`{"after":"-20","before":"-30","pointer":"/paymentOption/0/amountRules/0/effect/value"}`,
		`{"after":17200,"before":17300,"pointer":"/paymentOption/0/components/0/amount"}`,
	}, []string{`"/paymentOption/0/amountRules/0/until`, `"/paymentOption/0/amountRules"`}}})
}

func TestRulesThatAreProbablyASlipAreWarnedOf(t *testing.T) {
	h := openHouse(t).furnish(t)
	const late = `{"anchor":"NOTIFICATION","after":{"days":60},"until":{"days":90},"effect":{"type":"PER_SEMESTER","value":"10","components":["FINE"]}}`
	body := func(iupd, iuv, rules string) string { return ruledJSON(iupd, iuv, fined, "["+rules+"]") }
	unbound := strings.Replace(body("P-3", "01000000000000379", late), `"sendBound": true`, `"sendBound": false`, 1)
	const at = `"pointer":"/paymentOption/0/amountRules/`
	post := func(body string) call {
		return call{method: "POST", path: base + "/debtpositions", key: "writer", body: body}
	}
	h.play(t, []scenario{
		{"a good rule is not", post(body("P-1", "01000000000000177", reduced)), 201, nil, []string{at}},
		{"what accrues and ends", post(body("P-2", "01000000000000278", late)), 201, []string{at + `0/until"`}, []string{at + `0/anchor"`}},
		{"what waits for a notification that nobody sends", post(unbound), 201, []string{at + `0/until"`, at + `0/anchor"`}, nil},
		{"two reductions of one component at once", post(body("P-4", "01000000000000480", reduced+","+reduced)), 201, []string{at + `1"`}, nil},
		{"when it is read too", call{method: "GET", path: base + "/debtpositions/P-4", key: "reader"}, 200, []string{at + `1"`}, nil},
	})
	p, err := ReadPosition([]byte(unbound), ente, time.Now())
	must(t, err)
	var pointers []string
	for _, w := range Warnings(p) {
		pointers = append(pointers, w.Pointer)
	}
	if !slices.Contains(pointers, "/paymentOption/0/amountRules/0/anchor") {
		t.Errorf("an import is warned of %v", pointers)
	}
}

func TestTheAmountOfSeveralComponentsIsSetByAllOfThem(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: ruledJSON("P-1", nav[1:], fined, "["+reduced+"]")})
	set := func(body string) call {
		return call{method: "PUT", path: base + "/notices/" + nav + "/amount", key: "writer", body: `{"reason":"ricalcolo",` + body + `}`}
	}
	const two = `"amount":9000,"components":[{"code":"EXPENSES","amount":1000},{"code":"FINE","amount":8000}]`
	h.play(t, []scenario{
		{"they are named", set(`"amount":9000`), 400, []string{`"/components"`, "FINE", "EXPENSES"}, nil},
		{"all of them", set(`"amount":9000,"components":[{"code":"FINE","amount":9000}]`), 400, []string{`"/components"`, "EXPENSES"}, nil},
		{"once", set(`"amount":9000,"components":[{"code":"FINE","amount":9000},{"code":"FINE","amount":9000}]`), 400, []string{`"/components/1/code"`}, nil},
		{"they exist", set(strings.Replace(two, "FINE", "TAX", 1)), 400, []string{`"/components/1/code"`}, nil},
		{"they add up", set(strings.Replace(two, "8000", "8001", 1)), 400, []string{`"/components"`}, nil},
		{"not below zero", set(strings.Replace(two, "8000", "-8000", 1)), 400, []string{`"/components/1/amount"`}, nil},
		{"at most twelve", set(`"amount":9000,"components":[` + strings.Repeat(`{"code":"FINE","amount":1},`, 12) + `{"code":"FINE","amount":1}]`), 400, []string{`"/components"`, "13"}, nil},
		{"nothing else", set(strings.Replace(two, `"code":"FINE"`, `"code":"FINE","idTransfer":"1"`, 1)), 400, []string{`"/components/1/idTransfer"`}, nil},
		{"then it is done", set(two), 200, []string{`"amount":6600`, `"payable":true`}, nil}, // 90.00 less 30% of 80.00
		{"once", set(two), 200, nil, nil},
		{"and read", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 200, []string{`"components":[{"amount":8000,"code":"FINE"},{"amount":1000,"code":"EXPENSES"}]`, `"amount":9000`}, nil},
		{"and in the history", call{method: "GET", path: base + "/debtpositions/P-1/versions", key: "reader"}, 200, []string{`{"after":8000,"before":17300,"pointer":"/paymentOption/0/components/0/amount"}`, `"items_found":2`}, nil},
	})
}

func TestAPositionHasSoManyRulesAndTellsSoManyMistakes(t *testing.T) {
	option := func(i int, rules string) string {
		return fmt.Sprintf(`{"iuv":"%017d","amount":100,"description":"d","isPartialPayment":true,"dueDate":"2031-01-31T12:00:00Z","amountRules":[%s],
			"transfer":[{"idTransfer":"1","amount":100,"remittanceInformation":"r","category":"c","iban":"IT60X0542811101000000123456"}]}`, i+1, rules)
	}
	position := func(options int, rule string) string {
		twenty, list := strings.TrimSuffix(strings.Repeat(rule+",", 20), ","), ""
		for i := range options {
			list += "," + option(i, twenty)
		}
		return fmt.Sprintf(`{"iupd":"P","type":"F","fiscalCode":"X","fullName":"Y","companyName":"Z","switchToExpired":false,"paymentOption":[%s]}`, list[1:])
	}
	const rise, wrong = `{"anchor":"NOTIFICATION","effect":{"type":"ADD","amount":1}}`, `{"anchor":"NOTIFICATION","effect":{"type":"ADD","amount":1,"components":["a","b","c"]}}`
	if _, err := ReadPosition([]byte(position(20, rise)), ente, time.Now()); err != nil {
		t.Errorf("400 rules: %v", err)
	}
	if _, err := ReadPosition([]byte(position(21, rise)), ente, time.Now()); pointersOf(t, err) != "/paymentOption" {
		t.Errorf("420 rules: %v", err)
	}
	_, err := ReadPosition([]byte(position(20, wrong)), ente, time.Now())
	var refused *positions.Error
	if !errors.As(err, &refused) || len(refused.Problems) != 100 {
		t.Errorf("a position in which 1600 things are wrong: %v", err)
	}
}
