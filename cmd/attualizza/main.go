// Command attualizza tells pagoPA what a notice costs right now: the service,
// and the programs around it. See `attualizza --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/attualizza/attualizza/internal/config"
)

// The exit codes of the contract.
const (
	exitOK      = 0
	exitFailure = 1 // something went wrong while running
	exitUsage   = 2 // the configuration or the command line is wrong
)

// commands is the command line.
type commands struct {
	Serve           serveCommand           `cmd:"" help:"Run the service; pending migrations are applied first."`
	Migrate         migrateCommand         `cmd:"" help:"Apply the database migrations and exit."`
	Demo            demoCommand            `cmd:"" help:"Start everything embedded, play verify, activation and receipt over real SOAP, print what a citizen would be asked and why."`
	Sandbox         sandboxCommand         `cmd:"" help:"Run the simulator of SEND and PDND alone."`
	Nodo            nodoCommand            `cmd:"" help:"Act as the Nodo towards any paForNode endpoint."`
	Positions       positionsCommand       `cmd:"" help:"Load positions."`
	Deliveries      deliveriesCommand      `cmd:"" help:"Look at what leaves because notices were paid, and deliver it again."`
	MissingReceipts missingReceiptsCommand `cmd:"" help:"List activations that no receipt followed."`
	Reconcile       reconcileCommand       `cmd:"" help:"Report, as CSV, what answers without SEND's price cost: what was collected too little or too much."`
	Retention       retentionCommand       `cmd:"" help:"End the keeping of what was kept long enough."`
	TCCosto         tcCostoCommand         `cmd:"" name:"tc-costo" help:"Run PagoPA's acceptance test TC-COSTO-01 and write its report, in Italian."`
	Config          configCommand          `cmd:"" help:"Look at the configuration."`
	Version         versionCommand         `cmd:"" help:"Print the version."`
}

// stdio is where a command reads and writes.
type stdio struct {
	out, err io.Writer
	terminal bool // err is a terminal: progress may be drawn on it
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	info, err := os.Stderr.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	os.Exit(run(ctx, os.Args[1:], stdio{out: os.Stdout, err: os.Stderr, terminal: terminal}))
}

// run is main without the process: tests call it too.
func run(ctx context.Context, args []string, std stdio) int {
	var cli commands
	exited := -1
	options := append(config.Options(),
		kong.Name("attualizza"),
		kong.Description("Answers the Nodo pagoPA's paForNode calls with today's amount of a notice, SEND's notification fee included."),
		kong.UsageOnError(),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code; panic(exitNow{}) }), // --help
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	return catchExit(&exited, func() int {
		parser, err := kong.New(&cli, options...)
		if err != nil {
			fmt.Fprintln(std.err, "attualizza:", err)
			return exitFailure
		}
		command, err := parser.Parse(args)
		if err != nil {
			fmt.Fprintln(std.err, "attualizza:", err)
			return exitUsage
		}
		return exitCode(command.Run(), std)
	})
}

// exitCode tells what went wrong, once, in one line.
func exitCode(err error, std stdio) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(std.err, "attualizza:", err)
		return exitUsage
	default:
		fmt.Fprintln(std.err, "attualizza:", err)
		return exitFailure
	}
}

// usageError is a refusal of what the user asked for, before anything ran.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// exitNow unwinds when kong wants to exit.
type exitNow struct{}

func catchExit(exited *int, f func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exitNow); !ok {
				panic(r)
			}
			code = *exited
		}
	}()
	return f()
}

// release is set by the linker for released binaries.
var release = "dev"

// version is the release, or what the build knows of its source.
func version() string {
	if release != "dev" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev-" + s.Value[:12]
			}
		}
	}
	return release
}

type versionCommand struct{}

func (versionCommand) Run(std stdio) error {
	_, err := fmt.Fprintln(std.out, "attualizza", version())
	return err
}
