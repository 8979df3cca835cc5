package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

type missingReceiptsCommand struct {
	config.Config `embed:""`
	Organization  string        `required:"" help:"Tax code of the organization whose notices they are." placeholder:"CODE"`
	OlderThan     time.Duration `default:"2h" help:"How long ago the activation must be at least; ${default} unless given, 1h or more."`
	From          moment        `help:"Only activations from this day in Italy (2026-11-01) or instant (RFC 3339) on; 30 days before the end unless given, at most 92." placeholder:"DAY"`
	To            moment        `help:"Only activations up to this day, which is included, or before this instant; now unless given." placeholder:"DAY"`
	Format        string        `enum:"table,csv" default:"table" help:"table or csv, with amounts in cents; ${default} unless given." placeholder:"FORMAT"`
}

// mostListed bounds one report: who has more narrows the period.
const mostListed = 10_000

// Run prints the report.
func (c *missingReceiptsCommand) Run(ctx context.Context, std stdio) error {
	if err := checkOrganization(c.Organization); err != nil {
		return &usageError{err}
	}
	now := time.Now()
	from, to, err := positions.MissingReceiptPeriod(c.From.first, c.To.after, now, c.OlderThan)
	if err != nil {
		return &usageError{err}
	}
	store, _, err := openFor(ctx, string(c.DatabaseURL), c.Organization)
	if err != nil {
		return err
	}
	defer store.Close()
	missing, total, err := store.MissingReceipts(ctx, positions.MissingReceiptFilter{
		OrganizationFiscalCode: c.Organization, From: from, To: to, Now: now, Page: positions.Page{Limit: mostListed},
	})
	if err != nil {
		return err
	}
	if c.Format == "csv" {
		err = writeMissingCSV(std.out, missing)
	} else {
		err = writeMissingTable(std.out, missing, total)
	}
	if err == nil && total > len(missing) {
		err = fmt.Errorf("only the latest %d of %d are listed: narrow the period with --from and --to", len(missing), total)
	}
	return err
}

// writeMissingTable is for the eyes of who keeps the books.
func writeMissingTable(w io.Writer, missing []positions.MissingReceipt, total int) error {
	if total == 0 {
		_, err := fmt.Fprintln(w, "Nessuna attivazione senza ricevuta nel periodo.")
		return err
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetTitle("attivazioni senza ricevuta: " + strconv.Itoa(total))
	t.AppendHeader(table.Row{"avviso", "posizione", "ultima attivazione", "attivazioni", "importo", "stato"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 4, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight}})
	for _, m := range missing {
		t.AppendRow(table.Row{m.NAV, m.IUPD, m.ActivatedAt.In(calendar.Rome).Format("02/01/2006 15:04"), m.Activations, m.Amount.Euro(), m.Status})
	}
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Render()
	_, err := fmt.Fprint(w, `Un sospetto, non una perdita: di un pagamento fallito o abbandonato pagoPA non manda ricevuta. Una ricevuta
non consegnata è rispedita ogni ora per due giorni; dopo si può chiedere a pagoPA con getOrganizationReceipt.
`)
	return err
}

// writeMissingCSV is for programs: names are the API's.
func writeMissingCSV(w io.Writer, missing []positions.MissingReceipt) error {
	report, err := newCSVReport(w, "nav", "iupd", "activatedAt", "activations", "amount_cents", "status")
	if err != nil {
		return err
	}
	for _, m := range missing {
		if err := report.line(m.NAV, m.IUPD, m.ActivatedAt, m.Activations, m.Amount, m.Status); err != nil {
			return err
		}
	}
	return report.end()
}
