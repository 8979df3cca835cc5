package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
)

type demoCommand struct {
	Keep bool `help:"Leave everything running afterwards, for a browser or curl; stop it with Ctrl-C."`
	Logs bool `help:"Show the service's log on standard error."`
}

// Run plays the demo. It returns an error when the service answered anything
// but what the scenes expect, so that it is a test too.
func (c *demoCommand) Run(ctx context.Context, std stdio) error {
	began := time.Now()
	logger := slog.New(slog.DiscardHandler)
	if c.Logs {
		var err error
		if logger, err = telemetry.NewLogger(std.err, "info", "text"); err != nil {
			return err
		}
	}
	folder, err := os.MkdirTemp("", "attualizza-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)

	shown := newProgress(std)
	shown.step("starting SEND's simulator, the database and the service")
	sim, err := startSandbox(ctx, "127.0.0.1:0", sandbox.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer sim.Close()
	stage, err := newStage(ctx, sim, "sqlite:"+filepath.Join(folder, "demo.db"), "", logger)
	if err != nil {
		return err
	}
	defer stage.Close()

	shown.step("registering the sample ente and its positions by REST")
	if err := stage.register(ctx, positions.Duration(demoFresh)); err != nil {
		return err
	}
	scenes := demoScenes(time.Now())
	for i := range scenes {
		if err := stage.publish(ctx, scenes[i].position()); err != nil {
			return err
		}
	}
	if err := notifyStamp(sim, sceneOf(scenes, func(s *scene) bool { return s.stamp }).nav); err != nil {
		return err
	}
	for i := range scenes {
		shown.step("asking as the Nodo: " + scenes[i].title)
		if err := scenes[i].play(ctx, stage, sim); err != nil {
			shown.end()
			return fmt.Errorf("%s: %w", scenes[i].title, err)
		}
	}
	shown.step("paying one of them: receipt, and the notice again")
	paid, err := playReceipt(ctx, stage, sceneOf(scenes, func(s *scene) bool { return s.pays }))
	if err != nil {
		return err
	}
	shown.end()
	printScenes(std.out, append(scenes, paid))
	fmt.Fprintf(std.out, "%d calls of the Nodo over SOAP, %d price requests to SEND, %s in all.\n",
		2*len(scenes)+4, len(sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice})), time.Since(began).Round(10*time.Millisecond))
	if failed := failures(append(scenes, paid)); failed != nil {
		return failed
	}
	if c.Keep {
		stage.describe(std.out, sceneOf(scenes, func(s *scene) bool { return s.wantFee == 2557 }).nav) // two registered letters
		<-ctx.Done()
	}
	return nil
}

// demoFresh is how long the demo's prices are fresh: long enough for a verify
// and its activation, short enough to see a price grow old.
const demoFresh = 2 * time.Second

func failures(scenes []scene) error {
	var all []error
	for _, s := range scenes {
		if s.problem != "" {
			all = append(all, fmt.Errorf("%s: %s", s.title, s.problem))
		}
	}
	return errors.Join(all...)
}

// printScenes shows what a citizen would have been asked, and why.
func printScenes(w io.Writer, scenes []scene) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetTitle("What the Nodo was told by paVerifyPaymentNotice / paGetPaymentV2")
	t.AppendHeader(table.Row{"case", "notice", "base", "rules", "fee", "total", "source of the fee", "ms"})
	for _, s := range scenes {
		first, then := s.said[0], s.said[1]
		took := fmt.Sprintf("%s / %s", milliseconds(s.verify.Took), milliseconds(s.activation.Took))
		if then.Outcome != "OK" {
			t.AppendRow(table.Row{s.title, s.nav, s.amount, "", "", "refused", then.Fault, took})
			continue
		}
		t.AppendRow(table.Row{s.title, s.nav, s.amount, then.BaseAmount - s.amount, then.NotificationFee, then.Amount, fmt.Sprintf("%s / %s", first.Source, then.Source), took})
	}
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight}, {Number: 6, Align: text.AlignRight}, {Number: 8, Align: text.AlignRight},
	})
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Render()
	for _, s := range scenes {
		if len(s.lines) > 0 {
			fmt.Fprintf(w, "Why notice %s costs that much, as the quote tells a payer:\n  %s\n", s.nav, strings.Join(s.lines, "\n  "))
		}
	}
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64)
}
