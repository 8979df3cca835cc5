package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

type deliveriesCommand struct {
	List   deliveriesList   `cmd:"" help:"List what leaves because notices were paid: what was given up, unless another state is asked for."`
	Replay deliveriesReplay `cmd:"" help:"Deliver again: some by their IDs, or all of a state. The service that is running finds them within a second, unless it leaves their receiver alone for a while."`
}

type deliveriesList struct {
	config.Config `embed:""`
	Organization  string `help:"Only of the organization with this tax code." placeholder:"CODE"`
	State         string `enum:"PENDING,DELIVERED,ENDED,PARKED,ALL" default:"PARKED" help:"${enum}; ${default} unless given." placeholder:"STATE"`
	Kind          string `enum:",RECEIPT,SEND_PAYMENT" default:"" help:"RECEIPT, what goes to debt systems, or SEND_PAYMENT, what SEND is told; both unless given." placeholder:"KIND"`
	Limit         int    `default:"50" help:"How many, the newest first, 1 to 10000; ${default} unless given."`
	Format        string `enum:"table,csv" default:"table" help:"table or csv." placeholder:"FORMAT"`
}

// Run lists the deliveries.
func (c *deliveriesList) Run(ctx context.Context, std stdio) error {
	const most = 10_000
	if c.Limit < 1 || c.Limit > most {
		return &usageError{fmt.Errorf("--limit must be between 1 and %d, %d is not", most, c.Limit)}
	}
	f, what, err := narrowed(c.Organization, c.State, c.Kind)
	if err != nil {
		return &usageError{err}
	}
	store, err := openPrepared(ctx, string(c.DatabaseURL))
	if err != nil {
		return err
	}
	defer store.Close()
	f.Page.Limit = c.Limit
	deliveries, total, err := store.Deliveries(ctx, f)
	if err != nil {
		return err
	}
	if c.Format == "csv" {
		return writeDeliveriesCSV(std.out, deliveries)
	}
	if total == 0 {
		_, err := fmt.Fprintf(std.out, "there are no %s\n", what)
		return err
	}
	t := deliveriesTable(deliveries)
	t.SetStyle(table.StyleLight)
	if _, err := fmt.Fprintln(std.out, t.Render()); err != nil {
		return err
	}
	if total > len(deliveries) {
		_, err = fmt.Fprintf(std.out, "%d of %d %s: --limit shows more\n", len(deliveries), total, what)
	}
	return err
}

func deliveriesTable(deliveries []positions.Delivery) table.Writer {
	t := table.NewWriter()
	header := table.Row{}
	for _, column := range deliveriesHeader {
		header = append(header, column)
	}
	t.AppendHeader(header)
	for i := range deliveries {
		t.AppendRow(deliveryLine(&deliveries[i], instantOf))
	}
	return t
}

var deliveriesHeader = []string{"id", "kind", "organization", "notice", "receipt", "state", "created", "attempts", "last attempt", "status", "error"}

// deliveryLine has the instants as they are to be read.
func deliveryLine(d *positions.Delivery, at func(time.Time) any) []any {
	status := ""
	if d.LastStatus != 0 {
		status = fmt.Sprint(d.LastStatus)
	}
	return []any{
		d.ID, d.Kind, d.OrganizationFiscalCode, d.NAV, d.ReceiptID, d.State, at(d.CreatedAt), d.Attempts, at(d.LastAttemptAt), status, d.LastError,
	}
}

// writeDeliveriesCSV names the columns as the API does.
func writeDeliveriesCSV(w io.Writer, deliveries []positions.Delivery) error {
	report, err := newCSVReport(w, "id", "kind", "organization", "nav", "receiptId", "state", "createdAt", "attempts", "lastAttemptAt", "lastStatus", "lastError")
	if err != nil {
		return err
	}
	for i := range deliveries {
		if err := report.line(deliveryLine(&deliveries[i], func(at time.Time) any { return at })...); err != nil {
			return err
		}
	}
	return report.end()
}

// instantOf is an instant on the clocks of Italy, with its offset.
func instantOf(t time.Time) any {
	if t.IsZero() {
		return ""
	}
	return t.In(calendar.Rome).Format(time.RFC3339)
}

