package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/telemetry"
)

type sandboxCommand struct {
	Listen string `default:"127.0.0.1:8090" help:"Address of the simulator, ${default} unless given: SEND, PDND and its own controls under /sandbox." placeholder:"HOST:PORT"`
	Seed   uint64 `help:"Makes the IUNs reproducible; without it they are random."`
	Open   bool   `help:"Accept any API key, without a voucher; otherwise keys must be registered under /sandbox."`
}

// Run simulates until it is told to stop.
func (c *sandboxCommand) Run(ctx context.Context, std stdio) error {
	logger, err := telemetry.NewLogger(std.err, "info", "text")
	if err != nil {
		return err
	}
	options := sandbox.Options{Logger: logger, Seed: c.Seed}
	if c.Open {
		options.UnknownKeys = sandbox.VoucherForbidden
	}
	sim, err := startSandbox(ctx, c.Listen, options)
	if err != nil {
		return err
	}
	defer sim.Close()
	fmt.Fprintf(std.out, "SEND and PDND are simulated at %s\n  price    %s/delivery/v2.3/price/{paTaxId}/{noticeCode}\n  voucher  %s/token.oauth2\n  relays   %s/relay/native and /relay/legacy\n  controls %s/sandbox/\n",
		sim.URL, sim.URL, sim.URL, sim.URL, sim.URL)
	select {
	case err := <-sim.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// simulator is a sandbox behind a listener.
type simulator struct {
	*sandbox.Sandbox
	URL    string
	server *http.Server
	failed chan error
}

func startSandbox(ctx context.Context, address string, options sandbox.Options) (*simulator, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, unheard("--listen", address, err)
	}
	sim := &simulator{Sandbox: sandbox.New(options), URL: "http://" + listener.Addr().String(), failed: make(chan error, 1)}
	sim.server = &http.Server{
		Handler: sim.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // faults on demand are not worth a line
	}
	go func() {
		if err := sim.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			sim.failed <- err
		}
	}()
	return sim, nil
}

// Close stops the simulator; requests that hang on demand are let go.
func (s *simulator) Close() {
	s.Sandbox.Close()
	_ = s.server.Close()
}
