package rest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

const bulkPath = "/v2/organizations/" + ente + "/debtpositions"

func batchJSON(bodies ...string) string {
	return `{"paymentPositions":[` + strings.Join(bodies, ",") + `]}`
}

func iupdsJSON(iupds ...string) string {
	return `{"paymentPositionIUPDs":["` + strings.Join(iupds, `","`) + `"]}`
}

// many are n positions, B-from on, with numbers of their own.
func many(from, n int) []string {
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = positionJSON(fmt.Sprint("B-", from+i), fmt.Sprintf("01%015d", from+i))
	}
	return bodies
}

func (h *house) count(t *testing.T) int {
	t.Helper()
	_, total, err := h.store.Positions(t.Context(), positions.PositionFilter{OrganizationFiscalCode: ente})
	must(t, err)
	return total
}

func TestABatchIsWrittenAsAWholeOrNotAtAll(t *testing.T) {
	h := openHouse(t).furnish(t)
	post := func(bodies ...string) call {
		return call{method: "POST", path: bulkPath, key: "writer", body: batchJSON(bodies...)}
	}
	put := func(bodies ...string) call {
		return call{method: "PUT", path: bulkPath, key: "writer", body: batchJSON(bodies...)}
	}
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", "01999999999999999")})
	transfer := `{"idTransfer":"3","amount":1,"remittanceInformation":"a","category":"b","iban":"IT60X0542811101000000123456"},`
	entry := `{"key":"k%d","value":"v"},`
	eleven := ""
	for i := range 10 {
		eleven += fmt.Sprintf(entry, i)
	}
	few := many(0, 3)
	third := func(old, new string) []string {
		return []string{few[0], few[1], strings.Replace(few[2], old, new, 1)}
	}
	for _, s := range []scenario{
		{"none at all", call{method: "POST", path: bulkPath, key: "writer", body: batchJSON()}, 400, []string{`"/paymentPositions"`, "1 to 100"}, nil},
		{"no list", call{method: "POST", path: bulkPath, key: "writer", body: `{}`}, 400, []string{`"/paymentPositions"`}, nil},
		{"no list but a position", call{method: "POST", path: bulkPath, key: "writer", body: `{"paymentPositions":{}}`}, 400, []string{`"/paymentPositions"`}, nil},
		{"one too many", post(many(0, 101)...), 400, []string{`"/paymentPositions"`, "101"}, nil},
		{"an item that is null", call{method: "POST", path: bulkPath, key: "writer", body: `{"paymentPositions":[null]}`}, 400, []string{`"/paymentPositions/0"`}, nil},
		{"a wrong type in the third, a wrong sum in the first", post(strings.Replace(few[0], `"amount": 10000`, `"amount": 9999`, 1), few[1], strings.Replace(few[2], `"isPartialPayment": false`, `"isPartialPayment": "no"`, 1)), 400, []string{`"/paymentPositions/2/paymentOption/0/isPartialPayment"`, `"/paymentPositions/0/paymentOption/0/amount"`}, nil},
		{"six transfers", post(third(`"transfer": [`, `"transfer": [`+strings.Repeat(transfer, 4))...), 400, []string{`"/paymentPositions/2/paymentOption/0/transfer"`, "6 transfers"}, nil},
		{"eleven metadata", post(third(`"paymentOptionMetadata": [`, `"paymentOptionMetadata": [`+eleven)...), 400, []string{`"/paymentPositions/2/paymentOption/0/paymentOptionMetadata"`}, nil},
		{"a due date that is past", post(third("2031-01-31", "2021-01-31")...), 400, []string{`"/paymentPositions/2/paymentOption/0/dueDate"`}, nil},
		{"an extension mistyped", post(third(`"sendBound"`, `"send_bound"`)...), 400, []string{`"/paymentPositions/2/paymentOption/0/send_bound"`}, nil},
		{"reserved metadata", post(third(`"pratica"`, `"NOTIFICATION_FEE"`)...), 409, []string{`"/paymentPositions/2"`}, nil},
		{"no transfer for SEND's fee", post(third(`{"idTransfer": "2", `, `{"idTransfer": "2", "organizationFiscalCode": "99999999999", `)...), 422, []string{`"/paymentPositions/2/paymentOption/0/transfer"`}, nil},
		{"an id twice", post(third("B-2", "B-0")...), 409, []string{`"/paymentPositions/2/iupd"`, "B-0"}, []string{"/nav"}},
		{"a notice number twice", post(third("01000000000000002", "01000000000000001")...), 409, []string{`"/paymentPositions/2/paymentOption/0/nav"`, `"/paymentPositions/2/paymentOption/0/iuv"`}, nil},
		{"an IUV under another notice number", post(third(`"iuv": "01000000000000002"`, `"nav":"101000000000000001","iuv": "01000000000000001"`)...), 409, []string{`"/paymentPositions/2/paymentOption/0/iuv"`}, []string{"/nav"}},
		{"an id that is there", post(third("B-2", "P-1")...), 409, []string{`"/paymentPositions/2/iupd"`}, nil},
		{"a notice number that is there", post(third("01000000000000002", "01999999999999999")...), 409, []string{`"/paymentPositions/2/paymentOption/0/nav"`, "P-1"}, nil},
		{"a batch of one that is there", post(positionJSON("B-0", "01999999999999999")), 409, []string{`"/paymentPositions/0/paymentOption/0/nav"`}, nil},
		{"a code that is not the key's", call{method: "POST", path: bulkPath, key: "segregated", body: batchJSON(positionJSON("B-0", "02000000000000001"), few[1])}, 403, []string{`"/paymentPositions/1/paymentOption/0/nav"`}, nil},
		{"a key that only reads", call{method: "POST", path: bulkPath, key: "reader", body: batchJSON(few...)}, 403, nil, nil},
		{"another organization's key", call{method: "POST", path: bulkPath, key: "foreign", body: batchJSON(few...)}, 404, nil, nil},
		{"a replacement of what is not there", put(strings.Replace(positionJSON("P-1", "01999999999999999"), "Luca", "Piero", 1), few[0]), 404, []string{`"/paymentPositions/1"`, "B-0"}, []string{"/paymentPositions/0"}},
		{"a replacement twice", put(positionJSON("P-1", "01999999999999999"), positionJSON("P-1", "01999999999999999")), 409, []string{`"/paymentPositions/1"`, "twice"}, nil},
	} {
		t.Run(s.name+" is refused", func(t *testing.T) {
			h.play(t, []scenario{s})
			if n := h.count(t); n != 1 {
				t.Fatalf("there are %d positions", n)
			}
		})
	}
	h.play(t, []scenario{
		{"nothing changed of the one that was there", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 200, []string{"Luca Verdi"}, nil},
		{"another ente may use the same numbers", call{method: "POST", path: strings.Replace(bulkPath, ente, other, 1), key: "foreign", body: batchJSON(strings.Replace(positionJSON("P-1", "01999999999999999"), `"88888888888"`, `"77777777777"`, 1))}, 201, nil, nil},
		{"a hundred are taken, without a body, as in GPD", post(many(0, 100)...), 201, nil, []string{"B-"}},
	})
	if n := h.count(t); n != 101 {
		t.Fatalf("there are %d positions", n)
	}
	h.play(t, []scenario{
		{"of which each reads as a draft", call{method: "GET", path: base + "/debtpositions/B-99", key: "reader"}, 200, []string{`"DRAFT"`, `"301000000000000099"`}, nil},
		{"published at once", call{method: "POST", path: bulkPath + "?toPublish=true", key: "writer", body: batchJSON(many(200, 2)...)}, 201, nil, nil},
		{"they are valid", call{method: "GET", path: base + "/debtpositions/B-201", key: "reader"}, 200, []string{`"VALID"`}, nil},
	})
}

