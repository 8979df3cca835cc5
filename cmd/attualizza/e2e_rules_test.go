package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

func TestAmountRules(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"a fine costs what its phase says, and SEND may move the phase back": phases,
		"a quote of now is the answer by SOAP, whatever the rules":           quotesAreAnswers,
		"what is not payable any more is payable again once it is postponed": postponed,
	})
}

const day = 24 * time.Hour

// fine gives a notice the rules of a fine of 173 euro and 12 of expenses.
func fine(_, option object) {
	option["amount"], option["transfer"] = 18500, []object{transfer("1", 18500)}
	option["components"] = []object{{"code": "FINE", "amount": 17300}, {"code": "EXPENSES", "amount": 1200}}
	option["amountRules"] = fineRules()
}

const (
	fineReduced = 12110 + 1200
	fineInFull  = 17300 + 1200
	fineLate    = 34750 + 1200
)

func phases(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital, fine)
	notification, err := h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients:  []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	letPass := func(by time.Duration) sandbox.Step {
		return sandbox.Step{Event: sandbox.ElapseTime, For: sandbox.Duration(by)}
	}
	for _, phase := range []struct {
		name   string
		steps  []sandbox.Step
		amount money.Cents // by rules
		term   int         // days of the term in force; 0: none
	}{
		{"under way, not perfected: as when it was issued", []sandbox.Step{{Event: sandbox.Accept}, {Event: sandbox.AnalogSend, Cost: 857}}, fineReduced, 0},
		{"viewed the day before yesterday: reduced", []sandbox.Step{letPass(80 * day), {Event: sandbox.View}, letPass(2 * day)}, fineReduced, 5},
		{"two weeks later: in full", []sandbox.Step{letPass(14 * day)}, fineInFull, 60},
		{"delivered 90 days ago, as the post says by now: late", []sandbox.Step{{Event: sandbox.AnalogDeliver, Ago: sandbox.Duration(90 * day)}}, fineLate, 0},
	} {
		for _, step := range phase.steps {
			if _, err := h.sim.Advance(notification.IUN, step); err != nil {
				t.Fatalf("%s: %v", phase.name, err)
			}
		}
		price, code := h.sim.Price(e.fiscalCode, string(d.nav))
		if code != "" {
			t.Fatal(code)
		}
		due := calendar.DayOf(time.Now().AddDate(0, 1, 0)).String()
		if phase.term > 0 {
			viewed, err := time.Parse(time.RFC3339Nano, price.NotificationViewDate)
			if err != nil {
				t.Fatal(err)
			}
			due = calendar.Span{Unit: calendar.Days, Count: phase.term}.Ends(calendar.DayOf(viewed), true, calendar.Holidays{}).String()
		}
		for _, op := range bothWays {
			reply := e.ask(t, op, d.nav)
			wants(t, reply, phase.amount+price.TotalPrice)
			if got := dueDate(reply); got != due {
				t.Errorf("%s: %s says due on %s, want %s", phase.name, op, got, due)
			}
			if p := reply.Response.Payment; p != nil && p.Transfers[0].Amount != p.Amount {
				t.Errorf("%s: the transfer carries %s of %s", phase.name, p.Transfers[0].Amount, p.Amount)
			}
		}
		a := e.answersOnRecord(t, d.nav, 1)[0]
		if a.BaseAmount != phase.amount || a.NotificationFee != price.TotalPrice {
			t.Errorf("%s: the journal says %s and %s", phase.name, a.BaseAmount, a.NotificationFee)
		}
	}
}

// dueDate is that of an OK.
func dueDate(r *nodo.Reply) string {
	switch {
	case r.Response.Verify != nil:
		return r.Response.Verify.DueDate
	case r.Response.Payment != nil:
		return r.Response.Payment.DueDate
	}
	return ""
}

func quotesAreAnswers(t *testing.T, h *house) {
	e := h.ente(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range 25 {
		kind := []int64{digital, oneLetter, viewed, notAccepted}[r.IntN(4)]
		d := e.publish(t, kind, func(_, option object) { anyRules(r, option) })
		now := time.Now()
		var quote, quoteAt rest.Quote
		e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav)+"/quote", e.key, nil, http.StatusOK, &quote)
		e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav)+"/quote?at="+url.QueryEscape(now.Format(time.RFC3339Nano)), e.key, nil, http.StatusOK, &quoteAt)
		if quote.Amount != quoteAt.Amount || quote.Payable != quoteAt.Payable {
			t.Errorf("%s: %s now, %s at the instant that is now", d.nav, quote.Amount, quoteAt.Amount)
		}
		var sum money.Cents
		for _, l := range quote.Lines {
			sum += l.Amount
		}
		if sum != quote.Amount {
			t.Errorf("%s: the lines add up to %s of %s", d.nav, sum, quote.Amount)
		}
		for _, op := range bothWays {
			reply := e.ask(t, op, d.nav)
			if !quote.Payable {
				wantsFault(t, reply, *quote.Fault)
				refused++
				continue
			}
			wants(t, reply, quote.Amount)
			if dueDate(reply) != *quote.DueDate {
				t.Errorf("%s: due on %s by SOAP, %s by REST", d.nav, dueDate(reply), *quote.DueDate)
			}
			if p := reply.Response.Payment; p != nil {
				var sum money.Cents
				for _, part := range p.Transfers {
					sum += part.Amount
				}
				if sum != quote.Amount {
					t.Errorf("%s: the transfers add up to %s of %s", d.nav, sum, quote.Amount)
				}
			}
		}
	}
	if refused == 25*len(bothWays) {
		t.Error("nothing was payable: nothing was shown")
	}
}

