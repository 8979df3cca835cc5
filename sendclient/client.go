package sendclient

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/attualizza/attualizza/internal/outbound"
)

// DefaultTimeout is the longest that one [Client.Price] may take unless
// [Config.Timeout] says otherwise. The Nodo waits 2 seconds in all.
const DefaultTimeout = 1200 * time.Millisecond

// Config says where SEND and PDND are. Only BaseURL is indispensable.
type Config struct {
	// BaseURL of SEND, for example https://api.notifichedigitali.it.
	BaseURL string
	// TokenURL is PDND's voucher endpoint and Audience the aud of the client
	// assertion; needed by credentials with PDND.
	TokenURL, Audience string
	// Timeout is the longest that one Price may take, the wait for a first
	// voucher included; [DefaultTimeout] when zero.
	Timeout time.Duration
	// Meter receives the metrics; nil for none.
	Meter metric.Meter
	// Tracer makes a span of each question; nil: none. The trace is handed on to who is
	// asked (W3C Trace Context).
	Tracer trace.Tracer
	// Logger receives alarms; nil for none.
	Logger *slog.Logger
	// Vouchers shares vouchers among replicas; nil keeps them in this process.
	Vouchers VoucherStore
	// Transport carries the requests; nil for one with keep-alive tuned for
	// SEND.
	Transport http.RoundTripper
}

// Client asks SEND for prices and tells it of payments. It is safe for concurrent use; one Client
// serves every organization of one environment.
type Client struct {
	baseURL   string
	timeout   time.Duration
	http      *http.Client
	log       *slog.Logger
	guards    *guards // of prices
	events    *guards // of payment events; their breakers are not used
	platforms *guards // of the calls beside the price, of which only the holds are used
	vouchers  *vouchers
	meters    *meters
	tracer    trace.Tracer
}

// New returns a Client. It fails on a URL that is missing, malformed, or not
// https towards another machine; it contacts nobody.
func New(cfg Config) (*Client, error) {
	if err := outbound.CheckBase(cfg.BaseURL); err != nil {
		return nil, fmt.Errorf("URL of SEND: %w", err)
	}
	if cfg.TokenURL != "" {
		if err := outbound.CheckBase(cfg.TokenURL); err != nil {
			return nil, fmt.Errorf("token URL of PDND: %w", err)
		}
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("timeout of SEND: %s is negative", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Meter == nil {
		cfg.Meter = noop.Meter{}
	}
	if cfg.Tracer == nil {
		cfg.Tracer = tracenoop.Tracer{}
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	c := &Client{
		baseURL: strings.TrimSuffix(cfg.BaseURL, "/"),
		timeout: cfg.Timeout,
		http: &http.Client{
			Transport: cfg.Transport,
			// The API key is a header of our own, which net/http would carry along
			// to wherever a redirect points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log:    cfg.Logger,
		tracer: cfg.Tracer,
		guards: newGuards(), events: newGuards(), platforms: newGuards(),
	}
	c.guards.changed = c.tellOfBreaker
	c.vouchers = newVouchers(c.http, cfg.TokenURL, cfg.Audience, cfg.Vouchers, cfg.Logger)
	var err error
	if c.meters, err = newMeters(cfg.Meter, c.guards); err != nil {
		return nil, fmt.Errorf("metrics of the SEND client: %w", err)
	}
	return c, nil
}

// tellOfBreaker tells the log when a breaker opens and when it has closed again, and
// not of its trials in between.
func (c *Client) tellOfBreaker(organization string, from, to gobreaker.State) {
	switch {
	case from == gobreaker.StateClosed:
		c.log.Warn("SEND or the relay of an organization keeps failing: it is left alone, tried again every few seconds, and answers go by the organization's policy",
			"organization", organization)
	case to == gobreaker.StateClosed:
		c.log.Info("SEND or the relay of an organization answers again", "organization", organization)
	}
}

// Warm starts obtaining the vouchers of the given credentials in the
// background, so that not even the first payment waits for PDND. It returns at
// once; what fails is retried and logged.
func (c *Client) Warm(creds ...*Credential) {
	for _, cred := range creds {
		if cred.PDND != nil {
			c.vouchers.source(cred.PDND)
		}
	}
}

// Close stops the renewal of vouchers and waits for it, then closes idle
// connections. Calls under way end by their own deadlines.
func (c *Client) Close() error {
	c.vouchers.close()
	c.http.CloseIdleConnections()
	return c.meters.close()
}

// newTransport keeps connections to SEND warm. It speaks HTTP/1.1 on purpose:
// a request that times out then closes its own connection, whereas on one
// HTTP/2 connection gone dead every request would queue and time out until TCP
// notices.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: time.Second, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    time.Second,
		MaxIdleConns:           128,
		MaxIdleConnsPerHost:    64,
		MaxConnsPerHost:        512,
		IdleConnTimeout:        50 * time.Second, // below the 60 s of common load balancers
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true, // answers are a few hundred bytes
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}
