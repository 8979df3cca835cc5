package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// Columns that an import copies in.
var (
	positionColumns = []string{
		"id", "organization", "iupd", "version", "status", "lifecycle", "validity_date", "publish_date", "payment_date", "last_due_date",
		"expires_at", "company_name", "inserted_at", "updated_at", "paid_full", "paid_instalments", "head",
	}
	importedOptionColumns  = []string{"organization", "position_id", "ordinal", "nav", "iuv", "status", "is_partial", "due_date", "body"}
	importedVersionColumns = []string{
		"organization", "iupd", "version", "status", "lifecycle", "actor_kind", "actor_id", "action", "reason", "at", "document",
	}
)

// ImportPositions implements [positions.Store]: a look at what is there, at one
// moment, then, in a transaction of its own, one COPY for each table. When
// somebody else takes one of the numbers in between, or removes a draft that is
// to be published, it looks again.
func (s *Store) ImportPositions(ctx context.Context, ps []*positions.Position, c positions.Change) ([]positions.Imported, error) {
	if len(ps) == 0 {
		return nil, nil
	}
	c.At = document.Instant(c.At)
	var plan *document.Plan
	var err error
	for range 4 {
		var histories map[string]*document.History
		var owners []document.Owner
		err = s.change(ctx, "import positions", func(tx pgx.Tx) (err error) {
			histories, owners, err = lookForImport(ctx, tx, ps, c.Action)
			return err
		})
		if err != nil {
			return nil, err
		}
		plan = document.Import(ps, histories, owners, c.At)
		err = s.change(ctx, "import positions", func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, importLimits); err != nil {
				return err
			}
			if err := publishDrafts(ctx, tx, plan, document.Publishing(c)); err != nil {
				return err
			}
			return writeImport(ctx, tx, plan, c)
		})
		if !overtaken(err) {
			break
		}
	}
	switch {
	case overtaken(err):
		return nil, positions.Errorf(positions.Unavailable, "others keep changing the same positions; try again")
	case err != nil:
		return nil, err
	}
	return plan.Written(ps), nil
}

// importLimits is what many rows at once may take: longer than what the session
// allows one request.
const importLimits = `SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '5s'`

// errDraftGone tells that a draft that was read is no longer there.
var errDraftGone = errors.New("a draft was removed meanwhile")

// overtaken reports that somebody else was faster: looking again is right.
func overtaken(err error) bool { return taken(err) || errors.Is(err, errDraftGone) }

// publishDrafts locks the drafts that a plan publishes, in the order in which
// everybody does, and writes the next version of those that are still what was
// read. Their options stay as they are.
func publishDrafts(ctx context.Context, tx pgx.Tx, plan *document.Plan, c positions.Change) error {
	if len(plan.Publish) == 0 {
		return nil
	}
	organization := plan.Publish[0].Version.Position.OrganizationFiscalCode
	locked, err := lockDrafts(ctx, tx, organization, plan.Publish)
	if err != nil {
		return err
	}
	if !plan.KeepUnchanged(locked) {
		return errDraftGone
	}
	n := len(plan.Publish)
	iupds, statuses, heads := make([]string, n), make([]string, n), make([]string, n)
	numbers, validity, published := make([]int64, n), make([]*time.Time, n), make([]*time.Time, n)
	versions := make([][]any, n)
	for i, w := range plan.Publish {
		q := &w.Version.Position
		iupds[i], statuses[i], heads[i], numbers[i] = q.IUPD, string(q.Status), string(w.Version.Head), q.Version
		validity[i], published[i] = optional(q.ValidityDate), optional(q.PublishDate)
		versions[i] = versionRow(w.Version, c)
	}
	_, err = tx.Exec(ctx, `UPDATE positions p SET version = w.version, status = w.status, validity_date = w.validity, publish_date = w.published,
			updated_at = $8, head = w.head::json
		FROM unnest($2::text[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[]) AS w (iupd, version, status, validity, published, head)
		WHERE p.organization = $1 AND p.iupd = w.iupd`, organization, iupds, numbers, statuses, validity, published, heads, c.At)
	if err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"position_versions"}, importedVersionColumns, pgx.CopyFromRows(versions))
	return err
}

