package rest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// listed is what a list shows, by id and notice number.
func listed(t *testing.T, a answer) string {
	t.Helper()
	var all []string
	for _, p := range a.json(t)["payment_position_list"].([]any) {
		position := p.(map[string]any)
		text := position["iupd"].(string)
		for _, o := range position["paymentOption"].([]any) {
			text += " " + o.(map[string]any)["iuv"].(string)[:4]
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestDebtPositionsAreListed(t *testing.T) {
	h := openHouse(t).furnish(t)
	post := base + "/debtpositions?toPublish=true"
	for i, due := range []string{"2031-01-31T10:00:00Z", "2031-02-28T23:59:59Z", "2031-03-01T00:00:00Z"} {
		body := strings.Replace(positionJSON(fmt.Sprint("P-", i), fmt.Sprintf("01%02d0000000000000", i)), "2031-01-31T10:00:00Z", due, 1)
		body = strings.Replace(body, "Comune di Esempio", fmt.Sprint("Comune ", 9-i), 1)
		h.want(t, 201, call{method: "POST", path: post, key: "writer", body: body})
	}
	// One more, of two options in two segregation codes.
	two := strings.Replace(positionJSON("P-3", "01030000000000000"), "Comune di Esempio", "Comune 0", 1)
	option := two[strings.Index(two, "[{")+1 : strings.LastIndex(two, "]}")]
	second := strings.NewReplacer("01030000000000000", "02030000000000000", "2031-01-31T10:00:00Z", "2031-06-30T10:00:00Z").Replace(option)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: strings.Replace(two, option, option+","+second, 1)})
	_, err := h.store.SaveReceipt(t.Context(), &positions.Receipt{
		OrganizationFiscalCode: ente, ReceiptID: "r1", CreditorFiscalCode: ente, NAV: "301000000000000000", Operation: "paSendRTV2", Outcome: "OK",
		PaymentAmount: 12000, PaymentDateTime: time.Date(2026, 5, 2, 23, 30, 0, 0, time.UTC), ReceivedAt: time.Now(),
	})
	must(t, err)

	for _, tt := range []struct{ name, query, want string }{
		{"newest first, drafts too", "", "P-3 0103 0203, P-2 0102, P-1 0101, P-0 0100"},
		{"oldest first", "?ordering=ASC", "P-0 0100, P-1 0101, P-2 0102, P-3 0103 0203"},
		{"by company", "?orderby=COMPANY_NAME&ordering=ASC", "P-3 0103 0203, P-2 0102, P-1 0101, P-0 0100"},
		{"by id, a page of it", "?orderby=IUPD&ordering=ASC&limit=2&page=1", "P-2 0102, P-3 0103 0203"},
		{"of a status", "?status=PAID", "P-0 0100"},
		{"of another", "?status=DRAFT", "P-3 0103 0203"},
		{"due in a range of days, both included, with the options that are", "?due_date_from=2031-01-31&due_date_to=2031-02-28", "P-3 0103, P-1 0101, P-0 0100"},
		{"due on one day", "?due_date_from=2031-03-01&due_date_to=2031-03-01", "P-2 0102"},
		{"due in the 30 days from a day on", "?due_date_from=2031-02-01", "P-2 0102, P-1 0101"},
		{"due in the 30 days up to a day", "?due_date_to=2031-03-01", "P-3 0103, P-2 0102, P-1 0101, P-0 0100"},
		{"due in the 30 days up to a later day", "?due_date_to=2031-03-03", "P-2 0102, P-1 0101"},
		{"due when only a second option is", "?due_date_from=2031-06-30", "P-3 0203"},
		{"paid on a day", "?payment_date_from=2026-05-02&payment_date_to=2026-05-02", "P-0 0100"},
		{"paid on the next day", "?payment_date_from=2026-05-03", ""},
		{"paid in a range of instants", "?payment_date_time_from=2026-05-02T23:30:00&payment_date_time_to=2026-05-02T23:30:00", "P-0 0100"},
		{"paid a second later", "?payment_date_time_from=2026-05-02T23:30:01", ""},
		{"paid up to that instant", "?payment_date_time_to=2026-05-02T23:30:00Z", "P-0 0100"},
		{"a page beyond the last", "?page=4", ""},
		{"by parameters that are empty, which is by none", "?status=&limit=&page=&orderby=&ordering=&due_date_from=&due_date_to=&payment_date_time_to=", "P-3 0103 0203, P-2 0102, P-1 0101, P-0 0100"},
		{"by some that are and some that nobody knows", "?status=DRAFT&due_date_from=&due_date_to&sort=iupd", "P-3 0103 0203"},
	} {
		a := h.want(t, 200, call{method: "GET", path: base + "/debtpositions" + tt.query, key: "reader"})
		if got := listed(t, a); got != tt.want {
			t.Errorf("%s: listed %q, want %q", tt.name, got, tt.want)
		}
	}
	a := h.want(t, 200, call{method: "GET", path: base + "/debtpositions", key: "segregated"})
	if got := listed(t, a); got != "P-3 0203" {
		t.Errorf("a key of code 02 is shown %q", got)
	}
	list := func(query string) call {
		return call{method: "GET", path: base + "/debtpositions" + query, key: "reader"}
	}
	h.play(t, []scenario{
		{"a list tells its pages as GPD does", list("?limit=3&page=1"), 200, []string{`"page_info":{"items_found":1,"limit":3,"page":1,"total_pages":2}`, `"payment_position_list":[`}, nil},
		{"and the debtor, as a read does", list(""), 200, []string{"Luca Verdi"}, nil},
		{"two kinds of ranges exclude each other", list("?due_date_from=2031-01-01&payment_date_to=2031-01-01"), 400, []string{`"payment_date_to: cannot be given beside due_date_from or due_date_to`, `"pointer":"payment_date_to"`}, nil},
		{"so do days and instants of payment", list("?payment_date_from=2031-01-01&payment_date_time_from=2031-01-01T00:00:00Z"), 400, []string{`"payment_date_time_from"`}, nil},
		{"a range ends after it begins", list("?due_date_from=2031-01-02&due_date_to=2031-01-01"), 400, []string{`"due_date_to"`, "before"}, nil},
		{"a range of thirty days is asked for", list("?due_date_from=2031-01-01&due_date_to=2031-01-31"), 200, nil, nil},
		{"one of thirty-one is too long", list("?due_date_from=2031-01-01&due_date_to=2031-02-01"), 400, []string{`"due_date_to"`, "30 days"}, nil},
		{"a day is one", list("?due_date_from=2031-02-30"), 400, []string{`"due_date_from"`, "2027-01-31"}, nil},
		{"a day of the end of time is none", list("?due_date_from=9999-12-31"), 400, []string{`"due_date_from"`}, nil},
		{"an instant is one", list("?payment_date_time_to=yesterday"), 400, []string{`"payment_date_time_to"`}, nil},
		{"a status is one of GPD's", list("?status=valid"), 400, []string{`"status"`, "PARTIALLY_PAID"}, nil},
		{"an order is one of GPD's", list("?orderby=AMOUNT"), 400, []string{`"orderby"`, "INSERTED_DATE"}, nil},
		{"a direction is one of two", list("?ordering=asc"), 400, []string{`"ordering"`}, nil},
		{"a page has at most 50", list("?limit=51&status=x"), 400, []string{`"limit"`, `"status"`}, nil},
		{"and at least one", list("?limit=0"), 400, []string{`"limit"`}, nil},
		{"another organization's list is not there", call{method: "GET", path: base + "/debtpositions", key: "foreign"}, 404, nil, nil},
	})
}

// countingStore counts the times that prices are read.
type countingStore struct {
	Store
	prices atomic.Int64
}

func (s *countingStore) Prices(ctx context.Context, fiscalCode string, navs []positions.NoticeNumber) (map[positions.NoticeNumber]*positions.Price, error) {
	s.prices.Add(1)
	return s.Store.Prices(ctx, fiscalCode, navs)
}

func TestAListReadsItsPricesAtOnce(t *testing.T) {
	var counting countingStore
	h := openHouse(t, func(c *Config) { counting.Store, c.Store = c.Store, &counting }).furnish(t)
	for i := range 12 {
		h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON(fmt.Sprint("P-", i), fmt.Sprintf("01%02d0000000000000", i))})
	}
	must(t, h.store.SavePrice(t.Context(), ente, "301070000000000000", &positions.Price{TotalPrice: 710, FetchedAt: time.Now()}))
	before := counting.prices.Load()
	a := h.want(t, 200, call{method: "GET", path: base + "/debtpositions?limit=50", key: "reader"})
	if n := counting.prices.Load() - before; n != 1 {
		t.Errorf("the prices of a page were read in %d queries", n)
	}
	if body := string(a.body); strings.Count(body, `"notificationFee":710`) != 1 || strings.Count(body, `"amount":12710`) != 1 {
		t.Errorf("the fee of one notice is not in its amounts: %s", body)
	}
}
