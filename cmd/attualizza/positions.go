package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/bulkload"
	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/positions"
)

type positionsCommand struct {
	Import positionsImport `cmd:"" help:"Load positions from a file, NDJSON or CSV. Run it again to go on after an interruption: what is there already is skipped."`
}

type positionsImport struct {
	config.Config `embed:""`
	Path          string `arg:"" name:"file" help:"The file, gzip or not; - for standard input."`
	Organization  string `required:"" help:"Tax code of the organization whose positions they are." placeholder:"CODE"`
	Publish       bool   `help:"Make the positions payable, not drafts; also those that are there as drafts, if they are unchanged."`
	Format        string `enum:",ndjson,csv" default:"" help:"ndjson, a body of POST .../debtpositions per line, or csv; by the name of the file unless given." placeholder:"FORMAT"`
	Rejected      string `help:"Where what is refused is written, with the reasons; FILE.rejected.ndjson unless given." placeholder:"FILE"`
	Warnings      string `help:"Where what is accepted and probably a slip is written; FILE.warnings.ndjson unless given." placeholder:"FILE"`
	Batch         int    `default:"1000" help:"Positions of one commit, 1 to 10000; ${default} unless given."`
	DryRun        bool   `help:"Judge the lines, store nothing. What is taken already is not looked for."`
}

// sayEvery is how often a load that nobody watches says how far it is.
const sayEvery = 5 * time.Second

// Run loads the file.
func (c *positionsImport) Run(ctx context.Context, std stdio) error {
	began := time.Now()
	format, err := c.choices()
	if err != nil {
		return &usageError{err}
	}
	input, size, err := c.open()
	if err != nil {
		return &usageError{err}
	}
	defer input.Close()
	store, organization, err := openFor(ctx, string(c.DatabaseURL), c.Organization)
	if err != nil {
		return err
	}
	defer store.Close()
	read := &counted{Reader: input}
	source, err := bulkload.Open(read, format, int(c.APIMaxBody))
	if err != nil {
		var wrong *bulkload.FileError
		if errors.As(err, &wrong) {
			return &usageError{fmt.Errorf("%s: %w", c.Path, err)}
		}
		return fmt.Errorf("%s: %w", c.Path, err)
	}

	refused, warned := &findings{path: c.Rejected}, &findings{path: c.Warnings}
	shown := newLoadProgress(std, size, read)
	counts, err := bulkload.Run(ctx, source, bulkload.Job{
		Store: store, Organization: c.Organization, CompanyName: organization.CompanyName, Publish: c.Publish, DryRun: c.DryRun,
		Batch: c.Batch, MaxBytes: int(c.APIMaxBody), Progress: shown.report,
		Rejected: func(r *bulkload.Rejection) error { return refused.write(r) },
		Warned:   func(x *bulkload.Warning) error { return warned.write(x) },
		Change:   positions.Change{Actor: positions.Actor{Kind: "OPERATOR"}, Action: "IMPORT", Reason: c.reason()},
	})
	shown.end()
	if !c.DryRun {
		onRecord(ctx, std, "positions import", err,
			slog.String("organization", c.Organization), slog.Int64("refused", counts.Refused))
	}
	err = errors.Join(err, refused.close(), warned.close())
	c.summary(std.out, counts, time.Since(began))
	switch {
	case errors.Is(err, bulkload.ErrInterrupted):
		return errors.New("interrupted; run the same command again to go on")
	case err != nil:
		return fmt.Errorf("%w; nothing is lost: run the same command again to go on", err)
	case counts.Refused > 0:
		return fmt.Errorf("%d positions were refused; the reasons are in %s", counts.Refused, c.Rejected)
	}
	return nil
}

// choices are what follows from the flags together: the format, and where
// findings are written.
func (c *positionsImport) choices() (format bulkload.Format, err error) {
	if err := checkOrganization(c.Organization); err != nil {
		return "", err
	}
	const largest = 10_000
	if c.Batch < 1 || c.Batch > largest {
		return "", fmt.Errorf("--batch must be between 1 and %d, %d is not", largest, c.Batch)
	}
	format = bulkload.Format(c.Format)
	if format == "" {
		switch strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(c.Path), ".gz"))) {
		case ".ndjson", ".jsonl":
			format = bulkload.NDJSON
		case ".csv":
			format = bulkload.CSV
		default:
			return "", fmt.Errorf("the name %s does not tell its format: say --format=ndjson or --format=csv", c.Path)
		}
	}
	beside := c.Path
	if beside == "-" {
		beside = "stdin"
	}
	c.Rejected, c.Warnings = cmp.Or(c.Rejected, beside+".rejected.ndjson"), cmp.Or(c.Warnings, beside+".warnings.ndjson")
	if filepath.Clean(c.Rejected) == filepath.Clean(c.Warnings) {
		return "", fmt.Errorf("--rejected and --warnings are both %s", c.Warnings)
	}
	return format, nil
}

