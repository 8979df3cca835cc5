package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/attualizza/attualizza/internal/outbound"
	"github.com/attualizza/attualizza/internal/tccosto"
	"github.com/attualizza/attualizza/positions"
)

type tcCostoCommand struct {
	Sandbox  bool     `help:"Run both scenarios against an embedded service and SEND's simulator; everything else but the output is made up then."`
	Scenario int      `default:"1" help:"1: who notifies is the creditor. 2: it is another administration, which the positions name (senderFiscalCode). ${default} unless given." placeholder:"1|2"`
	Endpoint string   `default:"http://127.0.0.1:8080/soap/paForNode" help:"paForNode endpoint; ${default} unless given." placeholder:"URL"`
	API      string   `default:"http://127.0.0.1:8081" help:"Base address of the REST API; ${default} unless given." placeholder:"URL"`
	IDPA     string   `name:"id-pa" help:"Tax code of the creditor (idPA)." placeholder:"CODE"`
	Broker   string   `help:"Code of its broker (idBrokerPA)." placeholder:"CODE"`
	Station  string   `help:"Code of the station (idStation)." placeholder:"CODE"`
	Key      string   `env:"ATTUALIZZA_READER_KEY" help:"Key of the organization for the REST API; READER is enough." placeholder:"KEY"`
	KeyFile  string   `env:"ATTUALIZZA_READER_KEY_FILE" help:"File that holds the key." placeholder:"FILE"`
	Output   string   `help:"Where the report is written; standard output unless given." placeholder:"FILE"`
	Format   string   `enum:"markdown,json" default:"markdown" help:"markdown, in Italian, or json." placeholder:"FORMAT"`
	Notices  []string `arg:"" optional:"" name:"notice" help:"Notice numbers, 18 digits each: notices that SEND has notified."`
}

// maxNotices bounds one run: the test wants one notice, a few show more cases.
const maxNotices = 50

// Validate is called by kong.
func (c *tcCostoCommand) Validate() error {
	if c.Sandbox {
		if c.IDPA != "" || c.Broker != "" || c.Station != "" || len(c.Notices) > 0 {
			return errors.New("--sandbox makes up the organization and its notices: leave them out")
		}
		return nil
	}
	if c.Scenario != int(tccosto.SenderIsCreditor) && c.Scenario != int(tccosto.SenderIsAnother) {
		return fmt.Errorf("--scenario must be 1 or 2, %d is not", c.Scenario)
	}
	if u, err := url.Parse(c.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--endpoint %s must be a URL like http://127.0.0.1:8080/soap/paForNode", c.Endpoint)
	}
	if err := outbound.CheckBase(c.API); err != nil { // the key goes there
		return fmt.Errorf("--api %w", err)
	}
	switch {
	case !positions.FiscalCodePA(c.IDPA):
		return fmt.Errorf("--id-pa must be the 11 digits of a creditor's tax code, %q is not", c.IDPA)
	case c.Broker == "" || c.Station == "":
		return errors.New("--broker and --station are needed: the Nodo's requests name them")
	case len(c.Notices) == 0 || len(c.Notices) > maxNotices:
		return fmt.Errorf("1 to %d notice numbers are needed", maxNotices)
	case c.Key == "" && c.KeyFile == "":
		return errors.New("a key for the REST API is needed: --key-file, --key or ATTUALIZZA_READER_KEY")
	case c.Key != "" && c.KeyFile != "":
		return errors.New("--key and --key-file are both given; keep one")
	}
	for _, n := range c.Notices {
		if _, err := positions.ParseNoticeNumber(n); err != nil {
			return fmt.Errorf("a notice number is 18 digits, %q is not", n)
		}
	}
	return nil
}

