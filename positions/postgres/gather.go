package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// Bounds of the shared reads.
const (
	readers     = 2                      // queries under way at once
	readBatch   = 64                     // notices of one query
	readQueue   = 1024                   // reads waiting for a query; beyond, they are refused at once
	readTimeout = 500 * time.Millisecond // one read, from the asking to the row
)

// gather reads notices for many at once: who asks while all readers are busy
// shares the next query with the others who wait. A read that comes alone goes
// at once, in a query of its own. Under load the database so runs a fraction of
// the statements, and the answer to each is no later.
type gather struct {
	store  *Store
	queue  chan *noticeRead
	stop   context.CancelFunc
	closed <-chan struct{}
	done   sync.WaitGroup
}

type noticeKey struct{ organization, nav string }

// noticeRow is a notice as the tables hold it; buffer is nil when there is none.
// The JSON is decoded by who asked, not by the reader, and given back with free.
type noticeRow struct {
	head, option, price       []byte // parts of buffer
	staleSince                time.Time
	paidElsewhere             money.Cents
	paidFull, paidInstalments int
	buffer                    *[]byte
}

var rowBuffers = sync.Pool{New: func() any { return new([]byte) }}

func (r *noticeRow) free() {
	if r.buffer != nil {
		rowBuffers.Put(r.buffer)
		*r = noticeRow{}
	}
}

type noticeRead struct {
	key    noticeKey
	result chan noticeResult // buffered: a reader never waits for who left
}

type noticeResult struct {
	row noticeRow
	err error
}

func newGather(s *Store) *gather {
	g := &gather{store: s, queue: make(chan *noticeRead, readQueue)}
	ctx, stop := context.WithCancel(context.Background())
	g.stop, g.closed = stop, ctx.Done()
	for range readers {
		g.done.Go(func() { g.serve(ctx) })
	}
	return g
}

func (g *gather) close() {
	g.stop()
	g.done.Wait()
}

var (
	errCrowded = positions.Errorf(positions.Unavailable, "notice: too many reads are waiting for the database")
	errSlow    = positions.Errorf(positions.Unavailable, "notice: the database does not answer within %s", readTimeout)
	errClosed  = positions.Errorf(positions.Unavailable, "notice: the store is closed")
)

// read waits for the row, at most for readTimeout, the wait for a query included.
func (g *gather) read(ctx context.Context, key noticeKey) (noticeRow, error) {
	r := &noticeRead{key: key, result: make(chan noticeResult, 1)}
	select {
	case g.queue <- r:
	default:
		return noticeRow{}, errCrowded
	}
	patience := time.NewTimer(readTimeout)
	defer patience.Stop()
	select {
	case got := <-r.result:
		return got.row, got.err
	case <-patience.C:
		return noticeRow{}, errSlow
	case <-ctx.Done():
		return noticeRow{}, ctx.Err()
	case <-g.closed:
		return noticeRow{}, errClosed
	}
}

func (g *gather) serve(ctx context.Context) {
	batch := make([]*noticeRead, 0, readBatch)
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-g.queue:
			batch = append(batch[:0], r)
		}
		for waiting := true; waiting && len(batch) < readBatch; {
			select {
			case r := <-g.queue:
				batch = append(batch, r)
			default:
				waiting = false
			}
		}
		g.query(ctx, batch)
		clear(batch)
	}
}

const noticeColumns = `p.head, o.body, n.body, n.stale_since, ` + paidElsewhere + `, p.paid_full, p.paid_instalments
	FROM payment_options o
	JOIN positions p ON p.id = o.position_id
	LEFT JOIN notice_prices n ON n.organization = o.organization AND n.nav = o.nav`

const (
	noticeQuery  = `SELECT 1::bigint, ` + noticeColumns + ` WHERE o.organization = $1 AND o.nav = $2`
	noticesQuery = `SELECT q.place, ` + noticeColumns + `
	JOIN unnest($1::text[], $2::text[]) WITH ORDINALITY AS q (organization, nav, place) ON o.organization = q.organization AND o.nav = q.nav`
)

// query reads a batch and tells everybody.
func (g *gather) query(ctx context.Context, batch []*noticeRead) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows := make([]noticeRow, len(batch))
	err := g.store.read(ctx, "notice", func() error {
		clear(rows)
		return g.rows(ctx, batch, rows)
	})
	for i, r := range batch {
		r.result <- noticeResult{rows[i], err}
	}
}

// rows fills in what the tables hold, in the order of the batch.
func (g *gather) rows(ctx context.Context, batch []*noticeRead, into []noticeRow) error {
	found, err := g.ask(ctx, batch)
	if err != nil {
		return err
	}
	var place int64
	var head, option, price pgtype.DriverBytes
	var stale *time.Time
	var elsewhere money.Cents
	var full, instalments int
	_, err = pgx.ForEachRow(found, []any{&place, &head, &option, &price, &stale, &elsewhere, &full, &instalments}, func() error {
		// One copy out of the driver's buffer holds all three.
		buffer := rowBuffers.Get().(*[]byte)
		all := append(append(append((*buffer)[:0], head...), option...), price...)
		*buffer = all
		h, o := len(head), len(head)+len(option)
		into[place-1] = noticeRow{all[:h], all[h:o], all[o:], maybe(stale), elsewhere, full, instalments, buffer}
		return nil
	})
	return err
}

func (g *gather) ask(ctx context.Context, batch []*noticeRead) (pgx.Rows, error) {
	if len(batch) == 1 {
		return g.store.pool.Query(ctx, noticeQuery, batch[0].key.organization, batch[0].key.nav)
	}
	organizations, navs := make([]string, len(batch)), make([]string, len(batch))
	for i, r := range batch {
		organizations[i], navs[i] = r.key.organization, r.key.nav
	}
	return g.store.pool.Query(ctx, noticesQuery, organizations, navs)
}