// reason is what the history of every position says. A name need not be UTF-8,
// which not every store takes: one that a Windows archive brought, for example.
func (c *positionsImport) reason() string {
	return "import of " + strings.ToValidUTF8(filepath.Base(c.Path), "?")
}

// open opens the file; size is 0 when it cannot be told. What is refused or
// warned of must not be written over what is read.
func (c *positionsImport) open() (input io.ReadCloser, size int64, err error) {
	if c.Path == "-" {
		return io.NopCloser(os.Stdin), 0, nil
	}
	file, err := os.Open(c.Path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(fmt.Errorf("%s is a directory", c.Path), file.Close())
	}
	for _, written := range []struct{ flag, path string }{{"--rejected", c.Rejected}, {"--warnings", c.Warnings}} {
		if other, err := os.Stat(written.path); err == nil && os.SameFile(info, other) {
			return nil, 0, errors.Join(fmt.Errorf("%s %s is the file that is to be loaded", written.flag, written.path), file.Close())
		}
	}
	if info.Mode().IsRegular() {
		size = info.Size()
	}
	return file, size, nil
}

// summary is the table at the end.
func (c *positionsImport) summary(w io.Writer, n bulkload.Counts, took time.Duration) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetTitle("import of " + filepath.Base(c.Path))
	t.AppendRow(table.Row{"positions read", n.Read})
	if c.DryRun {
		t.AppendRow(table.Row{"valid; nothing was stored", n.Valid})
	} else {
		t.AppendRow(table.Row{"created", n.Created})
		if c.Publish {
			t.AppendRow(table.Row{"published, were drafts", n.Published})
		}
		t.AppendRow(table.Row{"already there", n.AlreadyThere})
	}
	if n.WithWarnings > 0 {
		t.AppendRow(table.Row{"with warnings", n.WithWarnings})
	}
	t.AppendRow(table.Row{"refused", n.Refused})
	for _, reason := range slices.Sorted(maps.Keys(n.Reasons)) {
		t.AppendRow(table.Row{"  " + reason, n.Reasons[reason]})
	}
	t.AppendRow(table.Row{"duration", took.Round(10 * time.Millisecond)})
	t.AppendRow(table.Row{"positions per second", int(float64(n.Read) / took.Seconds())})
	if peak := peakMemory(); peak > 0 {
		t.AppendRow(table.Row{"peak memory", fmt.Sprintf("%d MiB", peak>>20)})
	}
	t.SetStyle(table.StyleLight)
	t.Render()
	switch {
	case n.Drafts == 0:
	case c.Publish:
		fmt.Fprintf(w, "%d stay drafts, which nobody can pay: they were changed since they were loaded; publish them by the API\n", n.Drafts)
	default:
		fmt.Fprintf(w, "%d as drafts: nobody can pay them until they are published (run again with --publish)\n", n.Drafts)
	}
	if n.WithWarnings > 0 {
		fmt.Fprintf(w, "%d with warnings, probably slips: they are in %s\n", n.WithWarnings, c.Warnings)
	}
}

// counted counts what is read of a file.
type counted struct {
	io.Reader
	bytes atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// findings is a file of what is refused or warned of. It is made for the first
// one, for its owner's eyes only: it holds what the lines held.
type findings struct {
	path string
	file *os.File
	w    *bufio.Writer
}

func (f *findings) write(finding interface{ Write(io.Writer) error }) (err error) {
	if f.file == nil {
		if f.file, err = createPrivate(f.path); err != nil {
			return err
		}
		f.w = bufio.NewWriter(f.file)
	}
	return finding.Write(f.w)
}

// createPrivate opens a file to write it anew. One that is there already is made
// private too, unless it is a pipe or a device.
func createPrivate(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = file.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (f *findings) close() error {
	if f.file == nil {
		return nil
	}
	return errors.Join(f.w.Flush(), f.file.Close())
}
