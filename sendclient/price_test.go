package sendclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/google/go-cmp/cmp"
)

func TestPriceSendsWhatSENDAsksFor(t *testing.T) {
	var seen *http.Request
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		seen = r
		io.WriteString(w, digital)
	})
	before := time.Now()
	answer, err := c.Price(t.Context(), apiKeyOnly, org, notice)
	if err != nil {
		t.Fatal(err)
	}
	if seen.Method != "GET" || seen.URL.Path != "/delivery/v2.3/price/80012345678/302012345678901234" {
		t.Errorf("asked %s %s", seen.Method, seen.URL)
	}
	if seen.Header.Get("x-api-key") != "the-api-key" || seen.Header.Get("Accept") != "application/json" {
		t.Errorf("headers %v", seen.Header)
	}
	if _, sent := seen.Header["Authorization"]; sent {
		t.Error("a voucher was sent with a key that does not want one")
	}
	e := answer.Exchange
	if e.Status != 200 || e.Code != "" || e.RequestID == "" || e.RequestID != seen.Header.Get("X-Request-Id") {
		t.Errorf("evidence %+v", e)
	}
	if e.RequestedAt.Before(before) || e.AnsweredAt.Before(e.RequestedAt) || time.Now().Before(e.AnsweredAt) {
		t.Errorf("evidence times %+v", e)
	}
}