func lockDrafts(ctx context.Context, tx pgx.Tx, organization string, drafts []document.Publication) (map[string]document.Locked, error) {
	iupds := make([]string, len(drafts))
	for i, w := range drafts {
		iupds[i] = w.Version.Position.IUPD
	}
	rows, err := tx.Query(ctx, `SELECT iupd, version, status = 'DRAFT' FROM positions
		WHERE organization = $1 AND iupd = ANY ($2::text[]) ORDER BY iupd COLLATE "C" FOR UPDATE`, organization, iupds)
	if err != nil {
		return nil, err
	}
	locked := make(map[string]document.Locked, len(drafts))
	var iupd string
	var now document.Locked
	_, err = pgx.ForEachRow(rows, []any{&iupd, &now.Version, &now.Draft}, func() error {
		locked[iupd] = now
		return nil
	})
	return locked, err
}

// versionRow are the values of importedVersionColumns.
func versionRow(v *document.Version, c positions.Change) []any {
	q := &v.Position
	return []any{
		q.OrganizationFiscalCode, q.IUPD, q.Version, string(q.Status), string(q.Lifecycle), c.Actor.Kind, c.Actor.ID, c.Action, c.Reason, c.At, v.Document,
	}
}

// lookForImport finds what is known of the iupds, and who holds the numbers, at
// one moment: between two, another import of the same file could add both, and
// then the positions would seem to be in their own way.
func lookForImport(ctx context.Context, tx pgx.Tx, ps []*positions.Position, action string) (map[string]*document.History, []document.Owner, error) {
	organization := ps[0].OrganizationFiscalCode
	iupds, navs, iuvs := document.Wanted(ps)
	histories, owners := map[string]*document.History{}, []document.Owner(nil)
	if _, err := tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; `+importLimits); err != nil {
		return nil, nil, err
	}
	b := new(pgx.Batch)
	b.Queue(`SELECT v.iupd, v.version, p.id IS NOT NULL, CASE WHEN v.version = p.version OR p.id IS NOT NULL AND v.action = $3 THEN v.document END
		FROM position_versions v LEFT JOIN positions p ON p.organization = v.organization AND p.iupd = v.iupd
		WHERE v.organization = $1 AND v.iupd = ANY ($2::text[])`, organization, iupds, action).Query(func(rows pgx.Rows) error {
		var iupd string
		var version int64
		var there bool
		var doc []byte
		_, err := pgx.ForEachRow(rows, []any{&iupd, &version, &there, &doc}, func() error {
			document.AddVersion(histories, iupd, version, there, doc)
			return nil
		})
		return err
	})
	b.Queue(`SELECT p.iupd, o.nav, o.iuv FROM payment_options o JOIN positions p ON p.id = o.position_id
			WHERE o.organization = $1 AND o.nav = ANY ($2::text[])
		UNION ALL SELECT p.iupd, o.nav, o.iuv FROM payment_options o JOIN positions p ON p.id = o.position_id
			WHERE o.organization = $1 AND o.iuv = ANY ($3::text[])`, organization, navs, iuvs).Query(func(rows pgx.Rows) error {
		var o document.Owner
		_, err := pgx.ForEachRow(rows, []any{&o.IUPD, &o.NAV, &o.IUV}, func() error {
			owners = append(owners, o)
			return nil
		})
		return err
	})
	return histories, owners, send(ctx, tx, b)
}

// writeImport copies the new positions in, in the order in which everybody
// locks: by iupd, then by IUV.
func writeImport(ctx context.Context, tx pgx.Tx, plan *document.Plan, c positions.Change) error {
	if plan.Create == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT nextval(pg_get_serial_sequence('positions', 'id')) FROM generate_series(1, $1)`, plan.Create)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	heads, options, versions := make([][]any, 0, plan.Create), make([][]any, 0, plan.Create), make([][]any, 0, plan.Create)
	for _, w := range plan.ToWrite() {
		v, q, id := w.Version, &w.Version.Position, ids[w.Number]
		heads = append(heads, []any{
			id, q.OrganizationFiscalCode, q.IUPD, q.Version, string(q.Status), string(q.Lifecycle), optional(q.ValidityDate), optional(q.PublishDate),
			optional(q.PaymentDate), optional(v.LastDue), v.ExpiresAt, q.CompanyName, q.InsertedAt, q.UpdatedAt, int16(v.PaidFull), int16(v.PaidInstalments), v.Head,
		})
		for _, o := range v.ByIUV() {
			options = append(options, []any{q.OrganizationFiscalCode, id, int16(o.Ordinal), string(o.NAV), o.IUV, string(o.Status), o.IsPartial, o.DueDate, o.Body})
		}
		versions = append(versions, versionRow(v, c))
	}
	for _, table := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{
		{"positions", positionColumns, heads},
		{"payment_options", importedOptionColumns, options},
		{"position_versions", importedVersionColumns, versions},
	} {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{table.name}, table.columns, pgx.CopyFromRows(table.rows)); err != nil {
			return err
		}
	}
	return nil
}