func TestABatchIsReplacedAndDeleted(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.want(t, 201, call{method: "POST", path: bulkPath + "?toPublish=true", key: "writer", body: batchJSON(many(0, 30)...)})
	_, err := h.store.SaveReceipt(t.Context(), &positions.Receipt{OrganizationFiscalCode: ente, ReceiptID: "r1", CreditorFiscalCode: ente, NAV: "301000000000000005", Operation: "paSendRT", Outcome: "OK", PaymentAmount: 12000, ReceivedAt: time.Now()})
	must(t, err)
	changed := many(0, 5)
	for i := range changed {
		changed[i] = strings.Replace(changed[i], "Verbale 1", "Verbale nuovo", 1)
	}
	swapped := []string{
		positionJSON("B-0", "01000000000000001"), positionJSON("B-1", "01000000000000000"),
	}
	put := func(bodies ...string) call {
		return call{method: "PUT", path: bulkPath, key: "writer", body: batchJSON(bodies...)}
	}
	remove := func(body string) call { return call{method: "DELETE", path: bulkPath, key: "writer", body: body} }
	read := func(iupd string) call {
		return call{method: "GET", path: base + "/debtpositions/" + iupd, key: "reader"}
	}
	var ids []string
	for i := range 21 {
		ids = append(ids, fmt.Sprint("B-", i+6))
	}
	h.play(t, []scenario{
		{"what is paid refuses the whole batch, and is named", put(append(changed, many(5, 1)...)...), 409, []string{`"/paymentPositions/5"`, "PAID"}, nil},
		{"so the others stay", read("B-0"), 200, []string{`"VALID"`, `"Verbale 1"`}, nil},
		{"a number of a position beside the batch is a conflict", put(changed[0], positionJSON("B-1", "01000000000000007")), 409, []string{`"/paymentPositions/1/paymentOption/0/nav"`, "B-7"}, nil},
		{"so the others stay", read("B-0"), 200, []string{`"Verbale 1"`}, nil},
		{"a batch is replaced by drafts, as in GPD", put(changed...), 200, nil, nil},
		{"all of them", read("B-4"), 200, []string{`"DRAFT"`, "Verbale nuovo"}, nil},
		{"or published", call{method: "PUT", path: bulkPath + "?toPublish=true", key: "writer", body: batchJSON(changed...)}, 200, nil, nil},
		{"all of them", read("B-4"), 200, []string{`"VALID"`}, nil},
		{"two positions exchange their numbers, as in GPD", put(swapped...), 200, nil, nil},
		{"so the first has the second's", read("B-0"), 200, []string{`"301000000000000001"`}, nil},
		{"and may have its own again", put(changed[:2]...), 200, nil, nil},
		{"a key of another code sees none of them", call{method: "PUT", path: bulkPath, key: "segregated", body: batchJSON(positionJSON("B-0", "02000000000000001"))}, 404, []string{`"/paymentPositions/0"`}, nil},
		{"twenty-one are too many to delete", remove(iupdsJSON(ids...)), 400, []string{`"/paymentPositionIUPDs"`, "21"}, nil},
		{"none are too few", remove(`{"paymentPositionIUPDs":[]}`), 400, []string{`"/paymentPositionIUPDs"`}, nil},
		{"an id is text", remove(`{"paymentPositionIUPDs":[5]}`), 400, []string{`"/paymentPositionIUPDs/0"`}, nil},
		{"one that is not there refuses all", remove(iupdsJSON("B-0", "B-99")), 404, []string{`"/paymentPositionIUPDs/1"`}, []string{"/paymentPositionIUPDs/0"}},
		{"one that is there twice too", remove(iupdsJSON("B-0", "B-1", "B-0")), 409, []string{`"/paymentPositionIUPDs/2"`}, nil},
		{"one that is paid too", remove(iupdsJSON("B-0", "B-5")), 409, []string{`"/paymentPositionIUPDs/1"`, "PAID"}, nil},
		{"one of another code too", call{method: "DELETE", path: bulkPath, key: "segregated", body: iupdsJSON("B-0")}, 404, nil, nil},
		{"one of another organization too", call{method: "DELETE", path: bulkPath, key: "foreign", body: iupdsJSON("B-0")}, 404, nil, nil},
	})
	if n := h.count(t); n != 30 {
		t.Fatalf("there are %d positions", n)
	}
	h.play(t, []scenario{{"twenty are deleted, in GPD's words", remove(iupdsJSON(ids[:20]...)), 200, []string{`"The debt position was successfully deleted"`}, nil}})
	if n := h.count(t); n != 10 {
		t.Fatalf("there are %d positions", n)
	}
}

