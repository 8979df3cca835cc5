package mutualtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/internal/telemetry"
)

// Config is what a [Door] is made of.
type Config struct {
	Files Files
	// Names are those of the callers that are let in: the common name or a DNS name of
	// their certificates must be one of them.
	Names  []string
	Logger *slog.Logger
	// Meter receives the metrics; nil for none.
	Meter metric.Meter
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Door keeps what TLS needs up to date. It is safe for concurrent use.
type Door struct {
	Config
	current      atomic.Pointer[identity]
	told         telemetry.Complaints
	warned       atomic.Int64 // when an end was warned of, as a Unix time
	refused      *refusals
	registration metric.Registration
}

// New reads the files. Whatever is wrong with them is told here: a door that cannot
// be opened is not opened.
func New(cfg Config) (*Door, error) {
	cfg.Now, cfg.Meter = defaults(cfg.Now, cfg.Meter)
	if len(cfg.Names) == 0 {
		return nil, errors.New("no names of accepted clients")
	}
	d := &Door{Config: cfg}
	read, err := cfg.Files.read()
	if err != nil {
		return nil, err
	}
	first, err := parse(cfg.Files, read, cfg.Now())
	if err != nil {
		return nil, err
	}
	d.current.Store(first)
	return d, d.observe()
}

// TLS is the configuration of the listener. Sessions are not resumed: a caller whose
// authority is taken away is refused at its next connection.
func (d *Door) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			now, from := d.current.Load(), hello.Conn.RemoteAddr()
			return &tls.Config{
				MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{now.certificate}, NextProtos: []string{"http/1.1"},
				// Whom crypto/tls refuses it tells nobody of: it asks for the certificate, and the
				// door judges it. That the caller has its key is still for crypto/tls to see to.
				ClientAuth: tls.RequestClientCert, ClientCAs: now.authorities, SessionTicketsDisabled: true, Time: d.Now,
				VerifyConnection: func(state tls.ConnectionState) error { return d.verify(hello.Context(), state, now, from) },
			}, nil
		},
	}
}

// verify lets only the named in, of those whose certificate is good. It is called at
// every handshake, with or without a certificate, and its error ends the handshake.
func (d *Door) verify(ctx context.Context, state tls.ConnectionState, now *identity, from net.Addr) error {
	why, err := admit(state.PeerCertificates, now.authorities, d.Names, d.Now())
	if err != nil {
		d.refused.tell(ctx, why, fmt.Errorf("%s: %w", from, err))
	}
	return err
}

// lookEvery is how often the files are looked at. Reading them is cheap, and tells of
// changes that their times do not (a symbolic link that is turned over).
const lookEvery = 10 * time.Second

// Watch reads the files again and again until ctx ends.
func (d *Door) Watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.Reload(ctx)
		}
	}
}

// Reload reads the files now. Connections that are open stay as they are; those that
// come use what the files hold. What cannot be used is told, and nothing changes.
func (d *Door) Reload(ctx context.Context) {
	before := d.current.Load()
	read, err := d.Files.read()
	if err == nil && read.equal(before.content) {
		d.warn(ctx, before)
		return
	}
	var after *identity
	if err == nil {
		after, err = parse(d.Files, read, d.Now())
	}
	if err != nil {
		if d.told.Due("reload", d.Now()) {
			d.Logger.ErrorContext(ctx, "the TLS files of the Nodo's door have changed and cannot be used; the door goes on with those before", "error", err)
		}
		return
	}
	d.current.Store(after)
	d.Logger.InfoContext(ctx, "the TLS files of the Nodo's door were read again", "certificate_ends", after.ends.UTC())
}

// A certificate is warned of so long before its end, and so often.
const (
	soon      = 30 * 24 * time.Hour
	warnEvery = 12 * time.Hour
)

func (d *Door) warn(ctx context.Context, i *identity) {
	now := d.Now()
	if i.ends.Sub(now) > soon && i.firstCA.Sub(now) > soon || now.Unix()-d.warned.Load() < int64(warnEvery/time.Second) {
		return
	}
	d.warned.Store(now.Unix())
	d.Logger.WarnContext(ctx, "a certificate of the Nodo's door ends soon, or has ended: put a new one in its file",
		"certificate_ends", i.ends.UTC(), "first_client_authority_ends", i.firstCA.UTC(), "last_client_authority_ends", i.lastCA.UTC())
}

func (d *Door) observe() error {
	var errs [2]error
	d.refused, errs[0] = newRefusals(d.Logger, d.Meter, d.Now, noCertificate, ofNoAuthority, outOfDays, notNamed)
	ends, err := d.Meter.Int64ObservableGauge("attualizza_certificate_not_after_timestamp_seconds",
		metric.WithDescription("When a certificate ends, as a Unix time."))
	errs[1] = err
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	d.registration, err = d.Meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		i := d.current.Load()
		o.ObserveInt64(ends, i.ends.Unix(), metric.WithAttributes(attribute.String("certificate", "nodo")))
		o.ObserveInt64(ends, i.firstCA.Unix(), metric.WithAttributes(attribute.String("certificate", "nodo_client_ca_first")))
		o.ObserveInt64(ends, i.lastCA.Unix(), metric.WithAttributes(attribute.String("certificate", "nodo_client_ca_last")))
		return nil
	}, ends)
	return err
}

// Ends tells when the door's certificate ends, or one of its chain, and when the
// first and the last of the client authorities do.
func (d *Door) Ends() (certificate, first, last time.Time) {
	now := d.current.Load()
	return now.ends, now.firstCA, now.lastCA
}

// Close ends the metrics.
func (d *Door) Close() error { return d.registration.Unregister() }
