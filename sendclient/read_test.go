package sendclient

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"pgregory.net/rapid"
)

func TestFormula(t *testing.T) {
	for _, tt := range []struct {
		name                         string
		analog, vat, pa, send, total int64
		want                         bool
	}{
		{"digital", 0, 22, 100, 100, 200, true},
		{"two registered letters, VAT on the sum", 969 + 963, 22, 100, 100, 2557, true},
		{"an exact half rounds up", 850, 15, 0, 100, 1078, true},
		{"half of one cent", 1, 50, 0, 100, 102, true},
		{"no VAT", 2496, 0, 1, 100, 2597, true},
		{"zero with components: a notice that does not carry the cost", 857, 22, 100, 100, 0, true},
		{"VAT on each letter", 761 + 761, 22, 100, 100, 2056, false},
		{"without the sender's fee", 1001, 22, 100, 100, 1321, false},
		{"components beyond 64 bits", 1 << 62, 100, 1 << 62, 1 << 62, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cents := func(n int64) *money.Cents { c := money.Cents(n); return &c }
			vat := int(tt.vat)
			p := Price{TotalPrice: money.Cents(tt.total), VAT: &vat, PAFee: cents(tt.pa), SendFee: cents(tt.send), AnalogCost: cents(tt.analog)}
			if got := p.addsUp(); got != tt.want {
				t.Errorf("addsUp is %v", got)
			}
		})
	}
}

// Math.round(analog + analog*vat/100) of SEND's sources is half up on the exact
// value; here in integers, twice the value to keep the half.
func TestFormulaAgreesWithSENDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		analog := rapid.Int64Range(0, 50_000).Draw(t, "analog")
		vat := rapid.IntRange(0, 100).Draw(t, "vat")
		pa := rapid.Int64Range(0, 100).Draw(t, "paFee")
		send := int64(100)
		twice := 2*analog*int64(100+vat) + 100
		total := money.Cents(send + twice/200 + pa)
		c := func(n int64) *money.Cents { v := money.Cents(n); return &v }
		p := Price{TotalPrice: total, VAT: &vat, PAFee: c(pa), SendFee: c(send), AnalogCost: c(analog)}
		if !p.addsUp() {
			t.Fatalf("%d cents of paper at %d %% do not give %d", analog, vat, total)
		}
		p.TotalPrice++
		if p.addsUp() {
			t.Fatal("a cent more adds up too")
		}
	})
}

// FuzzRead feeds arbitrary answers to the parser: it must not panic, must give
// either an answer or an error, and must never turn a body into a price that
// the body does not hold.
func FuzzRead(f *testing.F) {
	for _, seed := range []struct {
		status int
		body   string
	}{
		{200, digital},
		{200, `{"iun":"I","partialPrice":2032,"totalPrice":2557,"vat":22,"paFee":100,"refinementDate":"2026-03-29T23:59:59.999999999+02:00","sendFee":100,"analogCost":1932}`},
		{200, `{"totalPrice":null}`},
		{200, `{"totalPrice":2.5}`},
		{200, `{"totalPrice":1e2}`},
		{200, `{"totalPrice":-0}`},
		{200, `{"totalprice":1,"TOTALPRICE":2}`},
		{200, `null`},
		{200, ``},
		{200, "\xef\xbb\xbf{}"},
		{200, `{"totalPrice":100,"vat":1000,"paFee":"x","iun":{"a":[1]}}`},
		{404, problem(404, "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND")},
		{404, `{"errors":null}`},
		{404, `{"errors":[{}]}`},
		{403, `{"Message":"explicit deny"}`},
		{429, `{}`},
		{500, `<html>`},
		{302, ``},
		{999, ``},
	} {
		f.Add(seed.status, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer, failure := read(status, body)
		switch {
		case failure != nil:
			if failure.Kind == "" || answer != (Answer{}) {
				t.Fatalf("a failure %+v with an answer %+v", failure, answer)
			}
			if strings.ContainsAny(failure.Code, " \r\n<>\"") {
				t.Fatalf("code %q", failure.Code)
			}
		case answer.NoCost != "":
			if status != 404 {
				t.Fatalf("no cost from HTTP %d", status)
			}
		default:
			if status != 200 {
				t.Fatalf("a price from HTTP %d", status)
			}
			p := answer.Price
			if p.TotalPrice < 0 || p.TotalPrice > MaxPrice || p.PartialPrice != nil && (*p.PartialPrice < 0 || *p.PartialPrice > MaxPrice) {
				t.Fatalf("a price of %d, %v cents", p.TotalPrice, p.PartialPrice)
			}
			if !strings.Contains(string(body), fmt.Sprint(int64(p.TotalPrice))) && p.TotalPrice != 0 {
				t.Fatalf("%d cents are not in the body", p.TotalPrice)
			}
			p.addsUp()
			again, err := json.Marshal(answer)
			var back Answer
			if err != nil || json.Unmarshal(again, &back) != nil {
				t.Fatalf("the answer cannot be cached: %v", err)
			}
		}
	})
}
