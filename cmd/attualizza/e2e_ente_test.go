package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// ente is an organization that is registered for one scenario, known to the
// simulator too.
type ente struct {
	h          *house
	fiscalCode string
	sendKey    string         // for SEND
	body       map[string]any // of its registration
	key        string         // of its debt-position system
}

var (
	nextEnte   atomic.Int64
	nextNotice atomic.Int64
)

// object is the JSON of a registration or a position; scenarios change what
// they are about.
type object = map[string]any

// ente registers an organization whose key for SEND wants no voucher, after
// changes to its registration.
func (h *house) ente(t testing.TB, changes ...func(body object)) *ente {
	t.Helper()
	e := &ente{h: h, fiscalCode: fmt.Sprintf("8%010d", nextEnte.Add(1)), sendKey: rand.Text()}
	e.body = object{
		"companyName": "Comune di Prova", "officeName": "Tributi", "brokerCode": demoBroker,
		"stations": []object{{"stationCode": demoStation, "broadcast": false}},
		"send":     object{"apiKey": e.sendKey, "route": "DIRECT", "pdnd": object{"mode": "FORBIDDEN"}},
		"policy":   object{},
	}
	for _, change := range changes {
		change(e.body)
	}
	if err := h.sim.RegisterKey(sandbox.APIKey{Name: e.fiscalCode, Value: e.sendKey, SenderTaxID: e.fiscalCode, PDND: voucherRule(e.body)}); err != nil {
		t.Fatal(err)
	}
	e.register(t, http.StatusCreated)
	var issued struct{ Key string }
	e.mustREST(t, http.MethodPost, "/api-keys", h.adminKey, object{"name": "gestionale", "role": "WRITER"}, http.StatusCreated, &issued)
	e.key = issued.Key
	return e
}

// register sends the registration as it is now.
func (e *ente) register(t testing.TB, want int) {
	t.Helper()
	status, problem, err := e.callREST(http.MethodPut, "", e.h.adminKey, e.body, nil)
	for try := 0; err == nil && status == http.StatusServiceUnavailable && try < 3; try++ {
		// A busy machine: the registration says that it is stored and not yet in force.
		if status, problem, err = e.callREST(http.MethodPut, "", e.h.adminKey, e.body, nil); status == http.StatusOK {
			status = want
		}
	}
	if err != nil || status != want {
		t.Fatalf("PUT organization: %d, want %d: %+v %v", status, want, problem, err)
	}
}

func voucherRule(body object) sandbox.VoucherRule {
	if body["send"].(object)["pdnd"].(object)["mode"] == "REQUIRED" {
		return sandbox.VoucherRequired
	}
	return sandbox.VoucherForbidden
}

// policy changes one choice of the organization.
func policy(name string, value any) func(object) {
	return func(body object) { body["policy"].(object)[name] = value }
}

// askEveryTime makes every answer ask SEND.
var askEveryTime = policy("priceFreshFor", "0s")

// withVoucher makes the organization a client of PDND, which the simulator
// knows by the key's public half.
func (h *house) withVoucher(t testing.TB) func(object) {
	private, encoded := pdndKey(t)
	return func(body object) {
		id := rand.Text()
		if err := h.sim.RegisterClient(sandbox.Client{ID: id, Purposes: []string{"purpose"}, Keys: map[string]*rsa.PublicKey{"kid": &private.PublicKey}}); err != nil {
			t.Fatal(err)
		}
		body["send"].(object)["pdnd"] = object{"mode": "REQUIRED", "clientId": id, "keyId": "kid", "purposeId": "purpose", "privateKey": encoded}
	}
}

var makeKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// pdndKey returns a key pair that the whole suite shares: making one is slow.
func pdndKey(t testing.TB) (*rsa.PrivateKey, string) {
	t.Helper()
	private, err := makeKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// callREST makes a call below the organization's path and decodes a 2xx into a
// value, anything else into the problem.
func (e *ente) callREST(method, path, key string, body, into any) (int, rest.Problem, error) {
	return e.callVersion("v1", method, path, key, body, into)
}

// callVersion does the same in a version of the API.
func (e *ente) callVersion(version, method, path, key string, body, into any) (int, rest.Problem, error) {
	var problem rest.Problem
	var content io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, problem, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, "http://"+e.h.address("api")+"/"+version+"/organizations/"+e.fiscalCode+path, content)
	if err != nil {
		return 0, problem, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Ocp-Apim-Subscription-Key", key)
	response, err := e.h.client.Do(request)
	if err != nil {
		return 0, problem, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
	case response.StatusCode/100 != 2:
		err = json.Unmarshal(answer, &problem)
	case into != nil:
		err = json.Unmarshal(answer, into)
	}
	return response.StatusCode, problem, err
}

func (e *ente) mustREST(t testing.TB, method, path, key string, body any, want int, into any) {
	t.Helper()
	status, problem, err := e.callREST(method, path, key, body, into)
	if err != nil || status != want {
		t.Fatalf("%s %s: %d, want %d: %+v %v", method, path, status, want, problem, err)
	}
}

// debt is a published notice.
type debt struct {
	nav    positions.NoticeNumber
	iupd   string
	amount money.Cents
}

// What the simulator says about a notice depends on the two digits behind 302.
const (
	digital     = 0  // 2.00
	oneLetter   = 4  // 14.24
	twoLetters  = 5  // 25.57
	notAccepted = 10 // no cost yet
	viewed      = 95 // 2.00, final
)

// publish creates a SEND-bound notice of 100.00 that is payable at once, after
// changes to the position and its one option.
func (e *ente) publish(t testing.TB, kind int64, changes ...func(position, option object)) debt {
	t.Helper()
	d, position := e.position(t, kind, changes...)
	e.mustREST(t, http.MethodPost, "/debtpositions?toPublish=true", e.key, position, http.StatusCreated, nil)
	return d
}

func (e *ente) position(t testing.TB, kind int64, changes ...func(position, option object)) (debt, object) {
	t.Helper()
	nav := newNotice(t, kind)
	d := debt{nav: nav, iupd: "e2e-" + string(nav), amount: 10000}
	option := object{
		"nav": nav, "iuv": nav.IUV(), "amount": d.amount, "description": "Verbale di prova", "isPartialPayment": false,
		"dueDate": time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339), "sendBound": true,
		"transfer": []object{transfer("1", d.amount)},
	}
	position := object{
		"iupd": d.iupd, "type": "F", "fiscalCode": debtorCode, "fullName": debtorName, "email": debtorMail,
		"companyName": "Comune di Prova", "switchToExpired": false, "paymentOption": []object{option},
	}
	for _, change := range changes {
		change(position, option)
	}
	return d, position
}

func newNotice(t testing.TB, kind int64) positions.NoticeNumber {
	t.Helper()
	nav, err := positions.NewNoticeNumber(2, kind*1e11+nextNotice.Add(1))
	if err != nil {
		t.Fatal(err)
	}
	return nav
}

func transfer(id string, amount money.Cents) object {
	return object{"idTransfer": id, "amount": amount, "remittanceInformation": "Verbale di prova", "category": "9/0101100IM/", "iban": demoIBAN}
}

// request is the beginning of any request of the Nodo about a notice of the
// ente.
func (e *ente) request(op pafornode.Operation, nav positions.NoticeNumber) *pafornode.Request {
	return &pafornode.Request{
		Operation: op, IDPA: e.fiscalCode, IDBrokerPA: demoBroker, IDStation: demoStation,
		QRCode: pafornode.QRCode{FiscalCode: e.fiscalCode, NoticeNumber: string(nav)},
	}
}

// promptly is how long any answer may take as the Nodo sees it: the budget of
// 1.8 s and the way there and back. The Nodo's own limit is 2 s.
const promptly = 1900 * time.Millisecond

// send makes a call as the Nodo and holds what comes back to the schemas, to
// the Nodo's other rules and to the time.
func (h *house) send(t testing.TB, request *pafornode.Request) *nodo.Reply {
	t.Helper()
	client := nodo.Client{Endpoint: h.endpoint(), HTTP: h.client}
	reply, err := client.Send(context.Background(), request)
	if err != nil {
		t.Errorf("%s: %v", request.Operation, err)
		return &nodo.Reply{Response: &pafornode.Response{}}
	}
	if len(reply.Problems) > 0 {
		t.Errorf("%s: the Nodo would not accept the answer: %v\n%s", request.Operation, reply.Problems, reply.Body)
	}
	if reply.Response == nil {
		reply.Response = &pafornode.Response{}
	}
	if len(reply.Body) > 0 {
		valid(t, reply.Body)
	}
	if reply.Took > promptly {
		t.Errorf("%s: answered after %s, more than %s", request.Operation, reply.Took, promptly)
	}
	return reply
}

