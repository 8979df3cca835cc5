package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/mutualtls"
)

// openNodoTLS opens mutual TLS for the Nodo's door; nil when it is not configured.
// Files that cannot be used are the configuration's fault.
func openNodoTLS(cfg *config.Config, logger *slog.Logger, meter metric.Meter) (*mutualtls.Door, error) {
	if !cfg.NodoTLS() {
		return nil, nil
	}
	door, err := mutualtls.New(mutualtls.Config{
		Files: mutualtls.Files{Cert: cfg.NodoTLSCert, Key: cfg.NodoTLSKey, ClientCA: cfg.NodoTLSClientCA},
		Names: cfg.NodoTLSClientNames, Logger: logger, Meter: meter,
	})
	if err != nil {
		return nil, &usageError{fmt.Errorf("ATTUALIZZA_NODO_TLS_*: %w", err)}
	}
	return door, nil
}

// behindProxies lets only proxies hand requests on, where they are configured.
func behindProxies(cfg *config.Config, next http.Handler, logger *slog.Logger, meter metric.Meter) (http.Handler, error) {
	from, err := cfg.Proxies()
	if err != nil || len(from) == 0 {
		return next, err
	}
	proxy, err := mutualtls.NewProxy(mutualtls.ProxyConfig{From: from, Header: cfg.NodoProxyHeader, Names: cfg.NodoTLSClientNames, Logger: logger, Meter: meter})
	if err != nil {
		return nil, &usageError{fmt.Errorf("ATTUALIZZA_NODO_PROXIES: %w", err)}
	}
	return proxy.Guard(next), nil
}

// callerWith calls as somebody who has a certificate, or without one.
func callerWith(cert, key, ca string) (*http.Client, error) {
	if (cert == "") != (key == "") {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--tls-ca: there is no certificate in %s", ca)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	return &http.Client{Transport: transport}, nil
}

// checkNodoTLS opens the files as the service would, and tells how long they last.
func checkNodoTLS(cfg *config.Config) (string, error) {
	if !cfg.NodoTLS() {
		if len(cfg.NodoProxies) > 0 {
			return fmt.Sprintf("spoken by proxies (%s), which hand on the client's certificate in %s", strings.Join(cfg.NodoProxies, ", "), cfg.NodoProxyHeader), nil
		}
		return "not configured: the SOAP listener speaks plain HTTP and lets everybody in; for use behind a TLS proxy that lets only the Nodo in, or on loopback", nil
	}
	door, err := openNodoTLS(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return "", err
	}
	defer door.Close()
	certificate, first, last := door.Ends()
	return fmt.Sprintf("certificate until %s, first client authority until %s, last until %s",
		certificate.UTC().Format(time.DateOnly), first.UTC().Format(time.DateOnly), last.UTC().Format(time.DateOnly)), nil
}
