package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// RecordAnswers implements [positions.Store]: one statement, one commit.
func (s *Store) RecordAnswers(ctx context.Context, answers []positions.Answer) error {
	if len(answers) == 0 {
		return nil
	}
	columns, err := answerColumns(answers)
	if err != nil {
		return err
	}
	insert := func() error {
		_, err := s.pool.Exec(ctx, `INSERT INTO answers (id, at, organization, nav, operation, station, duration_us, outcome, fault, amount,
				base_amount, notification_fee, source, position_version, send, price)
			SELECT coalesce(id, nextval('answers_id_seq')), at, organization, nav, operation, station, duration_us, outcome, fault,
				amount, base_amount, notification_fee, source, position_version, send::json, price::json
			FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
				$10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::text[], $16::text[])
				AS a (id, at, organization, nav, operation, station, duration_us, outcome, fault, amount,
				base_amount, notification_fee, source, position_version, send, price)`, columns...)
		return err
	}
	err = insert()
	if lost(err) {
		s.pool.Reset()
		if pgconn.SafeToRetry(err) { // nothing was sent; else it may have been committed
			err = insert()
		}
	}
	if taken(err) {
		return positions.Errorf(positions.Conflict, "an answer with this id is on record already")
	}
	return failure("record answers", err)
}

func answerColumns(answers []positions.Answer) ([]any, error) {
	n := len(answers)
	var (
		id, send, price                                               = make([]*int64, n), make([]*string, n), make([]*string, n)
		at                                                            = make([]time.Time, n)
		duration, amount, base, fee, version                          = make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
		organization, nav, operation, station, outcome, fault, source = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	)
	for i := range answers {
		a := &answers[i]
		if a.ID != 0 {
			id[i] = &a.ID
		}
		at[i], duration[i] = a.At, a.Duration.Microseconds()
		amount[i], base[i], fee[i], version[i] = int64(a.Amount), int64(a.BaseAmount), int64(a.NotificationFee), a.PositionVersion
		organization[i], nav[i], operation[i], station[i] = a.OrganizationFiscalCode, string(a.NAV), a.Operation, a.StationCode
		outcome[i], fault[i], source[i] = a.Outcome, a.Fault, string(a.Source)
		exchange, known, err := document.Evidence(a)
		if err != nil {
			return nil, err
		}
		send[i], price[i] = text(exchange), text(known)
	}
	return []any{id, at, organization, nav, operation, station, duration, outcome, fault, amount, base, fee, source, version, send, price}, nil
}

// text keeps an absent value as NULL.
func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
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