// ask sends a verify or an activation.
func (e *ente) ask(t testing.TB, op pafornode.Operation, nav positions.NoticeNumber) *nodo.Reply {
	t.Helper()
	return e.h.send(t, e.request(op, nav))
}

// asked is the amount in an OK, 0 in a KO.
func asked(r *nodo.Reply) money.Cents {
	switch {
	case r.Response.Verify != nil:
		return r.Response.Verify.Amount
	case r.Response.Payment != nil:
		return r.Response.Payment.Amount
	}
	return 0
}

// fault is the code of a KO, "" in an OK.
func fault(r *nodo.Reply) string {
	if r.Response.Fault == nil {
		return ""
	}
	return r.Response.Fault.Code
}

// wants fails unless an answer is an OK for this much.
func wants(t testing.TB, r *nodo.Reply, amount money.Cents) {
	t.Helper()
	if r.Response.Outcome != "OK" || asked(r) != amount {
		t.Errorf("%s: %s %s, asked %s; want OK, %s", r.Operation, r.Response.Outcome, fault(r), asked(r), amount)
	}
}

// wantsFault fails unless an answer is a KO with this code.
func wantsFault(t testing.TB, r *nodo.Reply, code string) {
	t.Helper()
	if r.Response.Outcome != "KO" || fault(r) != code || r.Response.Fault.ID == "" || r.Response.Fault.Description == "" {
		t.Errorf("%s: %s %+v; want KO %s", r.Operation, r.Response.Outcome, r.Response.Fault, code)
	}
}

// answers reads the journal of a notice by REST, newest first.
func (e *ente) answers(t testing.TB, nav positions.NoticeNumber) []rest.Answer {
	t.Helper()
	var list rest.AnswerList
	e.mustREST(t, http.MethodGet, "/notices/"+string(nav)+"/answers?limit=50", e.key, nil, http.StatusOK, &list)
	return list.Answers
}

// recordPatience is how long a record is waited for: a reply leaves before it
// when the disk is slow, and the record follows.
const recordPatience = 3 * time.Second

// answersOnRecord waits until at least n answers about a notice are on record.
func (e *ente) answersOnRecord(t testing.TB, nav positions.NoticeNumber, n int) []rest.Answer {
	t.Helper()
	all := e.answers(t, nav)
	for began := time.Now(); len(all) < n; all = e.answers(t, nav) {
		if time.Since(began) > recordPatience {
			t.Fatalf("%d answers about notice %s are on record, %d were given", len(all), nav, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return all
}

// wantsSource holds the newest record of a notice to the source, base and fee
// of the answer that was given, and returns it.
func (e *ente) wantsSource(t testing.TB, nav positions.NoticeNumber, reply *nodo.Reply, source positions.FeeSource, fee money.Cents) rest.Answer {
	t.Helper()
	tells := func(a rest.Answer) bool {
		return a.Source != nil && *a.Source == source && a.NotificationFee == fee && a.Amount == asked(reply) &&
			a.Operation == reply.Operation.String() && a.Outcome == reply.Response.Outcome
	}
	a := e.answersOnRecord(t, nav, 1)[0]
	for began := time.Now(); !tells(a); a = e.answers(t, nav)[0] {
		if time.Since(began) > recordPatience {
			t.Errorf("the journal says %s %s %s, fee %s of %s; want source %s, fee %s of %s",
				a.Operation, a.Outcome, show(a.Source), a.NotificationFee, a.Amount, source, fee, asked(reply))
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if a.Outcome == "OK" && a.Amount != a.BaseAmount+a.NotificationFee {
		t.Errorf("the journal says %s + %s = %s", a.BaseAmount, a.NotificationFee, a.Amount)
	}
	if x := a.Send; x != nil && (time.Since(x.RequestedAt) > time.Hour || x.AnsweredAt != nil && x.AnsweredAt.Before(x.RequestedAt)) {
		t.Errorf("the journal's timings of SEND are impossible: %s", show(x))
	}
	return a
}

// calls is how many price requests SEND got for a notice.
func (e *ente) calls(d debt) int { return e.h.sim.Calls(e.fiscalCode, string(d.nav)) }

// inject makes SEND's price API fail for this ente alone.
func (e *ente) inject(t testing.TB, f sandbox.Fault) (id string) {
	t.Helper()
	f.CreditorTaxID = e.fiscalCode
	got, err := e.h.sim.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return got.ID
}

func (e *ente) mend(t testing.TB, id string) {
	t.Helper()
	if err := e.h.sim.ClearFault(id); err != nil {
		t.Fatal(err)
	}
}
