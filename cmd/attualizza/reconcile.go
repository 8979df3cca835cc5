package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/positions"
)

type reconcileCommand struct {
	config.Config `embed:""`
	Organization  string `help:"Only of the organization with this tax code; of all unless given." placeholder:"CODE"`
	From          moment `help:"Only from this day in Italy (2026-11-01) or instant (RFC 3339) on, of the first answer without SEND's price." placeholder:"DAY"`
	To            moment `help:"Only up to this day, which is included, or before this instant." placeholder:"DAY"`
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
	f.From, f.To = c.From.first, c.To.after
	if c.Organization != "" {
		if err := checkOrganization(c.Organization); err != nil {
			return f, err
		}
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f, errors.New("--from is after --to")
	}
	return f, nil
}

// reconciliationHeader names the columns as the API does.
var reconciliationHeader = []string{
	"organization", "nav", "iupd", "receiptId", "state", "source", "operation", "openedAt", "answeredAt", "paidAt", "judgedAt",
	"amount_cents", "chargedFee_cents", "dueFee_cents", "difference_cents", "iun",
}

// reportPart is how many rows are read at a time.
const reportPart = 500

// writeReconciliations writes all that a filter leaves as CSV, oldest first, and adds it up.
func writeReconciliations(ctx context.Context, w io.Writer, store positions.Reconciliations, f positions.ReconciliationFilter) (totals positions.ReconciliationTotals, err error) {
	report, err := newCSVReport(w, reconciliationHeader...)
	if err != nil {
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
			if err := report.line(reconciliationLine(&part[i])...); err != nil {
				return totals, err
			}
			after = part[i].ID
		}
		if len(part) < reportPart {
			return totals, report.end()
		}
	}
}

// reconciliationLine is one line of the report. What is not known yet is empty.
func reconciliationLine(r *positions.Reconciliation) []any {
	due, difference := any(r.DueFee), any(r.Difference())
	if r.State == positions.ReconciliationOpen || r.State == positions.ReconciliationLapsed {
		due, difference = nil, nil
	}
	return []any{
		r.OrganizationFiscalCode, r.NAV, r.IUPD, r.ReceiptID, r.State, r.Source, r.Operation,
		r.OpenedAt, r.AnsweredAt, r.PaidAt, r.JudgedAt,
		r.Amount, r.ChargedFee, due, difference, r.IUN,
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
