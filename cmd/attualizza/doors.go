package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/attualizza/attualizza/internal/deliveries"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/soap"
)

// openDoors opens the three listeners, before which nobody stands yet. The write
// timeouts leave room for an answer that used its whole budget.
func (s *service) openDoors() (err error) {
	if s.nodoTLS, err = openNodoTLS(s.cfg, s.logger, s.meter); err != nil {
		return err
	}
	nodo, err := s.nodo()
	if err != nil {
		return err
	}
	api, err := s.api()
	if err != nil {
		return err
	}
	return errors.Join(
		s.listen("nodo", s.cfg.NodoListen, nodo, 5*time.Second, s.cfg.AnswerBudget+3*time.Second, 2048),
		s.listen("api", s.cfg.APIListen, api, 15*time.Second, 20*time.Second, 1024),
		s.listen("ops", s.cfg.OpsListen, s.operations(), 5*time.Second, 90*time.Second, 64),
	)
}

// nodo is the SOAP endpoint, for the proxies before it alone when there are any.
func (s *service) nodo() (http.Handler, error) {
	proxies, err := s.cfg.Proxies()
	if err != nil {
		return nil, err
	}
	endpoint, err := behindProxies(s.cfg, soap.New(soap.Config{
		Directory: s.registry, Quoter: s.actualizer, Recorder: s.recorder, Receipts: deliveries.Receipts{Store: s.store, Courier: s.courier},
		Budget: s.cfg.AnswerBudget, MaxInFlight: s.cfg.MaxInFlight, Proxies: proxies, Meter: s.meter, Tracer: s.tracer, Logger: s.logger,
	}), s.logger, s.meter)
	if err != nil {
		return nil, err
	}
	paths := http.NewServeMux()
	paths.Handle(soap.Path, endpoint)
	return paths, nil
}

// api is the REST API.
func (s *service) api() (http.Handler, error) {
	proxies, err := s.cfg.TrustedByAPI()
	if err != nil {
		return nil, err
	}
	return rest.New(rest.Config{
		Store: s.store, Quoter: s.actualizer, Directory: s.registry, Box: s.box, Waker: s.courier,
		Vouchers: s.verifier(), Audience: s.cfg.PDNDTokenAudience,
		AdminKey: string(s.cfg.AdminKey), RateLimit: s.cfg.APIRateLimit.PerSecond(), Proxies: proxies, MaxBody: int64(s.cfg.APIMaxBody),
		Name: "attualizza", Version: version(), Environment: environment(s.cfg),
		Meter: s.meter, Tracer: s.tracer, Logger: s.logger, Audit: telemetry.Audit(s.logger),
	})
}

// listen opens a door for so many connections at once; more wait to be let in. Who
// sends slowly is cut off: the headers, after the handshake of TLS, have two seconds.
func (s *service) listen(name, address string, handler http.Handler, read, write time.Duration, connections int) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return unheard(fmt.Sprintf("--%s-listen (ATTUALIZZA_%s_LISTEN)", name, strings.ToUpper(name)), address, err)
	}
	listener = netutil.LimitListener(listener, connections)
	if name == "nodo" && s.nodoTLS != nil {
		listener = tls.NewListener(listener, s.nodoTLS.TLS())
	}
	s.servers = append(s.servers, &listening{name: name, listener: listener, server: &http.Server{
		Handler: s.leaving(handler), ReadHeaderTimeout: 2 * time.Second, ReadTimeout: read, WriteTimeout: write,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}})
	return nil
}

// unheard is why an address cannot be listened at, and what to do about it, by
// the setting that it comes from.
func unheard(setting, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use by another program: end it, or choose another address", setting, address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %s takes rights that this user has not: choose a port above 1023, or grant them", setting, address)
	}
	return fmt.Errorf("%s: cannot listen at %s: choose an address of this machine (%w)", setting, address, err)
}

// address is where a door listens, "host:port".
func (s *service) address(name string) string {
	for _, door := range s.servers {
		if door.name == name {
			return door.listener.Addr().String()
		}
	}
	return ""
}