// Run runs the test and writes its report. A test that is not passed is an error,
// after the report was written.
func (c *tcCostoCommand) Run(ctx context.Context, std stdio) error {
	if err := c.readKey(); err != nil {
		return &usageError{err}
	}
	report, err := c.open(std.out)
	if err != nil {
		return &usageError{err}
	}
	defer report.discard()
	shown := newProgress(std)
	var reports []tccosto.Report
	if c.Sandbox {
		reports, err = rehearse(ctx, shown)
	} else {
		reports, err = c.collect(ctx, shown)
	}
	shown.end()
	if err != nil {
		return err
	}
	document := tccosto.Document{
		Test: "TC-COSTO-01", At: time.Now().UTC(), Version: version(), Simulated: c.Sandbox, Passed: true, Reports: reports,
	}
	for _, r := range reports {
		document.Passed = document.Passed && r.Passed
	}
	printEvidence(std.err, reports)
	if err := c.write(report, &document); err != nil {
		return err
	}
	if !document.Passed {
		return errors.New("TC-COSTO-01 is not passed: the report tells why")
	}
	return nil
}

func (c *tcCostoCommand) readKey() error {
	if c.KeyFile == "" || c.Sandbox {
		return nil
	}
	content, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	if c.Key = strings.TrimSpace(string(content)); c.Key == "" {
		return fmt.Errorf("--key-file: %s is empty", c.KeyFile)
	}
	if strings.ContainsAny(c.Key, "\r\n") {
		return fmt.Errorf("--key-file: %s has more than one line: it must hold the key alone", c.KeyFile)
	}
	return nil
}

func (c *tcCostoCommand) collect(ctx context.Context, shown *progress) ([]tccosto.Report, error) {
	collector := tccosto.Collector{
		Endpoint: c.Endpoint, Organization: c.IDPA, Broker: c.Broker, Station: c.Station, API: c.API, Key: c.Key, Progress: shown.step,
	}
	var notices []positions.NoticeNumber
	for _, n := range c.Notices {
		notices = append(notices, positions.NoticeNumber(n))
	}
	report, err := collector.Report(ctx, tccosto.Scenario(c.Scenario), notices)
	return []tccosto.Report{report}, err
}

func (c *tcCostoCommand) write(report *reportFile, document *tccosto.Document) error {
	if c.Format == "json" {
		encoder := json.NewEncoder(report)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(document); err != nil {
			return err
		}
	} else if err := document.WriteMarkdown(report); err != nil {
		return err
	}
	return report.keep()
}

// reportFile takes the place of an older report only when it is complete.
type reportFile struct {
	io.Writer
	file *os.File // nil: standard output
	path string
}

// open fails before the test is run when the report could not be written.
func (c *tcCostoCommand) open(out io.Writer) (*reportFile, error) {
	if c.Output == "" {
		return &reportFile{Writer: out}, nil
	}
	file, err := os.CreateTemp(filepath.Dir(c.Output), filepath.Base(c.Output)+".*")
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	return &reportFile{Writer: file, file: file, path: c.Output}, nil
}

func (r *reportFile) keep() error {
	if r.file == nil {
		return nil
	}
	err := errors.Join(r.file.Chmod(0o644), r.file.Close())
	if err == nil {
		err = os.Rename(r.file.Name(), r.path)
	}
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	r.file = nil
	return nil
}

func (r *reportFile) discard() {
	if r.file != nil {
		_ = r.file.Close()
		_ = os.Remove(r.file.Name())
	}
}

// printEvidence shows the outcome on the terminal; the report has all of it.
func printEvidence(w io.Writer, reports []tccosto.Report) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetTitle("TC-COSTO-01")
	t.AppendHeader(table.Row{"scenario", "avviso", "IUN", "base", "costo", "importo", "origine", "esito"})
	for _, r := range reports {
		for _, e := range r.Notices {
			cost := "-"
			if e.Cost != nil {
				cost = e.Cost.String()
			}
			verdict := tccosto.Verdict(e.Passed)
			if !e.Passed {
				verdict += "\n" + strings.Join(e.Reasons, "\n")
			}
			t.AppendRow(table.Row{r.Scenario, e.Notice, e.IUN, e.Base, cost, e.Told, e.Source, verdict})
		}
		for _, reason := range r.Reasons {
			t.AppendRow(table.Row{r.Scenario, "", "", "", "", "", "", tccosto.Verdict(false) + "\n" + reason})
		}
	}
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 4, Align: text.AlignRight},
		{Number: 5, Align: text.AlignRight},
		{Number: 6, Align: text.AlignRight},
		{Number: 8, WidthMax: 60},
	})
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Render()
}