// disturbed lets somebody else change a position before every write of a batch.
type disturbed struct {
	Store
	store positions.Store
	left  int
}

func (d *disturbed) UpdatePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error {
	if d.left > 0 {
		d.left--
		p, err := d.store.Position(ctx, ente, ps[0].IUPD)
		if err != nil {
			return err
		}
		if err := d.store.UpdatePosition(ctx, p, positions.Change{Action: "DISTURB", At: c.At}); err != nil {
			return err
		}
	}
	return d.Store.UpdatePositions(ctx, ps, c)
}

func TestABatchIsJudgedAgainWhenSomebodyWasFaster(t *testing.T) {
	var d disturbed
	h := openHouse(t, func(c *Config) { d.Store, c.Store = c.Store, &d }).furnish(t)
	d.store = h.store
	h.want(t, 201, call{method: "POST", path: bulkPath, key: "writer", body: batchJSON(many(0, 3)...)})
	for _, tt := range []struct{ times, status int }{{maxAttempts - 1, 200}, {maxAttempts, 409}} {
		d.left = tt.times
		h.want(t, tt.status, call{method: "PUT", path: bulkPath, key: "writer", body: batchJSON(many(0, 3)...)})
		d.left = tt.times
		h.want(t, tt.status, call{method: "PATCH", path: base + "/debtpositions/transfers?oldIban=IT60X0542811101000000123456", key: "writer", body: `{"newIban":"IT60X0542811101000000123456x"}`})
		h.want(t, 200, call{method: "PATCH", path: base + "/debtpositions/transfers?oldIban=IT60X0542811101000000123456x", key: "writer", body: `{"newIban":"IT60X0542811101000000123456"}`})
	}
}
