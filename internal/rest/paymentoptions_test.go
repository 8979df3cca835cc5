package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/attualizza/attualizza/positions"
)

const (
	optionNAV  = "301000000000000177"
	optionPath = base + "/paymentoptions/" + optionNAV
	receipt    = `{"pspCompany":"Banca di Esempio","idReceipt":"rt-1","fee":150}`
)

// create stores a valid position of one option, [optionNAV], bound to SEND.
func (h *house) create(t *testing.T, edits ...string) {
	t.Helper()
	body := strings.NewReplacer(edits...).Replace(positionJSON("P-1", optionNAV[1:]))
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: body})
}

func TestPaymentsAreInTheHistory(t *testing.T) {
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			h := openHouseOn(t, open).furnish(t)
			const second = "301000000000000278"
			h.create(t)
			h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-2", second[1:])})
			h.want(t, 200, call{method: "GET", path: optionPath, key: "reader"}) // SEND says 710
			h.want(t, 200, call{method: "POST", path: optionPath + "/pay", key: "writer", body: receipt})
			h.want(t, 200, call{method: "POST", path: base + "/paymentoptions/paids/" + second, key: "writer", body: `{}`})
			id, _, _ := strings.Cut(h.keys["writer"], ".")
			for iupd, c := range map[string]struct {
				action string
				want   positions.OptionPayment
			}{
				"P-1": {"PAY", positions.OptionPayment{PSP: "Banca di Esempio", ReceiptID: "rt-1", Amount: 12710, PSPFee: 150, NotificationFee: 710, IUN: "ABCD-EFGH-ILMN-202611-A-1"}},
				"P-2": {"PAID_OUTSIDE", positions.OptionPayment{Amount: 12000}},
			} {
				versions, err := h.store.Versions(t.Context(), ente, iupd)
				must(t, err)
				if v := versions[0]; v.Action != c.action || v.Actor != (positions.Actor{Kind: "KEY", ID: id}) || v.Status != positions.Paid || v.Life != positions.Closed {
					t.Errorf("%s: the last version is %+v", iupd, v)
				}
				p, err := h.store.Position(t.Context(), ente, iupd)
				must(t, err)
				c.want.Date = p.PaymentDate
				if got := p.Options[0].Payment; got == nil || *got != c.want || got.Date.IsZero() {
					t.Errorf("%s: paid as %+v, want %+v", iupd, got, c.want)
				}
			}
		})
	}
}

func TestOfManyPaymentsAtOnceOneCounts(t *testing.T) {
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			h := openHouseOn(t, open).furnish(t)
			h.create(t)
			statuses := make(chan int, 8)
			var all sync.WaitGroup
			for i := range cap(statuses) {
				all.Go(func() {
					body := fmt.Sprintf(`{"pspCompany":"Banca","idReceipt":"rt-%d"}`, i)
					statuses <- h.do(t, call{method: "POST", path: optionPath + "/pay", key: "writer", body: body}).status
				})
			}
			all.Wait()
			close(statuses)
			count := map[int]int{}
			for s := range statuses {
				count[s]++
			}
			if count[200] != 1 || count[409] != cap(statuses)-1 {
				t.Errorf("statuses %v", count)
			}
		})
	}
}

func TestAKeyWritesToItsNoticesWhateverElseTheirPositionHolds(t *testing.T) {
	h := openHouse(t).furnish(t)
	// One option of the key's segregation code, 02, beside one of 01.
	instalment := func(iuv string) string {
		return `{"iuv":"` + iuv + `","amount":100,"description":"Rata","isPartialPayment":true,"dueDate":"2031-01-31T10:00:00Z","transfer":[
			{"idTransfer":"1","amount":100,"remittanceInformation":"rata","category":"9/0101100IM/","iban":"IT60X0542811101000000123456"}]}`
	}
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: `{"iupd":"P-1","type":"F","fiscalCode":"VRDLCU80A01H501X",
		"fullName":"Luca Verdi","companyName":"Comune","switchToExpired":false,"paymentOption":[` + instalment("01000000000000177") + `,` + instalment("02000000000000177") + `]}`})
	const own, others = base + "/paymentoptions/302000000000000177", base + "/paymentoptions/301000000000000177"
	const ownNotice, anothersNotice = base + "/notices/302000000000000177", base + "/notices/301000000000000177"
	h.play(t, []scenario{
		{"its own notice reads", call{method: "GET", path: own, key: "segregated"}, 200, []string{`"amount":100`}, nil},
		{"is verified", call{method: "GET", path: ownNotice, key: "segregated"}, 200, []string{`"amount":100`}, nil},
		{"gets another amount", call{method: "PUT", path: ownNotice + "/amount", key: "segregated", body: `{"amount":90,"reason":"sconto"}`}, 200, []string{`"amount":90`}, nil},
		{"and the first again", call{method: "PUT", path: ownNotice + "/amount", key: "segregated", body: `{"amount":100,"reason":"era giusto"}`}, 200, []string{`"amount":100`}, nil},
		{"gets a fee", call{method: "PUT", path: own + "/notificationfee", key: "segregated", body: `{"notificationFee":10}`}, 200, []string{`"amount":110`}, nil},
		{"and is paid", call{method: "POST", path: own + "/pay", key: "segregated", body: receipt}, 200, []string{`"PO_PAID"`}, []string{"301000000000000177"}},
		{"another is not there to read", call{method: "GET", path: others, key: "segregated"}, 404, nil, nil},
		{"nor for an amount", call{method: "PUT", path: anothersNotice + "/amount", key: "segregated", body: `{"amount":90,"reason":"sconto"}`}, 404, nil, nil},
		{"nor for a fee", call{method: "PUT", path: others + "/notificationfee", key: "segregated", body: `{"notificationFee":10}`}, 404, nil, nil},
		{"nor to pay", call{method: "POST", path: others + "/pay", key: "segregated", body: receipt}, 404, nil, nil},
	})
}

