package soap

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// exchange is one request and its reply, with buffers that are used again.
type exchange struct {
	arrived time.Time
	body    bytes.Buffer
	request pafornode.Request
	reply   []byte
	status  int
	result  result
	// What the reply is made of, used again like the buffers.
	payment   pafornode.Payment
	transfers [positions.MaxTransfers]pafornode.Transfer
	entries   []pafornode.MapEntry
}

// result is what the logs, the metrics and the journal are told of a reply.
type result struct {
	operation string
	outcome   string
	fault     string
	problem   string // what breaks the schema, without values
	quote     *actualize.Quote
}

var exchanges = sync.Pool{New: func() any { return &exchange{reply: make([]byte, 0, 8<<10)} }}

// keepBuffer bounds the buffers that wait for their next use.
const keepBuffer = 64 << 10

func (x *exchange) free() {
	if x.body.Cap() > keepBuffer || cap(x.reply) > keepBuffer {
		return
	}
	x.body.Reset()
	// Nothing is kept alive, personal data least of all.
	x.request, x.result, x.payment, x.status = pafornode.Request{}, result{}, pafornode.Payment{}, 0
	clear(x.transfers[:])
	clear(x.entries[:cap(x.entries)])
	exchanges.Put(x)
}

// read takes the body in. It returns 0, or the HTTP status of a body that is
// too large, too slow, encoded or broken off.
func (x *exchange) read(w http.ResponseWriter, r *http.Request) int {
	if r.ContentLength > MaxBody {
		return http.StatusRequestEntityTooLarge
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return http.StatusUnsupportedMediaType
	}
	_, err := x.body.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	default:
		return http.StatusBadRequest
	}
}

// notice is the number of the notice that the request is about, as it was written.
func (x *exchange) notice() string {
	if x.request.Receipt != nil {
		return x.request.Receipt.NoticeNumber
	}
	return x.request.QRCode.NoticeNumber
}

// resubmit asks for the receipt again: HTTP 503 with an empty body.
func (x *exchange) resubmit() {
	x.status = http.StatusServiceUnavailable
	x.reply = x.reply[:0]
	x.result.outcome, x.result.fault = "RESUBMIT", ""
}

func (x *exchange) write(w http.ResponseWriter) {
	if x.status == http.StatusServiceUnavailable {
		unavailable(w)
		return
	}
	header := w.Header()
	header["Content-Type"] = contentType
	header["Content-Length"] = []string{strconv.Itoa(len(x.reply))}
	w.WriteHeader(x.status)
	_, _ = w.Write(x.reply) // the Nodo went away: its own timeout says so
}

var contentType = []string{"text/xml; charset=utf-8"}

// unavailable asks the Nodo to send its receipt again, or tells a crowd to come
// back.
func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusServiceUnavailable)
}
