package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	Publish       bool   `help:"Make the positions payable, not drafts."`
	Format        string `enum:",ndjson,csv" default:"" help:"ndjson, a body of POST .../debtpositions per line, or csv; by the name of the file unless given." placeholder:"FORMAT"`
	Rejected      string `help:"Where what is refused is written, with the reasons; FILE.rejected.ndjson unless given." placeholder:"FILE"`
	Batch         int    `default:"1000" help:"Positions of one commit, 1 to 10000; ${default} unless given."`
	DryRun        bool   `help:"Judge the lines, store nothing. What is taken already is not looked for."`
}

// sayEvery is how often a load that nobody watches says how far it is.
const sayEvery = 5 * time.Second

// Run loads the file.
func (c *positionsImport) Run(ctx context.Context, std streams) error {
	began := time.Now()
	format, rejected, err := c.choices()
	if err != nil {
		return &usageError{err}
	}
	input, size, err := c.open(rejected)
	if err != nil {
		return &usageError{err}
	}
	defer input.Close()
	store, organization, err := c.prepare(ctx)
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

	refused := &rejections{path: rejected}
	shown := newLoadProgress(std, size, read)
	counts, err := bulkload.Run(ctx, source, bulkload.Job{
		Store: store, Organization: c.Organization, CompanyName: organization.CompanyName, Publish: c.Publish, DryRun: c.DryRun,
		Batch: c.Batch, MaxBytes: int(c.APIMaxBody), Rejected: refused.write, Progress: shown.report,
		Change: positions.Change{Actor: positions.Actor{Kind: "OPERATOR"}, Action: "IMPORT", Reason: c.reason()},
	})
	shown.end()
	err = errors.Join(err, refused.close())
	c.summary(std.out, counts, time.Since(began))
	switch {
	case errors.Is(err, bulkload.ErrInterrupted):
		return errors.New("interrupted; run the same command again to go on")
	case err != nil:
		return fmt.Errorf("%w; nothing is lost: run the same command again to go on", err)
	case counts.Refused > 0:
		return fmt.Errorf("%d positions were refused; the reasons are in %s", counts.Refused, rejected)
	}
	return nil
}

// choices are what follows from the flags together.
func (c *positionsImport) choices() (format bulkload.Format, rejected string, err error) {
	if !positions.FiscalCodePA(c.Organization) {
		return "", "", fmt.Errorf("--organization must be the 11 digits of an organization's tax code, %q is not", c.Organization)
	}
	const largest = 10_000
	if c.Batch < 1 || c.Batch > largest {
		return "", "", fmt.Errorf("--batch must be between 1 and %d, %d is not", largest, c.Batch)
	}
	format = bulkload.Format(c.Format)
	if format == "" {
		switch strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(c.Path), ".gz"))) {
		case ".ndjson", ".jsonl":
			format = bulkload.NDJSON
		case ".csv":
			format = bulkload.CSV
		default:
			return "", "", fmt.Errorf("the name %s does not tell its format: say --format=ndjson or --format=csv", c.Path)
		}
	}
	switch rejected = c.Rejected; {
	case rejected != "":
	case c.Path == "-":
		rejected = "stdin.rejected.ndjson"
	default:
		rejected = c.Path + ".rejected.ndjson"
	}
	return format, rejected, nil
}

// reason is what the history of every position says. A name need not be UTF-8,
// which not every store takes: one that a Windows archive brought, for example.
func (c *positionsImport) reason() string {
	return "import of " + strings.ToValidUTF8(filepath.Base(c.Path), "?")
}

// open opens the file; size is 0 when it cannot be told. What is refused must
// not be written over what is read.
func (c *positionsImport) open(rejected string) (input io.ReadCloser, size int64, err error) {
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
	if other, err := os.Stat(rejected); err == nil && os.SameFile(info, other) {
		return nil, 0, errors.Join(fmt.Errorf("--rejected %s is the file that is to be loaded", rejected), file.Close())
	}
	if info.Mode().IsRegular() {
		size = info.Size()
	}
	return file, size, nil
}

// prepare opens the database, which must be ready, and finds the organization.
func (c *positionsImport) prepare(ctx context.Context) (positions.Store, *positions.Organization, error) {
	const migrate = "run `attualizza migrate` first"
	if path, ok := strings.CutPrefix(string(c.DatabaseURL), "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // opening would make it
			return nil, nil, fmt.Errorf("the database %s is not there: %s", path, migrate)
		}
	}
	store, err := openStore(ctx, string(c.DatabaseURL))
	if err != nil {
		return nil, nil, err
	}
	if err := store.Ping(ctx); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w; if the database answers but was never prepared, %s", err, migrate), store.Close())
	}
	organization, err := store.Organization(ctx, c.Organization)
	if positions.CodeOf(err) == positions.NotFound {
		err = &usageError{fmt.Errorf("organization %s is not registered: register it with PUT /v1/organizations/%s", c.Organization, c.Organization)}
	}
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, organization, nil
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
		t.AppendRow(table.Row{"already there", n.AlreadyThere})
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

// rejections is the file of what is refused. It is made for the first one, for
// its owner's eyes only: it holds what the lines held.
type rejections struct {
	path string
	file *os.File
	w    *bufio.Writer
}

func (r *rejections) write(rejection *bulkload.Rejection) (err error) {
	if r.file == nil {
		if r.file, err = createPrivate(r.path); err != nil {
			return err
		}
		r.w = bufio.NewWriter(r.file)
	}
	return rejection.Write(r.w)
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

func (r *rejections) close() error {
	if r.file == nil {
		return nil
	}
	return errors.Join(r.w.Flush(), r.file.Close())
}
