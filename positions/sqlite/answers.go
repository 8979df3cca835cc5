package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// openAtOnce is how many answers are looked at for what can be opened right after a
// batch was recorded: the batch, and some that were left before.
const openAtOnce = 1000

// openWithin bounds that: the answers wait for it.
const openWithin = 50 * time.Millisecond

// RecordAnswers implements [positions.Store].
func (s *Store) RecordAnswers(ctx context.Context, answers []positions.Answer) error {
	if len(answers) == 0 {
		return nil
	}
	doubtful := false
	err := s.change(ctx, "record answers", func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `INSERT INTO answers (at, organization, nav, operation, station, duration_us, outcome, fault,
				amount, base_amount, notification_fee, source, position_version, send, price)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for i := range answers {
			a := &answers[i]
			send, price, err := document.Evidence(a)
			if err != nil {
				return err
			}
			if _, err := stmt.ExecContext(ctx, micros(a.At), a.OrganizationFiscalCode, string(a.NAV),
				a.Operation, a.StationCode, a.Duration.Microseconds(), a.Outcome, a.Fault, int64(a.Amount), int64(a.BaseAmount),
				int64(a.NotificationFee), string(a.Source), a.PositionVersion, text(send), text(price)); err != nil {
				return err
			}
			if !a.Doubtful() {
				continue
			}
			doubtful = true
			if _, err := tx.ExecContext(ctx, `INSERT INTO doubtful_answers (at, organization, nav, operation, amount, notification_fee, source)
				VALUES (?, ?, ?, ?, ?, ?, ?)`, micros(a.At), a.OrganizationFiscalCode, string(a.NAV), a.Operation, int64(a.Amount),
				int64(a.NotificationFee), string(a.Source)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && doubtful {
		// The answers are durable, whatever comes of this. A fault that lasts is told by
		// the next round, which opens what is left.
		soon, cancel := context.WithTimeout(ctx, openWithin)
		defer cancel()
		_, _ = s.OpenReconciliations(soon, 0, openAtOnce)
	}
	return err
}

// Answers implements [positions.Store].
func (s *Store) Answers(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, page positions.Page) ([]positions.Answer, int, error) {
	var total int
	err := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM answers WHERE organization = ? AND nav = ?`, fiscalCode, string(nav)).Scan(&total)
	if err != nil {
		return nil, 0, failure("answers", err)
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT id, at, organization, nav, operation, station, duration_us, outcome, fault, amount, base_amount,
			notification_fee, source, position_version, send, price
		FROM answers WHERE organization = ? AND nav = ? ORDER BY at DESC, id DESC LIMIT ? OFFSET ?`,
		fiscalCode, string(nav), max(0, page.Limit), max(0, page.Offset()))
	if err != nil {
		return nil, 0, failure("answers", err)
	}
	defer rows.Close()
	var answers []positions.Answer
	for rows.Next() {
		var a positions.Answer
		var at, duration int64
		var send, price []byte
		if err := rows.Scan(&a.ID, &at, &a.OrganizationFiscalCode, &a.NAV, &a.Operation, &a.StationCode, &duration, &a.Outcome, &a.Fault,
			&a.Amount, &a.BaseAmount, &a.NotificationFee, &a.Source, &a.PositionVersion, &send, &price); err != nil {
			return nil, 0, failure("answers", err)
		}
		a.At, a.Duration = instant(at), time.Duration(duration)*time.Microsecond
		if err := document.ReadEvidence(&a, send, price); err != nil {
			return nil, 0, err
		}
		answers = append(answers, a)
	}
	return answers, total, failure("answers", rows.Err())
}
