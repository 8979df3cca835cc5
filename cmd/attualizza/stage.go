package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// The sample ente, pagoPA's own in its test environments, with its broker and
// station, and the beneficiary of the second transfers.
const (
	demoOrganization = "77777777777"
	demoBroker       = "15376371009"
	demoStation      = "15376371009_01"
	demoBeneficiary  = "01199250158"
	demoIBAN         = "IT60X0542811101000000123456"
)

// stage is a service with the sample ente, spoken to as its users do: REST for
// the debt-position system, SOAP for the Nodo.
type stage struct {
	*service
	sim      *simulator
	adminKey string
	key      string // of the debt-position system
}

// newStage starts a service on free ports of loopback, with a database of its
// own and the simulator in SEND's place.
func newStage(ctx context.Context, sim *simulator, database, redis string, logger *slog.Logger) (*stage, error) {
	cfg, err := stageConfig(sim, database, redis)
	if err != nil {
		return nil, err
	}
	service, err := start(ctx, cfg, logger, true)
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := service.ready(ready); err != nil {
		service.Close()
		return nil, err
	}
	return &stage{service: service, sim: sim, adminKey: string(cfg.AdminKey)}, nil
}

// stageConfig is the default configuration on free ports of loopback, with keys
// of its own.
func stageConfig(sim *simulator, database, redis string) (*config.Config, error) {
	cfg, err := config.Load(nil)
	if err != nil {
		return nil, err
	}
	cfg.NodoListen, cfg.APIListen, cfg.OpsListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.DatabaseURL, cfg.RedisURL = config.SecretURL(database), config.SecretURL(redis)
	cfg.SendURL, cfg.PDNDTokenURL = sim.URL, sim.URL+"/token.oauth2"
	master := make([]byte, 32)
	rand.Read(master)
	cfg.MasterKey = config.Secret(base64.StdEncoding.EncodeToString(master))
	cfg.AdminKey = config.Secret(rand.Text())
	return cfg, nil
}

// register makes the sample ente known to the simulator and to the service, and
// gets a key for its debt-position system.
func (s *stage) register(ctx context.Context, fresh positions.Duration) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	sendKey := rand.Text()
	if err := s.sim.RegisterKey(sandbox.APIKey{Name: "demo", Value: sendKey, SenderTaxID: demoOrganization, PDND: sandbox.VoucherRequired}); err != nil {
		return err
	}
	if err := s.sim.RegisterClient(sandbox.Client{
		ID: "demo-client", Purposes: []string{"demo-purpose"}, Keys: map[string]*rsa.PublicKey{"demo-key": &private.PublicKey},
	}); err != nil {
		return err
	}
	organization := map[string]any{
		"companyName": "Comune di Prova", "officeName": "Tributi", "brokerCode": demoBroker,
		"stations": []any{map[string]any{"stationCode": demoStation, "broadcast": false}},
		"send": map[string]any{"apiKey": sendKey, "route": "DIRECT", "pdnd": map[string]any{
			"mode": "REQUIRED", "clientId": "demo-client", "keyId": "demo-key", "purposeId": "demo-purpose",
			"privateKey": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		}},
		"policy": map[string]any{"priceFreshFor": fresh},
	}
	if err := s.rest(ctx, http.MethodPut, "", s.adminKey, organization, nil); err != nil {
		return err
	}
	var issued struct{ Key string }
	if err := s.rest(ctx, http.MethodPost, "/api-keys", s.adminKey, map[string]any{"name": "gestionale", "role": "WRITER"}, &issued); err != nil {
		return err
	}
	s.key = issued.Key
	return nil
}

// publish creates a position, payable at once.
func (s *stage) publish(ctx context.Context, position map[string]any) error {
	return s.rest(ctx, http.MethodPost, "/debtpositions?toPublish=true", s.key, position, nil)
}

// position is the scene's debt position as GPD writes it.
func (s *scene) position() map[string]any {
	transfer := func(id string, amount money.Cents) map[string]any {
		return map[string]any{"idTransfer": id, "amount": amount, "remittanceInformation": "Verbale di prova", "category": "9/0101100IM/", "iban": demoIBAN}
	}
	transfers := []any{transfer("1", s.amount)}
	if s.stamp {
		other := transfer("2", 2000)
		other["organizationFiscalCode"], other["companyName"] = demoBeneficiary, "Provincia di Prova"
		stamp := transfer("3", 1600)
		delete(stamp, "iban")
		stamp["stamp"] = map[string]any{"hashDocument": "x2QSBJ4ZZyEnMlC8f2cAv+qRo8CgbUIFlhlq9CbdXfE=", "stampType": "01", "provincialResidence": "RM"}
		transfers = []any{transfer("1", s.amount-3600), other, stamp}
	}
	option := map[string]any{
		"nav": s.nav, "iuv": s.nav.IUV(), "amount": s.amount, "description": "Verbale di prova", "isPartialPayment": false,
		"dueDate": s.due.UTC().Format(time.RFC3339Nano), "sendBound": s.bound, "transfer": transfers,
	}
	if s.fine {
		option["components"] = []any{map[string]any{"code": "FINE", "amount": s.amount}}
		option["amountRules"] = fineRules()
	}
	return map[string]any{
		"iupd": iupdOf(s.nav), "type": "F", "fiscalCode": "ANONIMO", "fullName": "Cittadina di prova",
		"companyName": "Comune di Prova", "officeName": "Tributi", "switchToExpired": s.expires,
		"paymentOption": []any{option},
	}
}

