package main

import (
	"fmt"
	"log/slog"
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

// checkNodoTLS opens the files as the service would, and tells how long they last.
func checkNodoTLS(cfg *config.Config) (string, error) {
	if !cfg.NodoTLS() {
		return "not configured: the SOAP listener speaks plain HTTP, for use behind a TLS proxy or on loopback", nil
	}
	door, err := openNodoTLS(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return "", err
	}
	defer door.Close()
	certificate, authority := door.Ends()
	return fmt.Sprintf("certificate until %s, first client authority until %s", certificate.UTC().Format(time.DateOnly), authority.UTC().Format(time.DateOnly)), nil
}
