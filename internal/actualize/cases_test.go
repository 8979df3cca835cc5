package actualize_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
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
	broker    = "15376371009"
	station   = "15376371009_01"
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
	for _, part := range q.Notice.Option.Components {
		parts[part.Code] = 0 // a line of nothing is not told
	}
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
			quoted := c.quote(t)
			verify, activation := c.tell(t, pafornode.VerifyPaymentNotice), c.tell(t, pafornode.GetPaymentV2)
			if quoted.Refusal != positions.Payable {
				if verify.Fault == nil || activation.Fault == nil || verify.Fault.Code != string(quoted.Refusal) || activation.Fault.Code != string(quoted.Refusal) {
					t.Errorf("quoted as %s, told %+v and %+v", quoted.Refusal, verify, activation)
				}
				return
			}
			v, p := verify.Verify, activation.Payment
			if v == nil || p == nil {
				t.Fatalf("quoted as payable, told %+v and %+v", verify.Fault, activation.Fault)
			}
			var parts money.Cents
			for i := range p.Transfers {
				parts += p.Transfers[i].Amount
			}
			if v.Amount != quoted.Amount || p.Amount != quoted.Amount || parts != quoted.Amount {
				t.Errorf("quoted %s, told %s and %s in transfers of %s", quoted.Amount, v.Amount, p.Amount, parts)
			}
			if v.DueDate != quoted.DueDate || p.DueDate != quoted.DueDate {
				t.Errorf("due on %s by the quote, told %s and %s", quoted.DueDate, v.DueDate, p.DueDate)
			}
		})
	}
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
