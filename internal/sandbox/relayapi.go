package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// The base addresses of the two contracts.
const (
	RelayNativePath = "/relay/native"
	RelayLegacyPath = "/relay/legacy"
)

const maxRelayBody = 16 << 10

func (s *Sandbox) relayRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST "+RelayNativePath+"/amount-update", s.serveAmountUpdate)
	mux.HandleFunc("POST "+RelayLegacyPath+"/login", s.serveLogin)
	mux.HandleFunc("POST "+RelayLegacyPath+"/notification-price", s.serveNotificationPrice)
	mux.HandleFunc("/relay/", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
}

// relayError is the native contract's error.
type relayError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// amountUpdate is the native contract's answer.
type amountUpdate struct {
	NAV              string      `json:"nav"`
	AmountCents      money.Cents `json:"amountCents"`
	IUN              string      `json:"iun"`
	FeeCents         money.Cents `json:"notificationFeeCents"`
	NotificationDate string      `json:"notificationDate,omitempty"`
	Balance          string      `json:"balance"`
	RetentionDate    string      `json:"retentionDate,omitempty"`
}

// serveAmountUpdate answers the native contract.
func (s *Sandbox) serveAmountUpdate(w http.ResponseWriter, r *http.Request) {
	var request struct {
		OrgFiscalCode string `json:"orgFiscalCode"`
		NAV           string `json:"nav"`
	}
	call := s.begin(w, r, EndpointRelay)
	defer call.end()
	body, readable := readRelay(w, r, &request)
	key := noticeKey{request.OrgFiscalCode, request.NAV}
	if !call.strikeRelay(key) {
		return
	}
	account, ok := s.relay.bearer(bearerOf(r))
	call.KeyName = account.Name
	if ok && account.PublicKey != "" {
		if err := verifyIntegrity(r, body, account.PublicKey); err != nil {
			s.log.Info("request to the relay denied", "account", account.Name, "reason", err)
			ok = false
		}
	}
	if refusal := account.refuse(ok, readable, key); refusal != 0 {
		call.write(nativeAnswer(refusal, ""))
		return
	}
	call.meet(key, func() answer {
		price, code := s.act(key)
		switch code {
		case "":
		case relayNotPayable:
			return nativeAnswer(http.StatusUnprocessableEntity, code)
		default:
			return nativeAnswer(http.StatusNotFound, code)
		}
		now := s.clock()
		answer := amountUpdate{
			NAV: key.notice, AmountCents: RelayBase + price.TotalPrice, IUN: price.IUN, FeeCents: price.TotalPrice,
			NotificationDate: earlier(price.NotificationViewDate, price.RefinementDate), Balance: "[]",
		}
		if account.Retention != 0 {
			answer.RetentionDate = now.Add(time.Duration(account.Retention)).Format(time.RFC3339Nano)
		}
		return jsonAnswer(http.StatusOK, answer)
	})
}

// earlier is the earlier of two dates, either of which may be missing.
func earlier(a, b string) string {
	at, errA := time.Parse(time.RFC3339Nano, a)
	bt, errB := time.Parse(time.RFC3339Nano, b)
	if errB != nil || errA == nil && at.Before(bt) {
		return a
	}
	return b
}

// loginAnswer is the legacy contract's answer to a login.
type loginAnswer struct {
	Token   string `json:"token,omitempty"`
	Outcome string `json:"esito"`
	Why     string `json:"descrizioneErrore,omitempty"`
}

// serveLogin answers the login of the legacy contract.
func (s *Sandbox) serveLogin(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	call := s.begin(w, r, EndpointRelayLogin)
	defer call.end()
	_, readable := readRelay(w, r, &request)
	account, ok := s.relay.login(request.Username, request.Password)
	call.KeyName, call.CreditorTaxID = account.Name, account.CreditorTaxID
	key := noticeKey{creditor: account.CreditorTaxID}
	if !call.strike(s.faults.take(EndpointRelayLogin, key, true)) {
		return
	}
	switch {
	case !readable:
		call.write(jsonAnswer(http.StatusBadRequest, loginAnswer{Outcome: "KO", Why: "richiesta non valida"}))
		return
	case !ok:
		call.write(jsonAnswer(http.StatusUnauthorized, loginAnswer{Outcome: "KO", Why: "credenziali errate"}))
		return
	}
	call.meet(key, func() answer {
		token := s.relay.issue(account, s.clock())
		if token == "" {
			return jsonAnswer(http.StatusInternalServerError, loginAnswer{Outcome: "KO", Why: "troppi token"})
		}
		return jsonAnswer(http.StatusOK, loginAnswer{Token: token, Outcome: "OK"})
	})
}