func TestPriceReadsEveryField(t *testing.T) {
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"iun":"ABCD-EFGH-IJKL-202611-M-1","partialPrice":2032,"totalPrice":2557,"vat":22,"paFee":100,
			"refinementDate":"2026-03-29T23:59:59.999999999+02:00","notificationViewDate":"2026-01-07T23:59:59.999999999+01:00",
			"sendFee":100,"analogCost":1932,"somethingNew":{"a":1}}`)
	})
	answer, err := c.Price(t.Context(), apiKeyOnly, org, notice)
	if err != nil {
		t.Fatal(err)
	}
	cents := func(n money.Cents) *money.Cents { return &n }
	vat := 22
	summer, winter := time.FixedZone("", 2*3600), time.FixedZone("", 3600)
	want := Price{
		IUN: "ABCD-EFGH-IJKL-202611-M-1", TotalPrice: 2557, PartialPrice: cents(2032), VAT: &vat,
		PAFee: cents(100), SendFee: cents(100), AnalogCost: cents(1932),
		RefinementDate:       time.Date(2026, 3, 29, 23, 59, 59, 999999999, summer),
		NotificationViewDate: time.Date(2026, 1, 7, 23, 59, 59, 999999999, winter),
	}
	if diff := cmp.Diff(want, answer.Price); diff != "" {
		t.Error(diff)
	}
	if day := answer.Price.RefinementDate.Day(); day != 29 {
		t.Errorf("the day in SEND's offset is %d, want 29", day)
	}
}

// TestPriceTellsEveryAnswerApart has a row for each status and code that SEND
// and its gateway give.
func TestPriceTellsEveryAnswerApart(t *testing.T) {
	const html = "<html><body>Service Unavailable</body></html>"
	for _, tt := range []struct {
		name   string
		status int
		body   string
		noCost NoCostReason
		kind   ErrorKind // "" when it is an answer
		code   string
		total  money.Cents
	}{
		{name: "a digital notification", status: 200, body: digital, total: 200},
		{
			name: "a flat rate costs nothing although components are there", status: 200,
			body: `{"iun":"I","partialPrice":0,"totalPrice":0,"vat":22,"paFee":100,"sendFee":100,"analogCost":857}`,
		},
		{
			name: "nulls are absences", status: 200,
			body: `{"iun":null,"totalPrice":300,"vat":null,"paFee":null,"refinementDate":null}`, total: 300,
		},
		{
			name: "an unreadable component is left out", status: 200,
			body: `{"totalPrice":300,"vat":"22%","paFee":1.5,"sendFee":{},"analogCost":[]}`, total: 300,
		},
		{
			name: "the total counts when components disagree", status: 200,
			body: `{"totalPrice":999,"vat":22,"paFee":100,"sendFee":100,"analogCost":0}`, total: 999,
		},

		{name: "a price without totalPrice is not zero", status: 200, body: `{"iun":"I","partialPrice":100}`, kind: KindAnomaly},
		{name: "a null totalPrice is not zero", status: 200, body: `{"totalPrice":null,"partialPrice":100}`, kind: KindAnomaly},
		{name: "an empty object is not a price", status: 200, body: `{}`, kind: KindAnomaly},
		{name: "a negative total", status: 200, body: `{"totalPrice":-1}`, kind: KindAnomaly},
		{name: "an absurd total", status: 200, body: `{"totalPrice":100001}`, kind: KindAnomaly},
		{name: "a total beyond 64 bits", status: 200, body: `{"totalPrice":99999999999999999999}`, kind: KindAnomaly},
		{name: "a total in euro", status: 200, body: `{"totalPrice":2.00}`, kind: KindAnomaly},
		{name: "a total as text", status: 200, body: `{"totalPrice":"200"}`, kind: KindAnomaly},
		{name: "a negative partial price", status: 200, body: `{"totalPrice":200,"partialPrice":-100}`, kind: KindAnomaly},
		{name: "a date that cannot be read", status: 200, body: `{"totalPrice":200,"refinementDate":"6 febbraio"}`, kind: KindAnomaly},
		{name: "a date without a zone", status: 200, body: `{"totalPrice":200,"notificationViewDate":"2026-02-06T23:59:59"}`, kind: KindAnomaly},

		{name: "an empty 200", status: 200, body: ``, kind: KindUnreadable},
		{name: "a page instead of JSON", status: 200, body: html, kind: KindUnreadable},
		{name: "cut JSON", status: 200, body: digital[:40], kind: KindUnreadable},
		{name: "two documents", status: 200, body: digital + digital, kind: KindUnreadable},
		{name: "null", status: 200, body: `null`, kind: KindUnreadable},
		{name: "a list", status: 200, body: `[` + digital + `]`, kind: KindUnreadable},
		{name: "a body that never ends", status: 200, body: digital + strings.Repeat(" ", 200<<10), kind: KindUnreadable},
		{name: "another 2xx", status: 202, body: digital, kind: KindUnreadable},

		{
			name: "the gateway's validation", status: 400, code: "PN_INVALID_PARAMETERS", kind: KindBadRequest,
			body: `{"status":400,"title":"VALIDATION ERROR","traceId":"1-6","errors":[{"code":"PN_INVALID_PARAMETERS","detail":"Validation errors: "}]}`,
		},
		{
			name: "SEND's validation", status: 400, code: "PN_GENERIC_INVALIDPARAMETER_PATTERN", kind: KindBadRequest,
			body: problem(400, "PN_GENERIC_INVALIDPARAMETER_PATTERN"),
		},
		{name: "another 4xx", status: 415, body: html, kind: KindBadRequest},
		{name: "a missing key", status: 401, body: `{"message":"Unauthorized"}`, kind: KindDenied},
		{
			name: "a denied key", status: 403, kind: KindDenied,
			body: `{"Message":"User is not authorized to access this resource with an explicit deny"}`,
		},

		{name: "no cost known", status: 404, body: problem(404, "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"), noCost: NotFound, code: "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"},
		{name: "cancelled", status: 404, body: problem(404, "PN_DELIVERY_NOTIFICATION_CANCELLED"), noCost: Cancelled, code: "PN_DELIVERY_NOTIFICATION_CANCELLED"},
		{name: "not accepted yet", status: 404, body: problem(404, "PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED"), noCost: NotAccepted, code: "PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED"},
		{name: "an inconsistent index", status: 404, body: problem(404, "PN_DELIVERY_NOTIFICATIONNOTFOUND"), kind: KindAnomaly, code: "PN_DELIVERY_NOTIFICATIONNOTFOUND"},
		{name: "a 404 from downstream", status: 404, body: problem(404, "PN_COST_WHATEVER"), kind: KindAnomaly, code: "PN_COST_WHATEVER"},
		{
			name: "only the first code counts", status: 404, kind: KindAnomaly, code: "OTHER",
			body: `{"errors":[{"code":"OTHER"},{"code":"PN_DELIVERY_NOTIFICATION_CANCELLED"}]}`,
		},
		{name: "a 404 of a wrong path", status: 404, body: `{"resultCode":"404.00","resultDescription":"Not found","errorList":["Invalid path/method"]}`, kind: KindAnomaly},
		{name: "a 404 page", status: 404, body: html, kind: KindAnomaly},
		{name: "a 404 without errors", status: 404, body: `{"errors":[]}`, kind: KindAnomaly},
		{name: "a code that is no code is not repeated", status: 404, body: problem(404, "RSSMRA80A01H501U says <hi>"), kind: KindAnomaly},

		{name: "the gateway throttles", status: 429, body: `{"message":"Too Many Requests"}`, kind: KindThrottled},
		{name: "a quota is over", status: 429, body: `{"message":"Limit Exceeded"}`, kind: KindThrottled},
		{name: "SEND throttles", status: 429, body: problem(429, "PN_GENERIC_TOO_MANY_REQUESTS"), kind: KindThrottled, code: "PN_GENERIC_TOO_MANY_REQUESTS"},
		{name: "a bug of SEND", status: 500, body: problem(500, "PN_GENERIC_ERROR"), kind: KindServerError, code: "PN_GENERIC_ERROR"},
		{name: "a failure downstream", status: 500, body: problem(500, "PN_HTTPRESPONSE_GENERIC_ERROR"), kind: KindServerError, code: "PN_HTTPRESPONSE_GENERIC_ERROR"},
		{name: "a bad gateway", status: 502, body: html, kind: KindServerError},
		{name: "unavailable", status: 503, body: ``, kind: KindServerError},
		{name: "the gateway's own timeout", status: 504, body: `{"message":"Endpoint request timed out"}`, kind: KindServerError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			answer, err := c.Price(t.Context(), apiKeyOnly, org, notice)
			seen := answer.Exchange
			if tt.kind != "" {
				failure := wantKind(t, err, tt.kind)
				seen = failure.Exchange
				if failure.Status != tt.status || failure.Code != tt.code || failure.Notice != notice {
					t.Errorf("error %+v", failure)
				}
				if strings.Contains(err.Error(), "the-api-key") || strings.Contains(err.Error(), "RSSMRA") {
					t.Errorf("the error repeats what it must not: %v", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if answer.NoCost != tt.noCost || answer.Price.TotalPrice != tt.total {
				t.Errorf("got %+v", answer)
			}
			if seen.Status != tt.status || seen.Code != tt.code || !seen.Asked() {
				t.Errorf("evidence %+v", seen)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests for one price", requests.Load())
			}
		})
	}
}

func TestPriceDoesNotFollowARedirectWithTheKey(t *testing.T) {
	var elsewhere atomic.Int32
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere.Add(1)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
	wantKind(t, err, KindUnreadable)
	if elsewhere.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestPriceRefusesNumbersThatCannotBeAskedFor(t *testing.T) {
	c := serve(t, Config{}, func(http.ResponseWriter, *http.Request) { t.Error("SEND was asked") })
	for _, numbers := range [][2]string{
		{"8001234567", notice},
		{"8001234567A", notice},
		{org, "30201234567890123"},
		{org, notice + "0"},
		{org, "../../delivery/rec"},
		{"", ""},
		{org, "30201234567890123٣"},
	} {
		_, err := c.Price(t.Context(), apiKeyOnly, numbers[0], numbers[1])
		if failure := wantKind(t, err, KindBadRequest); failure.Exchange.Asked() {
			t.Error("evidence of a request that was not made")
		}
	}
}

func TestPriceEndsInTimeWhenSENDHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		status  int
	}{
		{"before the header", func(w http.ResponseWriter, r *http.Request) { wait(r, release) }, 0},
		{"in the middle of the body", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, digital[:30])
			w.(http.Flusher).Flush()
			wait(r, release)
		}, 200},
		{"a byte at a time", func(w http.ResponseWriter, r *http.Request) {
			for i := range len(digital) {
				io.WriteString(w, digital[i:i+1])
				w.(http.Flusher).Flush()
				select {
				case <-time.After(20 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
		}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, Config{Timeout: 150 * time.Millisecond}, tt.handler)
			began := time.Now()
			_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
			failure := wantKind(t, err, KindTimeout)
			within(t, began, 400*time.Millisecond)
			if failure.Exchange.Status != tt.status || failure.Exchange.AnsweredAt.Sub(failure.Exchange.RequestedAt) < 140*time.Millisecond {
				t.Errorf("evidence %+v", failure.Exchange)
			}
		})
	}
}

func wait(r *http.Request, release chan struct{}) {
	select {
	case <-r.Context().Done():
	case <-release:
	}
}

func TestPriceObeysAShorterDeadlineOfItsCaller(t *testing.T) {
	c := serve(t, Config{Timeout: time.Minute}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := c.Price(ctx, apiKeyOnly, org, notice)
	wantKind(t, err, KindTimeout)
	within(t, began, 300*time.Millisecond)
}

func TestPriceTellsACallerWhoLeftFromASlowSEND(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := c.Price(ctx, apiKeyOnly, org, notice)
	wantKind(t, err, KindCancelled)
}

// rawServer is a TCP server that decides what to do with each connection.
func rawServer(t *testing.T, serve func(n int, conn *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(n, conn.(*net.TCPConn))
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

func readRequest(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	return err == nil && n > 0
}

func writePrice(conn net.Conn) {
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+
		itoa(len(digital))+"\r\n\r\n"+digital)
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

func TestPriceAsksOnceMoreAfterAReset(t *testing.T) {
	var requests atomic.Int32
	url := rawServer(t, func(n int, conn *net.TCPConn) {
		if readRequest(conn) {
			requests.Add(1)
		}
		if n == 1 {
			conn.SetLinger(0)
			return
		}
		writePrice(conn)
	})
	answer, err := newClient(t, Config{BaseURL: url}).Price(t.Context(), apiKeyOnly, org, notice)
	if err != nil || answer.Price.TotalPrice != 200 {
		t.Errorf("got %+v, %v", answer, err)
	}
	if requests.Load() != 2 {
		t.Errorf("%d requests, want 2", requests.Load())
	}
}

func TestPriceAsksTwiceAtMost(t *testing.T) {
	var requests atomic.Int32
	url := rawServer(t, func(n int, conn *net.TCPConn) {
		if readRequest(conn) {
			requests.Add(1)
		}
		conn.SetLinger(0)
	})
	_, err := newClient(t, Config{BaseURL: url}).Price(t.Context(), apiKeyOnly, org, notice)
	wantKind(t, err, KindTransport)
	if requests.Load() != 2 {
		t.Errorf("%d requests, want 2", requests.Load())
	}
}

// net/http repeats a request by itself on a kept-alive connection that turns
// out to be dead; that is the one retry.
func TestPriceCountsTheRetryThatNetHTTPMakes(t *testing.T) {
	var requests atomic.Int32
	url := rawServer(t, func(n int, conn *net.TCPConn) {
		if n == 1 { // a good answer, then dead with the connection kept alive
			readRequest(conn)
			writePrice(conn)
			if readRequest(conn) {
				requests.Add(1)
			}
			conn.SetLinger(0)
			return
		}
		if readRequest(conn) {
			requests.Add(1)
		}
		conn.SetLinger(0)
	})
	c := newClient(t, Config{BaseURL: url})
	if _, err := c.Price(t.Context(), apiKeyOnly, org, notice); err != nil {
		t.Fatal(err)
	}
	_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
	wantKind(t, err, KindTransport)
	if requests.Load() != 2 {
		t.Errorf("%d requests, want 2", requests.Load())
	}
}

// With several dead connections in the pool net/http would try them all.
func TestPriceAsksTwiceAtMostHoweverManyConnectionsAreDead(t *testing.T) {
	var requests, together atomic.Int32
	var dead atomic.Bool
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if dead.Load() {
			requests.Add(1)
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			return
		}
		together.Add(1)
		for together.Load() < 8 { // so that eight connections are opened
			time.Sleep(time.Millisecond)
		}
		io.WriteString(w, digital)
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Price(t.Context(), apiKeyOnly, org, notice); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	dead.Store(true)
	_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
	if failure := wantKind(t, err, KindTransport); !errors.Is(failure, errTwice) {
		t.Errorf("the reason is %v", err)
	}
	if requests.Load() != 2 {
		t.Errorf("%d requests, want 2", requests.Load())
	}
}

func TestPriceDoesNotAskAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(conn *net.TCPConn)
	}{
		{"once the answer has begun", func(conn *net.TCPConn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
			time.Sleep(30 * time.Millisecond)
			conn.SetLinger(0)
		}},
		{"when the reset comes late", func(conn *net.TCPConn) {
			time.Sleep(retryWithin + 50*time.Millisecond)
			conn.SetLinger(0)
		}},
		{"when the connection is closed in good order", func(conn *net.TCPConn) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			url := rawServer(t, func(_ int, conn *net.TCPConn) {
				if readRequest(conn) {
					requests.Add(1)
				}
				tt.serve(conn)
			})
			_, err := newClient(t, Config{BaseURL: url}).Price(t.Context(), apiKeyOnly, org, notice)
			wantKind(t, err, KindTransport)
			if requests.Load() != 1 {
				t.Errorf("%d requests, want 1", requests.Load())
			}
		})
	}
}

func TestPriceFailsAtOnceWhenNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	began := time.Now()
	_, err = newClient(t, Config{BaseURL: url}).Price(t.Context(), apiKeyOnly, org, notice)
	wantKind(t, err, KindTransport)
	within(t, began, 200*time.Millisecond)
}

func TestNewRefusesURLsThatWouldLeakTheKey(t *testing.T) {
	for _, tt := range []struct {
		url string
		ok  bool
	}{
		{"https://api.notifichedigitali.it", true},
		{"https://api.notifichedigitali.it/", true},
		{"http://127.0.0.1:8080", true},
		{"http://localhost:8080", true},
		{"http://[::1]:8080", true},
		{"http://api.notifichedigitali.it", false},
		{"http://127.0.0.1.example.com", false},
		{"http://10.0.0.1", false},
		{"", false},
		{"api.notifichedigitali.it", false},
		{"ftp://127.0.0.1", false},
		{"https://user:secret@api.notifichedigitali.it", false},
		{"https://x.it/?a=b", false},
		{"https://x.it:port", false},
	} {
		c, err := New(Config{BaseURL: tt.url})
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.url, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the password: %v", err)
		}
		if c != nil {
			c.Close()
		}
		if c, err := New(Config{BaseURL: "https://x.it", TokenURL: tt.url}); tt.url != "" {
			if (err == nil) != tt.ok {
				t.Errorf("token URL %q: %v", tt.url, err)
			}
			if c != nil {
				c.Close()
			}
		}
	}
}
