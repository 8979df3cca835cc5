package actualize_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
	"github.com/attualizza/attualizza/sendclient"
	"github.com/attualizza/attualizza/soap"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// asking is an Actualizer whose clock stands at the case's instant and whose SEND
// knows what the case says.
func (c *datedCase) asking(t *testing.T) *actualize.Actualizer {
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
	return a
}

// organizations holds one that may ask SEND, with the case's policy.
func (c *datedCase) organizations(t *testing.T) *registry.Registry {
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
		FiscalCode: creditor, CompanyName: "Comune", BrokerCode: broker, Stations: []positions.Station{{Code: station}},
		Policy: policy, Send: &positions.Send{Route: positions.RouteDirect},
		Sealed: map[positions.Secret][]byte{positions.SecretSendAPIKey: key},
	}}, box, slog.New(slog.DiscardHandler), nil)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (c *datedCase) organization(t *testing.T) *registry.Organization {
	t.Helper()
	org, _ := c.organizations(t).Organization(creditor)
	return org
}

// tell asks over SOAP at the case's instant.
func (c *datedCase) tell(t *testing.T, op pafornode.Operation) *pafornode.Response {
	t.Helper()
	server := httptest.NewServer(soap.New(soap.Config{
		Directory: c.organizations(t), Quoter: c.asking(t), Recorder: forgets{}, Receipts: forgets{}, Budget: 5 * time.Second, MaxInFlight: 1,
	}))
	defer server.Close()
	client := nodo.Client{Endpoint: server.URL, HTTP: server.Client()}
	reply, err := client.Send(t.Context(), &pafornode.Request{
		Operation: op, IDPA: creditor, IDBrokerPA: broker, IDStation: station,
		QRCode: pafornode.QRCode{FiscalCode: creditor, NoticeNumber: casesNAV},
	})
	if err != nil || reply.Response == nil {
		t.Fatalf("%v, %s", err, reply.Body)
	}
	return reply.Response
}

// forgets keeps neither answers nor receipts.
type forgets struct{}

func (forgets) Record(context.Context, positions.Answer) bool { return true }
func (forgets) SaveReceipt(context.Context, *positions.Receipt) (bool, error) {
	return false, errors.New("nobody pays here")
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

func (n noticeOf) ReopenPrice(context.Context, string, positions.NoticeNumber, time.Time) error {
	return nil
}

func (n noticeOf) FeesPaid(context.Context, string, string, string, positions.NoticeNumber) (money.Cents, error) {
	return 0, nil
}

func noCache(t *testing.T) *cache.Cache[positions.Price] {
	c := cache.New[positions.Price](cache.Options{Prefix: "cases"})
	t.Cleanup(c.Close)
	return c
}