// updatedPayment is the legacy contract's answer.
type updatedPayment struct {
	Notice     string       `json:"numeroAvviso"`
	IUN        string       `json:"iun,omitempty"`
	Fee        *money.Cents `json:"speseNotifica,omitempty"`
	Viewed     string       `json:"dataVisualizzazione"`
	Amount     *money.Cents `json:"importoPosizione,omitempty"`
	Refinement string       `json:"dataPerfezionamentoDecorrenzaTermini"`
	Balance    string       `json:"bilancio,omitempty"`
	Status     string       `json:"stato"`
	Code       string       `json:"codice,omitempty"`
	Detail     string       `json:"dettaglio,omitempty"`
}

// serveNotificationPrice answers the legacy contract, which has no price before
// one of the two dates is known: the answer is 003 until then.
func (s *Sandbox) serveNotificationPrice(w http.ResponseWriter, r *http.Request) {
	var request struct {
		FiscalCode string `json:"cfEnteCreditore"`
		WithAmount string `json:"importoPosizione"`
		Notice     string `json:"numeroAvviso"`
	}
	call := s.begin(w, r, EndpointRelay)
	defer call.end()
	_, readable := readRelay(w, r, &request)
	key := noticeKey{request.FiscalCode, request.Notice}
	if !call.strikeRelay(key) {
		return
	}
	account, ok := s.relay.session(bearerOf(r), s.clock())
	call.KeyName = account.Name
	if refusal := account.refuse(ok, readable && request.WithAmount == "S", key); refusal != 0 {
		call.write(legacyError(key.notice, refusal, ""))
		return
	}
	call.meet(key, func() answer {
		price, code := s.act(key)
		if code == "" && price.NotificationViewDate == "" && price.RefinementDate == "" {
			code = relayNotYet
		}
		if code != "" {
			return legacyError(key.notice, http.StatusOK, code)
		}
		amount := RelayBase + price.TotalPrice
		return jsonAnswer(http.StatusOK, updatedPayment{
			Notice: key.notice, IUN: price.IUN, Fee: &price.TotalPrice, Amount: &amount, Balance: "[]", Status: "200",
			Viewed: price.NotificationViewDate, Refinement: price.RefinementDate,
		})
	})
}

// refuse is the status of a request that is not looked at further, 0 for none.
func (a RelayAccount) refuse(authorized, wellFormed bool, key noticeKey) int {
	switch {
	case !authorized:
		return http.StatusUnauthorized
	case !wellFormed || !taxIDPattern.MatchString(key.creditor) || !noticePattern.MatchString(key.notice):
		return http.StatusBadRequest
	case a.CreditorTaxID != "" && a.CreditorTaxID != key.creditor:
		return http.StatusForbidden
	}
	return 0
}

func nativeAnswer(status int, code string) answer {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return answer{status: status} // the contract has no body for it
	}
	message := relayMeanings[code]
	if code == "" {
		code, message = strconv.Itoa(status), http.StatusText(status)
	}
	a := jsonAnswer(status, relayError{code, message})
	a.code = code
	return a
}

// legacyError is an error of the legacy contract; one that has a code comes with
// status 200.
func legacyError(notice string, status int, code string) answer {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return answer{status: status} // the contract has no body for it
	}
	a := jsonAnswer(status, updatedPayment{Notice: notice, Status: strconv.Itoa(status), Code: code, Detail: relayMeanings[code]})
	a.code = code
	return a
}

// relayStatusAnswer is an answer that a fault asks for. A code makes an error of
// either contract of it.
func relayStatusAnswer(status int, code string) answer {
	a := jsonAnswer(status, struct {
		Code    string `json:"code,omitempty"`
		Codice  string `json:"codice,omitempty"`
		Message string `json:"message"`
		Outcome string `json:"esito"`
	}{code, code, http.StatusText(status), "KO"})
	a.code = code
	return a
}

// strikeRelay names the notice of a call of the relay and lets an early fault
// happen. It is not counted: [Sandbox.Calls] counts what SEND is asked.
func (c *call) strikeRelay(key noticeKey) bool {
	if taxIDPattern.MatchString(key.creditor) && noticePattern.MatchString(key.notice) {
		c.CreditorTaxID, c.NoticeCode = key.creditor, key.notice
		c.s.requests.update(c.Entry)
	}
	fault := c.s.faults.take(EndpointRelay, key, true)
	if fault == nil {
		fault = c.s.cannedFault(key)
	}
	return c.strike(fault)
}

// readRelay reads the body first: a client that leaves is noticed only then.
func readRelay(w http.ResponseWriter, r *http.Request, into any) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRelayBody))
	return body, err == nil && json.Unmarshal(body, into) == nil
}

func bearerOf(r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return token
}
