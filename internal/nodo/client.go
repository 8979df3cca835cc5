// Package nodo acts as the Nodo pagoPA towards a creditor's paForNode endpoint:
// it sends verify, activation and receipt, and judges what comes back the way
// the Nodo does.
package nodo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/attualizza/attualizza/soap/pafornode"
)

// maxReply bounds an answer, in bytes; the largest valid one is far smaller.
const maxReply = 1 << 20

// ServiceLevel and Timeouts are what SANP asks of a creditor: 98 % of answers
// within 2 s in a month, and the Nodo gives up after 7 s, for receipts after
// 15 s ("Livelli di servizio Enti Creditori").
const (
	ServiceLevel   = 2 * time.Second
	Timeout        = 7 * time.Second
	ReceiptTimeout = 15 * time.Second
)

// Client sends requests to one endpoint. It is safe for concurrent use.
type Client struct {
	Endpoint string
	HTTP     *http.Client // nil: http.DefaultClient
}

// Reply is what came back, and what the Nodo would think of it.
type Reply struct {
	Operation   pafornode.Operation
	HTTPStatus  int
	ContentType string
	Took        time.Duration
	Body        []byte
	// Response is the decoded answer, nil when it cannot be read.
	Response *pafornode.Response
	// Problems tell why the Nodo would not accept the answer, or would count it
	// against the station. Empty: the answer is valid and on time.
	Problems []string
}

// Send makes one call. It returns an error only when no HTTP answer came within
// the Nodo's own timeout; everything else is a Reply, with its problems.
func (c *Client) Send(ctx context.Context, request *pafornode.Request) (*Reply, error) {
	timeout := Timeout
	if request.Operation.IsReceipt() {
		timeout = ReceiptTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	message := pafornode.AppendRequest(nil, request)
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint, bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	call.Header.Set("Content-Type", "text/xml; charset=utf-8")
	call.Header.Set("SOAPAction", `"`+request.Operation.String()+`"`) // it arrives quoted from the Nodo's forwarder
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	sent := time.Now()
	response, err := client.Do(call)
	if err != nil {
		return nil, fmt.Errorf("no answer after %s: %w", time.Since(sent).Round(time.Millisecond), err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return nil, fmt.Errorf("answer broken off after %s: %w", time.Since(sent).Round(time.Millisecond), err)
	}
	reply := &Reply{
		Operation: request.Operation, HTTPStatus: response.StatusCode, ContentType: response.Header.Get("Content-Type"),
		Took: time.Since(sent), Body: body,
	}
	reply.judge()
	return reply, nil
}

// judge fills Response and Problems.
func (r *Reply) judge() {
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	if r.HTTPStatus == http.StatusServiceUnavailable && r.Operation.IsReceipt() && len(r.Body) == 0 {
		problem("HTTP 503: the creditor could not keep the receipt now, it must be sent again")
		return
	}
	if r.HTTPStatus != http.StatusOK {
		problem("HTTP status %d instead of 200", r.HTTPStatus)
	}
	if media, _, err := mime.ParseMediaType(r.ContentType); err != nil || media != "text/xml" && media != "application/xml" {
		problem("Content-Type %q is not text/xml", r.ContentType)
	}
	if r.Took > ServiceLevel {
		problem("late: %s, the service level is %s", r.Took.Round(time.Millisecond), ServiceLevel)
	}
	if len(r.Body) > maxReply {
		problem("the answer is larger than %d bytes", maxReply)
		return
	}
	response, err := pafornode.DecodeResponse(string(r.Body))
	if err != nil {
		problem("not valid: %v", err)
		return
	}
	r.Response = response
	if response.Operation != r.Operation {
		problem("answers %s with %s", r.Operation, response.Operation)
		return
	}
	r.Problems = append(r.Problems, semanticProblems(response)...)
}

// OK reports whether the creditor said OK in an answer that the Nodo accepts.
func (r *Reply) OK() bool {
	return len(r.Problems) == 0 && r.Response != nil && r.Response.Outcome == "OK"
}
