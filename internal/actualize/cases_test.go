package actualize_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
	"github.com/attualizza/attualizza/sendclient"
)

// datedCase is one of testdata/rulesets/cases.yaml, which tells what its members
// mean.
type datedCase struct {
	Name        string           `yaml:"name"`
	RuleSet     string           `yaml:"ruleset"`
	Components  []map[string]any `yaml:"components"`
	AmountRules []map[string]any `yaml:"amountRules"`
	Viewed      string           `yaml:"viewed"`
	Refined     string           `yaml:"refined"`
	Asked       string           `yaml:"asked"`
	Known       string           `yaml:"known"`
	Fee         money.Cents      `yaml:"fee"`
	Policy      struct {
		Saturday    string `yaml:"saturday"`
		PatronSaint string `yaml:"patronSaint"`
	} `yaml:"policy"`
	Postponed *struct {
		Days, Months, Semesters *int
		To                      string
	} `yaml:"postponed"`
	Want struct {
		Amount     money.Cents            `yaml:"amount"`
		Payable    *bool                  `yaml:"payable"`
		DueDate    string                 `yaml:"dueDate"`
		Components map[string]money.Cents `yaml:"components"`
		Lines      *[]caseLine            `yaml:"lines"`
	} `yaml:"want"`
	Law string `yaml:"law"`
}

type caseLine struct {
	Rule, Component string
	Amount          money.Cents
}

const (
	creditor  = "77777777777"
	casesNAV  = "301000000000012373"
	storedDue = "2040-05-17"
)

func readCases(t *testing.T) []datedCase {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "testdata", "rulesets", "cases.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	var cases []datedCase
	if err := decoder.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestDatedCasesComeToWhatTheLawSays(t *testing.T) {
	inZone(t, os.Getenv(zoneOfMachine))
	cases := readCases(t)
	if len(cases) < 60 {
		t.Errorf("only %d cases", len(cases))
	}
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Law == "" || slices.ContainsFunc(cases[:i], func(d datedCase) bool { return d.Name == c.Name }) {
				t.Error("a case needs a name of its own and the law that decides it")
			}
			c.check(t)
		})
	}
}

// check asks for the case's amount as the REST API and the Nodo do.
func (c *datedCase) check(t *testing.T) {
	q := c.quote(t)
	amount, payable := c.Want.Amount, c.Want.Payable == nil || *c.Want.Payable
	if !payable {
		if q.Refusal != positions.RefusedExpired || q.Amount != 0 {
			t.Errorf("asked %s, refusal %q; want PAA_PAGAMENTO_SCADUTO", q.Amount, q.Refusal)
		}
	} else if q.Refusal != positions.Payable || q.Amount != amount || q.AmountByRules != amount-c.Fee || q.NotificationFee != c.Fee {
		t.Errorf("asked %d of which %d fee, refusal %q; want %d of which %d", q.Amount, q.NotificationFee, q.Refusal, amount, c.Fee)
	}
	due := c.Want.DueDate
	if due == "" || due == "stored" {
		due = storedDue
	}
	if q.DueDate != due {
		t.Errorf("due on %s, want %s", q.DueDate, due)
	}
	if !payable {
		return
	}
	parts, changes := map[string]money.Cents{}, []caseLine{}
	var sum money.Cents
	for _, l := range q.Lines() {
		if sum += l.Amount; l.Component != positions.NotificationFeeKey {
			parts[l.Component] += l.Amount
		}
		if l.Rule != "" {
			changes = append(changes, caseLine{l.Rule, l.Component, l.Amount})
		}
	}
	if sum != q.Amount {
		t.Errorf("the lines add up to %d of %d", sum, q.Amount)
	}
	if c.Want.Components != nil {
		if d := cmp.Diff(c.Want.Components, parts); d != "" {
			t.Errorf("components: %s", d)
		}
	}
	if c.Want.Lines != nil {
		if d := cmp.Diff(*c.Want.Lines, changes); d != "" {
			t.Errorf("lines: %s", d)
		}
	}
}

