package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// SaveReceipt implements [positions.Store]. There is one writer, so receipts
// are judged one after the other.
func (s *Store) SaveReceipt(ctx context.Context, r *positions.Receipt) (duplicate bool, err error) {
	received := *r
	received.ReceivedAt = document.Instant(r.ReceivedAt)
	kept, err := document.Keep(&received, func(unjudged *document.Judged) (document.Judged, error) {
		return s.saveReceipt(ctx, &received, unjudged)
	})
	if errors.Is(err, document.ErrDuplicate) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	*r = kept.Receipt
	return false, nil
}

// saveReceipt writes a receipt and all that follows from it, or nothing. What
// follows is judged, unless unjudged tells it.
func (s *Store) saveReceipt(ctx context.Context, r *positions.Receipt, unjudged *document.Judged) (judged document.Judged, err error) {
	err = s.change(ctx, "save receipt", func(tx *sql.Tx) error {
		row, err := tx.ExecContext(ctx, `INSERT INTO receipt_ids (organization, receipt_id, received_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			r.OrganizationFiscalCode, r.ReceiptID, micros(r.ReceivedAt))
		if err != nil {
			return err
		}
		inserted, err := row.RowsAffected()
		if err != nil {
			return err
		}
		if inserted == 0 {
			return document.ErrDuplicate
		}
		if unjudged != nil {
			judged = *unjudged
		} else if judged, err = judge(ctx, tx, r); err != nil {
			return err
		}
		body, err := document.Write(&judged.Receipt)
		if err != nil {
			return err
		}
		message := judged.Message
		if message == nil {
			message = []byte{}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO receipts (organization, receipt_id, received_at, nav, flagged, body, message) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			judged.OrganizationFiscalCode, judged.ReceiptID, micros(judged.ReceivedAt), string(judged.NAV), len(judged.Flags) > 0, string(body), message)
		if err != nil {
			return err
		}
		return insertDeliveries(ctx, tx, judged.Deliveries)
	})
	return judged, err
}

// judge lets the position of a receipt follow and returns the verdict.
func judge(ctx context.Context, tx *sql.Tx, r *positions.Receipt) (document.Judged, error) {
	if document.Broadcast(r) {
		return document.Judge(r, nil, positions.Asked{}), nil
	}
	at, err := lookUp(ctx, tx, `JOIN payment_options o ON o.position_id = p.id WHERE o.organization = ? AND o.nav = ?`, r.OrganizationFiscalCode, string(r.NAV))
	if errors.Is(err, sql.ErrNoRows) {
		return document.Judge(r, nil, positions.Asked{}), nil
	}
	if err != nil {
		return document.Judged{}, err
	}
	p, err := document.Position(at.document)
	if err != nil {
		return document.Judged{}, err
	}
	asked, err := askedFor(ctx, tx, at.id, r)
	if err != nil {
		return document.Judged{}, err
	}
	judged := document.Judge(r, p, asked)
	if judged.Change != nil {
		if _, err = advance(ctx, tx, at, p, *judged.Change); err == nil {
			err = reconcileReceipt(ctx, tx, p, &judged.Receipt)
		}
	}
	return judged, err
}

// askedFor returns what is on record of what the payer of a receipt was asked for.
func askedFor(ctx context.Context, tx *sql.Tx, position int64, r *positions.Receipt) (positions.Asked, error) {
	var amount, fee *money.Cents
	var answeredPrice, price []byte
	var elsewhere money.Cents
	err := tx.QueryRowContext(ctx, `SELECT a.amount, a.notification_fee, a.price, n.body, `+paidElsewhere+`
		FROM positions p
		LEFT JOIN notice_prices n ON n.organization = ?2 AND n.nav = ?3
		LEFT JOIN (SELECT amount, notification_fee, price FROM answers
			WHERE organization = ?2 AND nav = ?3 AND `+document.Activation+`
			ORDER BY at DESC, id DESC LIMIT 1) a
		WHERE p.id = ?1`, position, r.OrganizationFiscalCode, string(r.NAV)).Scan(&amount, &fee, &answeredPrice, &price, &elsewhere)
	if err != nil {
		return positions.Asked{}, err
	}
	return document.Asked(amount, fee, answeredPrice, price, elsewhere)
}

// Receipts implements [positions.Store].
func (s *Store) Receipts(ctx context.Context, f positions.ReceiptFilter) ([]positions.Receipt, int, error) {
	var w filter
	w.is("organization", f.OrganizationFiscalCode)
	w.is("nav", string(f.NAV))
	w.within("received_at", f.From, f.To)
	if f.Flagged {
		w.and("flagged = ?", true)
	}
	w.segregated(f.SegregationCodes)
	from := " FROM receipts" + w.where()
	var total int
	if err := s.reader.QueryRowContext(ctx, `SELECT count(*)`+from, w.args...).Scan(&total); err != nil {
		return nil, 0, failure("receipts", err)
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT body`+from+` ORDER BY received_at DESC, organization, receipt_id LIMIT ? OFFSET ?`,
		append(w.args, max(0, f.Page.Limit), max(0, f.Page.Offset()))...)
	if err != nil {
		return nil, 0, failure("receipts", err)
	}
	defer rows.Close()
	var receipts []positions.Receipt
	for rows.Next() {
		var body sql.RawBytes
		if err := rows.Scan(&body); err != nil {
			return nil, 0, failure("receipts", err)
		}
		var r positions.Receipt
		if err := document.Read(body, &r); err != nil {
			return nil, 0, err
		}
		receipts = append(receipts, r)
	}
	return receipts, total, failure("receipts", rows.Err())
}

// Receipt implements [positions.Store].
func (s *Store) Receipt(ctx context.Context, fiscalCode, receiptID string) (*positions.Receipt, error) {
	var body, message []byte
	err := s.reader.QueryRowContext(ctx, `SELECT body, message FROM receipts WHERE organization = ? AND receipt_id = ?`,
		fiscalCode, receiptID).Scan(&body, &message)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, positions.Errorf(positions.NotFound, "no receipt %s in organization %s", receiptID, fiscalCode)
	case err != nil:
		return nil, failure("receipt", err)
	}
	r := &positions.Receipt{Message: message}
	return r, document.Read(body, r)
}