// fineRules are those of a fine of 173 euro as GPD's body would have them: less 30%
// for five days, half of the maximum after sixty.
func fineRules() []any {
	term := func(days int) map[string]any { return map[string]any{"days": days, "roll": "NEXT_WORKING_DAY"} }
	return []any{
		map[string]any{
			"label": "Riduzione 30% entro 5 giorni", "anchor": "NOTIFICATION", "until": term(5),
			"effect": map[string]any{"type": "PERCENT", "value": "-30", "components": []string{"FINE"}},
		},
		map[string]any{
			"label": "Metà del massimo dopo 60 giorni", "anchor": "NOTIFICATION", "after": term(60),
			"effect": map[string]any{"type": "SET", "amount": 34750, "components": []string{"FINE"}},
		},
	}
}

// request is the beginning of any request about one of the ente's notices.
func (s *stage) request(op pafornode.Operation, nav positions.NoticeNumber) *pafornode.Request {
	return &pafornode.Request{
		Operation: op, IDPA: demoOrganization, IDBrokerPA: demoBroker, IDStation: demoStation,
		QRCode: pafornode.QRCode{FiscalCode: demoOrganization, NoticeNumber: string(nav)},
	}
}

// ask sends a verify or an activation.
func (s *stage) ask(ctx context.Context, op pafornode.Operation, nav positions.NoticeNumber) (*nodo.Reply, error) {
	return s.send(ctx, s.request(op, nav))
}

func (s *stage) send(ctx context.Context, request *pafornode.Request) (*nodo.Reply, error) {
	client := nodo.Client{Endpoint: "http://" + s.address("nodo") + "/soap/paForNode"}
	return client.Send(ctx, request)
}

// journalPatience is how long the journal is waited for: a reply leaves before
// its record when the disk is slow, and the record follows.
const journalPatience = 5 * time.Second

// journal reads the last n answers about a notice, which all came after an
// instant, oldest first.
func (s *stage) journal(ctx context.Context, nav positions.NoticeNumber, after time.Time, n int) ([]positions.Answer, error) {
	for began := time.Now(); ; {
		answers, _, err := s.store.Answers(ctx, demoOrganization, nav, positions.Page{Limit: n})
		switch {
		case err != nil:
			return nil, err
		case len(answers) == n && answers[n-1].At.After(after.Truncate(time.Microsecond)):
			slices.Reverse(answers)
			return answers, nil
		case time.Since(began) > journalPatience:
			return nil, fmt.Errorf("the journal does not have the %d last answers about notice %s", n, nav)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// explain asks for the quote of a notice and returns its lines in words.
func (s *stage) explain(ctx context.Context, nav positions.NoticeNumber) ([]string, error) {
	var quote struct {
		Lines []struct{ Text string }
	}
	if err := s.rest(ctx, http.MethodGet, "/notices/"+string(nav)+"/quote", s.key, nil, &quote); err != nil {
		return nil, err
	}
	var lines []string
	for _, l := range quote.Lines {
		lines = append(lines, l.Text)
	}
	return lines, nil
}

// maxRESTReply bounds what is read of an answer of the REST API.
const maxRESTReply = 1 << 20

// rest calls the API below the organization's path. Any status but 2xx is an
// error that shows the problem.
func (s *stage) rest(ctx context.Context, method, path, key string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	url := "http://" + s.address("api") + "/v1/organizations/" + demoOrganization + path
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Ocp-Apim-Subscription-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxRESTReply))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(answer))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// describe tells how to go on by hand: where everything is, what opens it, and
// three commands that work as they stand while it runs.
func (s *stage) describe(w io.Writer, nav positions.NoticeNumber) {
	organization := "http://" + s.address("api") + "/v1/organizations/" + demoOrganization
	soap := "http://" + s.address("nodo") + "/soap/paForNode"
	asNodo := fmt.Sprintf("--endpoint %s --id-pa %s --broker %s --station %s %s", soap, demoOrganization, demoBroker, demoStation, nav)
	fmt.Fprintf(w, `
Still running; stop with Ctrl-C.
  SOAP  %s?wsdl
  REST  http://%s/docs
  ops   http://%s/metrics
  SEND  %s/sandbox/
  organization %s, broker %s, station %s
  key of the organization (WRITER)  %s
  key of the operator               %s
Ask why a notice costs what it costs, read its position, and be the Nodo:
  curl -s %s/notices/%s/quote -H 'X-Api-Key: %s'
  curl -s %s/debtpositions/%s -H 'X-Api-Key: %s'
  %s nodo verify %s
`, soap, s.address("api"), s.address("ops"), s.sim.URL, demoOrganization, demoBroker, demoStation, s.key, s.adminKey,
		organization, nav, s.key, organization, iupdOf(nav), s.key, os.Args[0], asNodo)
}

// iupdOf names the demo's position of a notice.
func iupdOf(nav positions.NoticeNumber) string { return "demo-" + string(nav) }