func TestTheFeeNeverChangesWhatTheRulesSay(t *testing.T) {
	for _, c := range readCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			c.Fee = 0
			without := c.quote(t)
			c.Fee = 98765
			with := c.quote(t)
			if with.AmountByRules != without.AmountByRules || with.Refusal != without.Refusal || with.DueDate != without.DueDate {
				t.Errorf("%+v with a fee, %+v without", with, without)
			}
			if with.Refusal != positions.Payable {
				return
			}
			if with.Amount != without.Amount+98765 || sum(with.Transfers) != with.Amount || sum(without.Transfers) != without.Amount {
				t.Errorf("%d with a fee, %d without; transfers of %d and %d", with.Amount, without.Amount, sum(with.Transfers), sum(without.Transfers))
			}
		})
	}
}

func sum(transfers []positions.Transfer) (total money.Cents) {
	for i := range transfers {
		total += transfers[i].Amount
	}
	return total
}

func TestAQuoteAtAnInstantIsTheAnswerGivenAtThatInstant(t *testing.T) {
	for _, c := range readCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			c.Known = "" // what was known then
			quoted, answered := c.quote(t), c.answer(t)
			if quoted.Amount != answered.Amount || quoted.Refusal != answered.Refusal || quoted.DueDate != answered.DueDate ||
				!slices.EqualFunc(quoted.Transfers, answered.Transfers, func(a, b positions.Transfer) bool { return a.Amount == b.Amount }) {
				t.Errorf("quoted %+v, answered %+v", quoted, answered)
			}
		})
	}
}