func TestAnAmountThatThePolicyRefusesIsNotRead(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.send.Store(sendAnswers(500, `{}`))
	h.create(t)
	h.play(t, []scenario{
		{"without SEND the amount known is read", call{method: "GET", path: optionPath, key: "reader"}, 200, []string{`"amount":12000`, `"payable":true`}, nil},
		{"the organization prefers to refuse", call{method: "PUT", path: base, key: "admin", body: strings.Replace(organizationJSON, `"officeName"`, `"policy":{"onSendUnavailable":"REFUSE"},"officeName"`, 1)}, 200, nil, nil},
		{"then nobody reads an amount to ask for", call{method: "GET", path: optionPath, key: "reader"}, 503, []string{"policy"}, []string{"12000"}},
		{"unless a fee was pushed", call{method: "PUT", path: optionPath + "/notificationfee", key: "writer", body: `{"notificationFee":300}`}, 200, nil, nil},
		{"which is then what is known", call{method: "GET", path: optionPath, key: "reader"}, 200, []string{`"amount":12300`, `"LAST_KNOWN"`}, nil},
	})
}

func TestAFeeOfAPSPIsTextOrANumber(t *testing.T) {
	for fee, status := range map[string]int{
		`150`: 200, `"150"`: 200, `"0"`: 200, `null`: 200, `"0150"`: 200, `99999999999`: 200,
		`-1`: 400, `"-1"`: 400, `1.5`: 400, `"1,50"`: 400, `""`: 400, `true`: 400, `"+1"`: 400, `100000000000`: 400, `1e2`: 400, `99999999999999999999`: 400,
	} {
		h := openHouse(t).furnish(t)
		h.create(t, `"sendBound": true`, `"sendBound": false`)
		body := strings.Replace(receipt, "150", fee, 1)
		a := h.want(t, status, call{method: "POST", path: optionPath + "/pay", key: "writer", body: body, lenient: true})
		if status == 400 && !strings.Contains(string(a.body), `"pointer":"/fee"`) {
			t.Errorf("%s: %s", fee, a.body)
		}
	}
}

func TestOnlyWhatGPDHasTooSpeaksInItsWords(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.play(t, []scenario{
		{"a notice of ours", call{method: "GET", path: base + "/notices/" + optionNAV, key: "reader"}, 404, []string{`"title":"Not found"`}, nil},
		{"a receipt of ours", call{method: "GET", path: base + "/receipts/r", key: "reader"}, 404, []string{`"title":"Not found"`}, nil},
		{"a key that is not known, at the door", call{method: "GET", path: optionPath, key: "nobody's"}, 401, []string{`"A valid key is needed"`}, nil},
		{"a key that may not", call{method: "POST", path: optionPath + "/pay", key: "reader", body: receipt}, 403, []string{`"The key may not do this"`}, nil},
		{"a notice that is not there, whatever version is named", call{method: "POST", path: optionPath + "/pay", key: "writer", body: receipt, header: http.Header{"If-Match": {`"9"`}}}, 404, []string{"Not found the payment option"}, nil},
		{"an iupd that reads as if it were escaped", call{method: "GET", path: base + "/debtpositions/A%2541", key: "reader"}, 404, []string{`IUPD A%41"`}, nil},
		{"one that is", call{method: "GET", path: base + "/debtpositions/A%2F%2541", key: "reader"}, 404, []string{`IUPD A/%41"`}, nil},
		{"a body that is no JSON by its type", call{method: "POST", path: optionPath + "/pay", key: "writer", body: receipt, header: http.Header{"Content-Type": {"text/plain"}}}, 415, []string{`"The body must be JSON"`}, nil},
	})
}

func TestWhoSendsAnIUVIsToldWhatANoticeNumberIs(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.create(t)
	get := func(path string) call { return call{method: "GET", path: base + path, key: "reader", lenient: true} }
	h.play(t, []scenario{
		{"of 17 digits", get("/paymentoptions/" + optionNAV[1:]), 404, []string{`"pointer":"nav"`, "aux digit in front", "Not found the payment option"}, nil},
		{"of 15 digits", get("/paymentoptions/" + optionNAV[3:]), 404, []string{"aux digit in front"}, nil},
		{"to pay", call{method: "POST", path: base + "/paymentoptions/" + optionNAV[1:] + "/pay", key: "writer", body: receipt}, 404, []string{"aux digit in front"}, nil},
		{"at a path of ours", get("/notices/" + optionNAV[1:]), 400, []string{`"pointer":"nav"`, "aux digit in front"}, nil},
		{"what is no IUV either", get("/paymentoptions/x1000000000000177"), 404, nil, []string{"aux digit"}},
		{"a notice number of nobody's", get("/paymentoptions/301000000000000999"), 404, nil, []string{"aux digit"}},
	})
}