type deliveriesReplay struct {
	config.Config `embed:""`
	IDs           []int64 `arg:"" optional:"" name:"id" help:"IDs of deliveries, whatever became of them."`
	Organization  string  `help:"All of the organization with this tax code." placeholder:"CODE"`
	All           bool    `help:"All of every organization."`
	State         string  `enum:"PENDING,DELIVERED,ENDED,PARKED" default:"PARKED" help:"With --organization and --all: ${enum}; ${default} unless given." placeholder:"STATE"`
	Kind          string  `enum:",RECEIPT,SEND_PAYMENT" default:"" help:"With --organization and --all: RECEIPT or SEND_PAYMENT; both unless given." placeholder:"KIND"`
}

// replayBatch is how many deliveries are replayed in one transaction.
const replayBatch = 1000

// Run replays the deliveries, a batch at a time. Nothing is lost when it is
// interrupted: run again, it goes on with the rest.
func (c *deliveriesReplay) Run(ctx context.Context, std stdio) error {
	given := 0
	for _, way := range []bool{len(c.IDs) > 0, c.Organization != "", c.All} {
		if way {
			given++
		}
	}
	if given != 1 {
		return &usageError{errors.New("say what is to be delivered again: IDs, or --organization, or --all")}
	}
	if len(c.IDs) > replayBatch {
		return &usageError{fmt.Errorf("at most %d IDs", replayBatch)}
	}
	if len(c.IDs) > 0 && (c.State != string(positions.DeliveryParked) || c.Kind != "") {
		return &usageError{errors.New("IDs are replayed whatever their state and kind: leave --state and --kind out")}
	}
	f, what, err := narrowed(c.Organization, c.State, c.Kind)
	if err != nil {
		return &usageError{err}
	}
	store, err := openPrepared(ctx, string(c.DatabaseURL))
	if err != nil {
		return err
	}
	defer store.Close()
	if len(c.IDs) > 0 {
		f, what = positions.DeliveryFilter{IDs: c.IDs}, "deliveries with these IDs"
		if err := allThere(ctx, store, c.IDs); err != nil {
			return err
		}
	}
	replayed, err := replayAll(ctx, store, f)
	onRecord(ctx, std, "deliveries replay", err, slog.String("organization", c.Organization), slog.String("state", c.State),
		slog.String("kind", c.Kind), slog.Any("ids", c.IDs), slog.Int("replayed", replayed))
	if replayed == 0 && err == nil {
		_, err := fmt.Fprintf(std.out, "there are no %s: nothing is delivered again\n", what)
		return err
	}
	fmt.Fprintf(std.out, "to be delivered again: %d; the service that is running finds them\n", replayed)
	if err != nil {
		return fmt.Errorf("%w; run the same command again to go on with the rest", err)
	}
	return nil
}

func replayAll(ctx context.Context, store positions.Store, f positions.DeliveryFilter) (replayed int, err error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	for n := replayBatch; n == replayBatch; replayed += n {
		if n, err = store.ReplayDeliveries(ctx, f, now, replayBatch); err != nil {
			return replayed, err
		}
	}
	return replayed, nil
}

// allThere makes sure that an ID that was mistyped does not pass unseen.
func allThere(ctx context.Context, store positions.Store, ids []int64) error {
	found, _, err := store.Deliveries(ctx, positions.DeliveryFilter{IDs: ids, Page: positions.Page{Limit: len(ids)}})
	if err != nil {
		return err
	}
	var missing []string
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(d positions.Delivery) bool { return d.ID == id }) {
			missing = append(missing, fmt.Sprint(id))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("there is no delivery %s: nothing is delivered again", strings.Join(missing, ", "))
	}
	return nil
}

// narrowed is the filter that flags ask for, and what to call that which it lets
// through.
func narrowed(organization, state, kind string) (f positions.DeliveryFilter, what string, err error) {
	if organization != "" {
		if err := checkOrganization(organization); err != nil {
			return f, "", err
		}
	}
	words := []string{kind, "deliveries"}
	f = positions.DeliveryFilter{OrganizationFiscalCode: organization, Kind: positions.DeliveryKind(kind)}
	if state != "ALL" {
		f.State = positions.DeliveryState(state)
		words = slices.Insert(words, 0, state)
	}
	if organization != "" {
		words = append(words, "of organization "+organization)
	}
	return f, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "), nil
}