// answer is what the Nodo is told at the case's instant, SEND having been asked.
func (c *datedCase) answer(t *testing.T) *actualize.Quote {
	t.Helper()
	asked := instant(t, c.Asked)
	n, _ := positions.NewNotice(c.position(t), casesNAV, nil)
	priced := sendclient.Answer{Price: sendclient.Price{
		TotalPrice: c.Fee, IUN: "ABCD-EFGH-ILMN-202611-A-1", NotificationViewDate: instant(t, c.Viewed), RefinementDate: instant(t, c.Refined),
	}}
	a := actualize.New(actualize.Config{
		Store: noticeOf{n}, Prices: says{priced}, Cache: noCache(t), SendTimeout: time.Second, Now: func() time.Time { return asked },
	})
	t.Cleanup(func() { a.Close(context.Background()) })
	q, err := a.Quote(t.Context(), c.organization(t), casesNAV)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// organization is one that may ask SEND, with the case's policy.
func (c *datedCase) organization(t *testing.T) *registry.Organization {
	t.Helper()
	policy := positions.DefaultPolicy()
	if c.Policy.Saturday != "" {
		policy.Saturday = c.Policy.Saturday
	}
	policy.PatronSaint = c.Policy.PatronSaint
	box, err := secrets.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	key, err := box.Seal(creditor, string(positions.SecretSendAPIKey), []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	r := registry.New(oneOrganization{positions.Organization{
		FiscalCode: creditor, Policy: policy, Send: &positions.Send{Route: positions.RouteDirect},
		Sealed: map[positions.Secret][]byte{positions.SecretSendAPIKey: key},
	}}, box, slog.New(slog.DiscardHandler), nil)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	org, _ := r.Organization(creditor)
	return org
}

// oneOrganization is a registry's source.
type oneOrganization struct{ positions.Organization }

func (o oneOrganization) Organizations(context.Context) ([]positions.Organization, int64, error) {
	return []positions.Organization{o.Organization}, 1, nil
}

func (oneOrganization) OrganizationsRevision(context.Context) (int64, error) { return 1, nil }

// says is SEND with one answer.
type says struct{ sendclient.Answer }

func (s says) Price(context.Context, *sendclient.Credential, string, string) (sendclient.Answer, error) {
	return s.Answer, nil
}

// quote evaluates the case through everything but SOAP, REST and a database.
func (c *datedCase) quote(t *testing.T) *actualize.Quote {
	t.Helper()
	asked := instant(t, c.Asked)
	known := asked
	if c.Known != "" {
		known = instant(t, c.Known)
	}
	p := c.position(t)
	n, _ := positions.NewNotice(p, casesNAV, &positions.Price{
		TotalPrice: c.Fee, FetchedAt: known, NotificationViewDate: instant(t, c.Viewed), RefinementDate: instant(t, c.Refined),
	})
	a := actualize.New(actualize.Config{Store: noticeOf{n}, Cache: noCache(t), Now: func() time.Time { return known }})
	q, err := a.QuoteAt(t.Context(), c.organization(t), casesNAV, asked)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// position is the case's, read as the REST API reads it.
func (c *datedCase) position(t *testing.T) *positions.Position {
	t.Helper()
	set := struct {
		Components  []map[string]any `json:"components,omitempty"`
		AmountRules []map[string]any `json:"amountRules,omitempty"`
	}{c.Components, c.AmountRules}
	if c.RuleSet != "" {
		text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "rulesets", c.RuleSet+".json"))
		if err == nil {
			err = json.Unmarshal(text, &set)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for _, part := range set.Components {
		total += whole(t, part["amount"])
	}
	body, err := json.Marshal(map[string]any{
		"iupd": "case", "type": "F", "fiscalCode": "RSSMRA80A01H501U", "fullName": "Mario Rossi", "companyName": "Comune", "switchToExpired": false,
		"paymentOption": []any{map[string]any{
			"nav": casesNAV, "iuv": casesNAV[1:], "amount": total, "description": "caso", "isPartialPayment": false,
			"dueDate": storedDue + "T21:59:59Z", "sendBound": true, "components": set.Components, "amountRules": set.AmountRules,
			"transfer": []any{map[string]any{
				"idTransfer": "1", "amount": total, "remittanceInformation": "caso", "category": "9/0101100IM/", "iban": "IT60X0542811101000000123456",
			}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := rest.ReadPosition(body, creditor, instant(t, c.Asked))
	if err != nil {
		var refused *positions.Error
		errors.As(err, &refused)
		t.Fatalf("%v: %+v", err, refused)
	}
	p.Status = positions.Valid
	if c.Postponed != nil {
		c.postpone(t, &p.Options[0])
	}
	return p
}

func (c *datedCase) postpone(t *testing.T, o *positions.PaymentOption) {
	t.Helper()
	to, err := calendar.Parse(c.Postponed.To)
	if err != nil {
		t.Fatal(err)
	}
	terms := 0
	for _, term := range rules.Terms(o.AmountRules) {
		for unit, n := range map[calendar.Unit]*int{calendar.Days: c.Postponed.Days, calendar.Months: c.Postponed.Months, calendar.Semesters: c.Postponed.Semesters} {
			if n != nil && term.Unit == unit && term.Count == *n {
				term.To = to
				terms += term.Apply(o.AmountRules)
			}
		}
	}
	if terms == 0 {
		t.Fatal("no rule has the term that is postponed")
	}
}

func whole(t *testing.T, number any) int {
	t.Helper()
	switch n := number.(type) {
	case int:
		return n
	case float64: // of encoding/json
		return int(n)
	}
	t.Fatalf("%v is no amount", number)
	return 0
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// noticeOf is a store that holds one notice.
type noticeOf struct{ notice *positions.Notice }

func (n noticeOf) Notice(context.Context, string, positions.NoticeNumber) (*positions.Notice, error) {
	return n.notice, nil
}

func (n noticeOf) SavePrice(context.Context, string, positions.NoticeNumber, *positions.Price) error {
	return nil
}

func (n noticeOf) FeesPaid(context.Context, string, string, string, positions.NoticeNumber) (money.Cents, error) {
	return 0, nil
}

// The zones are far from Rome on both sides of the day, and on daylight-saving
// calendars of their own.
var zones = []string{"UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/Sao_Paulo", "Australia/Lord_Howe"}

func TestTheMachinesTimeZoneChangesNothing(t *testing.T) {
	for _, zone := range zones {
		t.Run(zone, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDatedCasesComeToWhatTheLawSays$", "-test.count=1")
			command.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TZ=") }), "TZ="+zone, zoneOfMachine+"="+zone)
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// zoneOfMachine names the zone that a test that was started in another one wants
// to find itself in.
const zoneOfMachine = "ZONE_OF_MACHINE"

func inZone(t *testing.T, name string) {
	t.Helper()
	if name == "" {
		return
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	_, want := time.Now().In(zone).Zone()
	if _, got := time.Now().Zone(); got != want {
		t.Fatalf("the machine is %d s from UTC, %s is %d s", got, name, want)
	}
}

func noCache(t *testing.T) *cache.Cache[positions.Price] {
	c := cache.New[positions.Price](cache.Options{Prefix: "cases"})
	t.Cleanup(c.Close)
	return c
}