// anyRules gives a notice two transfers, three components and some rules.
func anyRules(r *rand.Rand, option object) {
	option["amount"] = 31000
	other := transfer("1", 1000)
	other["organizationFiscalCode"], other["companyName"] = demoBeneficiary, "Provincia di Prova"
	option["transfer"] = []object{transfer("4", 6000), other, transfer("3", 24000)} // what names no transfer goes to 3
	option["components"] = []object{
		{"code": "TAX", "amount": 20000},
		{"code": "SANCTION", "amount": 6000, "idTransfer": "4"},
		{"code": "PROVINCE", "amount": 1000, "idTransfer": "1"},
		{"code": "EXPENSES", "amount": 4000},
	}
	codes := []string{"TAX", "SANCTION", "EXPENSES"}
	effects := []func() object{
		func() object {
			return object{"type": "PERCENT", "value": fmt.Sprint(r.IntN(90) - 45), "components": codes[:1+r.IntN(3)]}
		},
		func() object { return object{"type": "PERCENT", "value": "-2/3", "components": []string{"SANCTION"}} },
		func() object {
			return object{"type": "PERCENT", "value": "3.25", "components": codes[:2], "to": "EXPENSES", "max": 500}
		},
		func() object {
			return object{"type": "INTEREST", "annualRate": "LEGAL", "plus": "1.5", "components": []string{"TAX"}}
		},
		func() object { return object{"type": "PER_SEMESTER", "value": "10", "components": []string{"TAX"}} },
		func() object {
			return object{"type": "SET", "amount": 100 + r.IntN(9000), "components": []string{"SANCTION"}}
		},
		func() object {
			return object{"type": "ADD", "amount": r.IntN(500) + 1, "components": []string{"EXPENSES"}}
		},
		func() object { return object{"type": "NOT_PAYABLE"} },
	}
	var all []object
	for range 1 + r.IntN(6) {
		effect := effects[r.IntN(len(effects))]()
		if effect["value"] == "0" {
			effect["value"] = "1"
		}
		rule := object{"anchor": "NOTIFICATION", "effect": effect}
		if r.IntN(2) == 0 {
			rule["anchor"], rule["date"] = "DATE", (calendar.DayOf(time.Now()) - calendar.Day(r.IntN(900))).String()
		}
		growing := slices.Contains([]any{"INTEREST", "PER_SEMESTER"}, effect["type"])
		if effect["type"] == "NOT_PAYABLE" || growing || r.IntN(2) == 0 {
			rule["after"] = object{"days": r.IntN(1200), "roll": "NEXT_WORKING_DAY"}
		} else {
			rule["until"] = object{"months": r.IntN(40), "suspendAugust": true}
		}
		all = append(all, rule)
	}
	option["amountRules"] = all
}

func postponed(t *testing.T, h *house) {
	e := h.ente(t)
	yesterday := calendar.DayOf(time.Now()) - 1
	d := e.publish(t, digital, func(_, option object) {
		option["amountRules"] = []object{{
			"label": "Non pagabile dopo il termine", "anchor": "DATE", "date": (yesterday - 60).String(),
			"after": object{"days": 60}, "effect": object{"type": "NOT_PAYABLE"},
		}}
	})
	for _, op := range bothWays {
		wantsFault(t, e.ask(t, op, d.nav), string(positions.RefusedExpired))
	}
	if n := e.calls(d); n != 0 {
		t.Errorf("SEND was asked %d times about what cannot be paid", n)
	}
	e.mustREST(t, http.MethodPut, "/notices/"+string(d.nav)+"/postponement", e.key, object{
		"term": object{"anchor": "DATE", "date": (yesterday - 60).String(), "days": 60}, "to": (yesterday + 8).String(), "reason": "proroga per alluvione",
	}, http.StatusOK, nil)
	for _, op := range bothWays {
		wants(t, e.ask(t, op, d.nav), d.amount+200)
	}
	var versions rest.VersionList
	e.mustREST(t, http.MethodGet, "/debtpositions/"+d.iupd+"/versions", e.key, nil, http.StatusOK, &versions)
	if v := versions.Versions[0]; v.Action != string(positions.EventPostpone) || v.Reason == nil || *v.Reason != "proroga per alluvione" {
		t.Errorf("the newest version is %+v", v)
	}
}
