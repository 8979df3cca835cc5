package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

type reconcileCommand struct {
	config.Config `embed:""`
	Organization  string `help:"Only of the organization with this tax code; of all unless given." placeholder:"CODE"`
	From          string `help:"Only from this day on, in Italy; the day of the first answer without SEND's price." placeholder:"YYYY-MM-DD"`
	To            string `help:"Only up to this day, which is included." placeholder:"YYYY-MM-DD"`
	State         string `enum:",OPEN,REPRICED,LAPSED,EVEN,UNDER_COLLECTED,OVER_COLLECTED" default:"" help:"Only in this state: OPEN, REPRICED, LAPSED, EVEN, UNDER_COLLECTED or OVER_COLLECTED." placeholder:"STATE"`
	Output        string `help:"Where the report is written, a file that only its owner can read; standard output unless given." placeholder:"FILE"`
}

// Run writes the report, a line for each reconciliation, and the totals beside it.
func (c *reconcileCommand) Run(ctx context.Context, std stdio) (err error) {
	f, err := c.filter()
	if err != nil {
		return &usageError{err}
	}
	store, err := openPrepared(ctx, string(c.DatabaseURL))
	if err != nil {
		return err
	}
	defer store.Close()
	out := std.out
	if c.Output != "" {
		file, err := createPrivate(c.Output)
		if err != nil {
			return &usageError{fmt.Errorf("--output: %w", err)}
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	totals, err := writeReconciliations(ctx, out, store, f)
	if err != nil {
		return fmt.Errorf("the report is not complete: %w", err)
	}
	showTotals(std.err, totals)
	return nil
}

// filter is what the flags ask for together.
func (c *reconcileCommand) filter() (f positions.ReconciliationFilter, err error) {
	f.OrganizationFiscalCode, f.State = c.Organization, positions.ReconciliationState(c.State)
	if c.Organization != "" && !positions.FiscalCodePA(c.Organization) {
		return f, fmt.Errorf("--organization must be the 11 digits of an organization's tax code, %q is not", c.Organization)
	}
	if f.From, err = dayFlag("--from", c.From, 0); err != nil {
		return f, err
	}
	if f.To, err = dayFlag("--to", c.To, 1); err != nil {
		return f, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f, fmt.Errorf("--from %s is after --to %s", c.From, c.To)
	}
	return f, nil
}

// dayFlag is when the day of a flag begins in Italy, or a day some days after it;
// zero without the flag.
func dayFlag(name, text string, later int) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := calendar.Parse(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s must be a day such as 2026-11-30, %q is not", name, text)
	}
	return (day + calendar.Day(later)).Start(), nil
}

// reconciliationHeader names the columns as the API does. Amounts are whole cents:
// no spreadsheet takes them for a date or loses their decimals.
var reconciliationHeader = []string{
	"organization", "nav", "iupd", "receiptId", "state", "source", "operation", "openedAt", "answeredAt", "paidAt", "judgedAt",
	"amount_cents", "chargedFee_cents", "dueFee_cents", "difference_cents", "iun",
}

// reportPart is how many rows are read at a time.
const reportPart = 500

// writeReconciliations writes all that a filter leaves as CSV (RFC 4180), oldest
// first, and adds it up.
func writeReconciliations(ctx context.Context, w io.Writer, store positions.Reconciliations, f positions.ReconciliationFilter) (totals positions.ReconciliationTotals, err error) {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(reconciliationHeader); err != nil {
		return totals, err
	}
	var after int64
	for {
		f.AfterID, f.Page = &after, positions.Page{Limit: reportPart}
		part, err := store.Reconciliations(ctx, f)
		if err != nil {
			return totals, err
		}
		for i := range part {
			totals.Add(&part[i])
			if err := out.Write(reconciliationRow(&part[i])); err != nil {
				return totals, err
			}
			after = part[i].ID
		}
		if len(part) < reportPart {
			out.Flush()
			return totals, out.Error()
		}
	}
}

// reconciliationRow is one line of the report. What is not known yet is empty.
func reconciliationRow(r *positions.Reconciliation) []string {
	instant := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	cents := func(c money.Cents) string { return strconv.FormatInt(int64(c), 10) }
	due, difference := cents(r.DueFee), cents(r.Difference())
	if r.State == positions.ReconciliationOpen || r.State == positions.ReconciliationLapsed {
		due, difference = "", ""
	}
	return []string{
		r.OrganizationFiscalCode, string(r.NAV), r.IUPD, r.ReceiptID, string(r.State), string(r.Source), r.Operation,
		instant(r.OpenedAt), instant(r.AnsweredAt), instant(r.PaidAt), instant(r.JudgedAt),
		cents(r.Amount), cents(r.ChargedFee), due, difference, r.IUN,
	}
}

// showTotals is the summary for who reads, and not a part of the report.
func showTotals(w io.Writer, totals positions.ReconciliationTotals) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetTitle("Riconciliazione")
	t.AppendRow(table.Row{"righe", totals.Count})
	t.AppendRow(table.Row{"in attesa di SEND", totals.Open})
	t.AppendRow(table.Row{"ricalcolate prima del pagamento", totals.Repriced})
	t.AppendRow(table.Row{"incassato in meno", totals.UnderCollected})
	t.AppendRow(table.Row{"incassato in più", totals.OverCollected})
	t.AppendRow(table.Row{"saldo mancante", totals.Net()})
	t.SetStyle(table.StyleLight)
	t.Render()
}
