package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// SaveReceipt implements [positions.Store]. Receipts of one position are judged
// one after the other, by its row lock, which is taken before anything else. Who
// had the lock may have handed the notice to another position: then it is looked
// for again.
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
// follows is judged, unless unjudged tells it; then no position is looked at.
func (s *Store) saveReceipt(ctx context.Context, r *positions.Receipt, unjudged *document.Judged) (judged document.Judged, err error) {
	err = s.change(ctx, "save receipt", func(tx pgx.Tx) error {
		var at row
		var known bool
		if unjudged == nil {
			var err error
			if at, known, err = lockNotice(ctx, tx, r); err != nil {
				return err
			}
		}
		inserted, err := tx.Exec(ctx, `INSERT INTO receipt_ids (organization, receipt_id, received_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			r.OrganizationFiscalCode, r.ReceiptID, r.ReceivedAt)
		if err != nil {
			return err
		}
		if inserted.RowsAffected() == 0 {
			return document.ErrDuplicate
		}
		switch {
		case unjudged != nil:
			judged = *unjudged
		case !known:
			judged = document.Judge(r, nil, positions.Asked{})
		default:
			if judged, err = judge(ctx, tx, at, r); err != nil {
				return err
			}
		}
		body, err := document.Write(&judged.Receipt)
		if err != nil {
			return err
		}
		message := judged.Message
		if message == nil {
			message = []byte{}
		}
		b := new(pgx.Batch)
		b.Queue(`INSERT INTO receipts (organization, receipt_id, received_at, nav, flagged, body, message) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			judged.OrganizationFiscalCode, judged.ReceiptID, judged.ReceivedAt, string(judged.NAV), len(judged.Flags) > 0, body, message)
		queueDeliveries(b, judged.Deliveries)
		return send(ctx, tx, b)
	})
	return judged, err
}

// lockNotice locks the position of a receipt's notice, if it is known here and
// the receipt is its creditor's.
func lockNotice(ctx context.Context, tx pgx.Tx, r *positions.Receipt) (at row, known bool, err error) {
	if document.Broadcast(r) {
		return row{}, false, nil
	}
	at, err = lockRow(ctx, tx, `id = (SELECT position_id FROM payment_options WHERE organization = $1 AND nav = $2)`, r.OrganizationFiscalCode, string(r.NAV))
	if !absent(err) {
		return at, err == nil, err
	}
	var there bool // by now, in another position than the one that was waited for
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM payment_options WHERE organization = $1 AND nav = $2)`, r.OrganizationFiscalCode, string(r.NAV)).Scan(&there)
	if there {
		err = errMoved
	}
	return row{}, false, err
}

// judge lets a locked position follow its receipt and returns the verdict.
func judge(ctx context.Context, tx pgx.Tx, at row, r *positions.Receipt) (document.Judged, error) {
	var doc, answeredPrice, price []byte
	var amount, fee *money.Cents
	var elsewhere money.Cents
	err := tx.QueryRow(ctx, `SELECT v.document, a.amount, a.notification_fee, a.price, n.body, `+paidElsewhere+`
			FROM position_versions v
			JOIN positions p ON p.id = $4
			LEFT JOIN notice_prices n ON n.organization = $5 AND n.nav = $6
			LEFT JOIN LATERAL (SELECT amount, notification_fee, price FROM answers
				WHERE organization = $5 AND nav = $6 AND `+document.Activation+`
				ORDER BY at DESC, id DESC LIMIT 1) a ON true
			WHERE v.organization = $1 AND v.iupd = $2 AND v.version = $3`,
		at.organization, at.iupd, at.version, at.id, r.OrganizationFiscalCode, string(r.NAV)).Scan(&doc, &amount, &fee, &answeredPrice, &price, &elsewhere)
	if err != nil {
		return document.Judged{}, err
	}
	asked, err := document.Asked(amount, fee, answeredPrice, price, elsewhere)
	if err != nil {
		return document.Judged{}, err
	}
	p, err := document.Position(doc)
	if err != nil {
		return document.Judged{}, err
	}
	if p.Option(r.NAV) == nil {
		return document.Judged{}, errMoved
	}
	judged := document.Judge(r, p, asked)
	if judged.Change != nil {
		if _, err = advance(ctx, tx, at, p, *judged.Change); err == nil {
			err = reconcileReceipt(ctx, tx, p, &judged.Receipt)
		}
	}
	return judged, err
}

// Receipts implements [positions.Store].
func (s *Store) Receipts(ctx context.Context, f positions.ReceiptFilter) (receipts []positions.Receipt, total int, err error) {
	where, args := receiptConditions(f)
	err = s.read(ctx, "receipts", func() error {
		if err := s.pool.QueryRow(ctx, `SELECT count(*)`+where, args...).Scan(&total); err != nil {
			return err
		}
		limit, offset := strconv.Itoa(max(0, f.Page.Limit)), strconv.Itoa(max(0, f.Page.Offset()))
		rows, err := s.pool.Query(ctx, `SELECT body`+where+` ORDER BY received_at DESC, organization, receipt_id LIMIT `+limit+` OFFSET `+offset, args...)
		if err != nil {
			return err
		}
		receipts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r positions.Receipt, err error) {
			var body pgtype.DriverBytes
			if err := row.Scan(&body); err != nil {
				return r, err
			}
			err = document.Read(body, &r)
			return r, err
		})
		return err
	})
	return receipts, total, err
}

func receiptConditions(f positions.ReceiptFilter) (string, []any) {
	var w filter
	w.is("organization", f.OrganizationFiscalCode)
	w.is("nav", string(f.NAV))
	w.within("received_at", f.From, f.To)
	if f.Flagged {
		w.conditions = append(w.conditions, "flagged")
	}
	w.segregated(f.SegregationCodes)
	return " FROM receipts" + w.where(), w.args
}

// Receipt implements [positions.Store].
func (s *Store) Receipt(ctx context.Context, fiscalCode, receiptID string) (*positions.Receipt, error) {
	var r *positions.Receipt
	err := s.read(ctx, "receipt", func() error {
		var body, message []byte
		err := s.pool.QueryRow(ctx, `SELECT r.body, r.message FROM receipt_ids i JOIN receipts r USING (organization, receipt_id, received_at)
			WHERE i.organization = $1 AND i.receipt_id = $2`, fiscalCode, receiptID).Scan(&body, &message)
		if absent(err) {
			return positions.Errorf(positions.NotFound, "no receipt %s in organization %s", receiptID, fiscalCode)
		}
		if err != nil {
			return err
		}
		r = &positions.Receipt{Message: message}
		return document.Read(body, r)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}
