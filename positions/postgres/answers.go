package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// answerColumns are the columns of the answers table but its id.
var answerColumns = []string{
	"at", "organization", "nav", "operation", "station", "duration_us", "outcome", "fault", "amount",
	"base_amount", "notification_fee", "source", "position_version", "send", "price",
}

// doubtfulColumns are the columns of doubtful_answers but its id.
var doubtfulColumns = []string{"at", "organization", "nav", "operation", "amount", "notification_fee", "source"}

// openAtOnce is how many answers are looked at for what can be opened right after a
// batch was recorded: the batch, and some that were left before.
const openAtOnce = 1000

// RecordAnswers implements [positions.Store]: one COPY, one commit. The usual batch
// leaves nothing to reconcile; one that does has a second COPY, of what is doubtful.
func (s *Store) RecordAnswers(ctx context.Context, answers []positions.Answer) error {
	if len(answers) == 0 {
		return nil
	}
	rows := make([][]any, len(answers))
	var doubtful [][]any
	for i := range answers {
		a := &answers[i]
		send, price, err := document.Evidence(a)
		if err != nil {
			return err
		}
		rows[i] = []any{
			a.At, a.OrganizationFiscalCode, string(a.NAV), a.Operation, a.StationCode, a.Duration.Microseconds(), a.Outcome, a.Fault, int64(a.Amount),
			int64(a.BaseAmount), int64(a.NotificationFee), string(a.Source), a.PositionVersion, send, price,
		}
		if a.Doubtful() {
			doubtful = append(doubtful, []any{
				a.At, a.OrganizationFiscalCode, string(a.NAV), a.Operation, int64(a.Amount), int64(a.NotificationFee), string(a.Source),
			})
		}
	}
	if len(doubtful) > 0 {
		return s.recordDoubtful(ctx, rows, doubtful)
	}
	insert := func() error {
		_, err := s.pool.CopyFrom(ctx, pgx.Identifier{"answers"}, answerColumns, pgx.CopyFromRows(rows))
		return err
	}
	err := insert()
	if pgconn.SafeToRetry(err) && lost(err) { // nothing was sent on a dead connection
		s.pool.Reset()
		err = insert()
	}
	return failure("record answers", err)
}

// recordDoubtful records answers of which some leave something to reconcile, and
// opens that if it can be done at once.
func (s *Store) recordDoubtful(ctx context.Context, rows, doubtful [][]any) error {
	err := s.change(ctx, "record answers", func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"answers"}, answerColumns, pgx.CopyFromRows(rows))
		if err == nil {
			_, err = tx.CopyFrom(ctx, pgx.Identifier{"doubtful_answers"}, doubtfulColumns, pgx.CopyFromRows(doubtful))
		}
		return err
	})
	if err != nil {
		return err
	}
	// The answers are durable, whatever comes of this. A fault that lasts is told by
	// the next round, which opens what is left.
	_, _ = s.OpenReconciliations(ctx, 0, openAtOnce)
	return nil
}

// Answers implements [positions.Store].
func (s *Store) Answers(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, page positions.Page) (answers []positions.Answer, total int, err error) {
	err = s.read(ctx, "answers", func() error {
		err := s.pool.QueryRow(ctx, `SELECT count(*) FROM answers WHERE organization = $1 AND nav = $2`, fiscalCode, string(nav)).Scan(&total)
		if err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, `SELECT id, at, organization, nav, operation, station, duration_us, outcome, fault, amount, base_amount,
				notification_fee, source, position_version, send, price
			FROM answers WHERE organization = $1 AND nav = $2 ORDER BY at DESC, id DESC LIMIT $3 OFFSET $4`,
			fiscalCode, string(nav), max(0, page.Limit), max(0, page.Offset()))
		if err != nil {
			return err
		}
		answers, err = pgx.CollectRows(rows, scanAnswer)
		return err
	})
	return answers, total, err
}

func scanAnswer(row pgx.CollectableRow) (positions.Answer, error) {
	var a positions.Answer
	var duration int64
	var send, price []byte
	if err := row.Scan(&a.ID, &a.At, &a.OrganizationFiscalCode, &a.NAV, &a.Operation, &a.StationCode, &duration, &a.Outcome, &a.Fault,
		&a.Amount, &a.BaseAmount, &a.NotificationFee, &a.Source, &a.PositionVersion, &send, &price); err != nil {
		return a, err
	}
	a.At, a.Duration = a.At.UTC(), time.Duration(duration)*time.Microsecond
	err := document.ReadEvidence(&a, send, price)
	return a, err
}
