package tccosto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

const (
	// restTimeout bounds one call of the REST API, maxReply what is read of it.
	restTimeout = 10 * time.Second
	maxReply    = 4 << 20
	// recordPatience is how long the record of an answer is waited for: a reply may
	// leave before it.
	recordPatience = 5 * time.Second
)

// Collector asks one organization's service, as the Nodo by SOAP and as a reader
// by REST.
type Collector struct {
	Endpoint                      string // of paForNode
	Organization, Broker, Station string
	API                           string // base address of the REST API
	Key                           string // READER is enough
	HTTP                          *http.Client
	// Progress, if set, is told of each step.
	Progress func(what string)
}

// Report runs a scenario for some notices, one after the other. What is wrong
// with a notice is part of its evidence; the error tells that evidence cannot be
// had at all, because the REST API does not answer or refuses the key.
func (c *Collector) Report(ctx context.Context, s Scenario, notices []positions.NoticeNumber) (Report, error) {
	report := Report{Scenario: s, Organization: c.Organization, Broker: c.Broker, Station: c.Station, Endpoint: c.Endpoint, Reasons: []string{}}
	for _, nav := range notices {
		if c.Progress != nil {
			c.Progress(fmt.Sprintf("scenario %d, avviso %s: validazione ed evidenze", s, nav))
		}
		e, err := c.evidence(ctx, s, nav)
		if err != nil {
			return report, err
		}
		report.Notices = append(report.Notices, *e)
	}
	report.judge()
	return report, nil
}

func (c *Collector) evidence(ctx context.Context, s Scenario, nav positions.NoticeNumber) (*Evidence, error) {
	e := &Evidence{Notice: nav, Reasons: []string{}, Notes: []string{}}
	known, err := c.position(ctx, nav, e)
	if err != nil {
		return nil, err
	}
	var last time.Time // of the answers that were on record before
	if known {
		before, err := c.verifies(ctx, nav)
		if err != nil {
			return nil, err
		}
		if len(before) > 0 {
			last = before[0].At
		}
	} else {
		e.Reasons = append(e.Reasons, "l'ente non ha un avviso con questo numero, o la chiave non può vederlo")
	}
	client := nodo.Client{Endpoint: c.Endpoint, HTTP: c.HTTP}
	reply, err := client.Send(ctx, &pafornode.Request{
		Operation: pafornode.VerifyPaymentNotice, IDPA: c.Organization, IDBrokerPA: c.Broker, IDStation: c.Station,
		QRCode: pafornode.QRCode{FiscalCode: c.Organization, NoticeNumber: string(nav)},
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		e.Reasons = append(e.Reasons, "la validazione non ha avuto risposta: "+err.Error())
	case reply.Response == nil:
		e.Reasons = append(e.Reasons, "la risposta non è quella di paForNode: "+strings.Join(reply.Problems, "; "))
	default:
		for _, problem := range reply.Problems {
			e.Reasons = append(e.Reasons, "il Nodo non accetterebbe la risposta: "+problem)
		}
		e.Outcome = reply.Response.Outcome
		if v := reply.Response.Verify; v != nil {
			e.Told = v.Amount
		}
		if f := reply.Response.Fault; f != nil {
			e.Fault = f.Code
		}
		if known {
			if err := c.find(ctx, e, last); err != nil {
				return nil, err
			}
		} else if e.Fault != "" {
			e.Reasons = append(e.Reasons, "la validazione è stata rifiutata: "+e.Fault)
		}
	}
	e.judge(s, c.Organization)
	return e, nil
}

// find waits for the record of the answer that was just given: the first verify
// after those that were there before, with the same outcome.
func (c *Collector) find(ctx context.Context, e *Evidence, last time.Time) error {
	for began := time.Now(); ; {
		answers, err := c.verifies(ctx, e.Notice)
		if err != nil {
			return err
		}
		for _, a := range slices.Backward(answers) { // oldest first
			if a.At.After(last) && a.Outcome == e.Outcome {
				e.record(&a)
				return nil
			}
		}
		if time.Since(began) > recordPatience {
			return nil // judge says so
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// verifies reads the newest answers about a notice and keeps the verifies,
// newest first.
func (c *Collector) verifies(ctx context.Context, nav positions.NoticeNumber) ([]rest.Answer, error) {
	var list rest.AnswerList
	if _, err := c.get(ctx, "/notices/"+string(nav)+"/answers?limit=50", &list); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Answers, func(a rest.Answer) bool {
		return a.Operation != pafornode.VerifyPaymentNotice.String()
	}), nil
}

// position reads who notifies, from the position: that call does not ask SEND.
func (c *Collector) position(ctx context.Context, nav positions.NoticeNumber, e *Evidence) (known bool, err error) {
	var notice struct {
		Iupd string `json:"iupd"`
	}
	if known, err = c.get(ctx, "/notices/"+string(nav), &notice); err != nil || !known {
		return false, err
	}
	var position struct {
		PaymentOption []struct {
			Nav              positions.NoticeNumber `json:"nav"`
			SenderFiscalCode string                 `json:"senderFiscalCode"`
		} `json:"paymentOption"`
	}
	if known, err = c.get(ctx, "/debtpositions/"+url.PathEscape(notice.Iupd), &position); err != nil || !known {
		return false, err
	}
	for _, o := range position.PaymentOption {
		if o.Nav == nav {
			e.Sender = o.SenderFiscalCode
		}
	}
	return true, nil
}

// get reads what is below the organization's path; a 404 is no error.
func (c *Collector) get(ctx context.Context, path string, into any) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.API, "/")+"/v1/organizations/"+c.Organization+path, http.NoBody)
	if err != nil {
		return false, fmt.Errorf("REST API: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Ocp-Apim-Subscription-Key", c.Key)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // the key is for one address
	if c.HTTP != nil {
		client.Transport = c.HTTP.Transport
	}
	response, err := client.Do(request)
	if err != nil {
		return false, fmt.Errorf("REST API: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	switch {
	case err != nil:
		return false, fmt.Errorf("REST API: %w", err)
	case len(body) > maxReply:
		return false, errors.New("REST API: the answer is too large")
	case response.StatusCode == http.StatusNotFound:
		return false, nil
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return false, fmt.Errorf("REST API: HTTP %d: is the key one of organization %s?", response.StatusCode, c.Organization)
	case response.StatusCode != http.StatusOK:
		return false, fmt.Errorf("REST API: GET %s: HTTP %d", request.URL.Path, response.StatusCode)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return false, fmt.Errorf("REST API: GET %s: %w", request.URL.Path, err)
	}
	return true, nil
}
