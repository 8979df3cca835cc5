package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// PutOrganization implements [positions.Store].
func (s *Store) PutOrganization(ctx context.Context, o *positions.Organization) (created bool, err error) {
	q := *o
	q.UpdatedAt = document.Instant(time.Time{})
	err = s.change(ctx, "put organization", func(tx pgx.Tx) error {
		var err error
		if q.Version, err = bumpRevision(ctx, tx); err != nil {
			return err
		}
		stored := positions.Unregistered
		err = tx.QueryRow(ctx, `SELECT created_at, version FROM organizations WHERE organization = $1`, q.FiscalCode).Scan(&q.CreatedAt, &stored)
		created = absent(err)
		switch {
		case created:
			q.CreatedAt = document.Instant(o.CreatedAt)
		case err != nil:
			return err
		}
		if err := document.Replaces(o, stored); err != nil {
			return err
		}
		q.CreatedAt = q.CreatedAt.UTC()
		body, err := document.Write(&q)
		if err != nil {
			return err
		}
		sealed, err := document.Write(q.Sealed)
		if err != nil {
			return err
		}
		b := new(pgx.Batch)
		b.Queue(`INSERT INTO organizations (organization, created_at, version, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (organization) DO UPDATE SET version = excluded.version, body = excluded.body`, q.FiscalCode, q.CreatedAt, q.Version, body)
		b.Queue(`INSERT INTO organization_secrets (organization, sealed) VALUES ($1, $2)
			ON CONFLICT (organization) DO UPDATE SET sealed = excluded.sealed`, q.FiscalCode, sealed)
		return send(ctx, tx, b)
	})
	if err != nil {
		return false, err
	}
	o.Version, o.CreatedAt, o.UpdatedAt = q.Version, q.CreatedAt, q.UpdatedAt
	return created, nil
}

// Organization implements [positions.Store].
func (s *Store) Organization(ctx context.Context, fiscalCode string) (*positions.Organization, error) {
	var body, sealed []byte
	var version int64
	err := s.read(ctx, "organization", func() error {
		err := s.pool.QueryRow(ctx, `SELECT o.body, o.version, s.sealed FROM organizations o LEFT JOIN organization_secrets s USING (organization)
			WHERE o.organization = $1`, fiscalCode).Scan(&body, &version, &sealed)
		if absent(err) {
			return positions.Errorf(positions.NotFound, "organization %s is not registered", fiscalCode)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return document.Organization(body, version, sealed)
}

// Organizations implements [positions.Store].
func (s *Store) Organizations(ctx context.Context) (organizations []positions.Organization, revision int64, err error) {
	err = s.read(ctx, "organizations", func() error {
		organizations = nil
		// One statement, so that revision and rows are of one moment.
		rows, err := s.pool.Query(ctx, `SELECT r.revision, o.body, coalesce(o.version, 0), s.sealed FROM organizations_revision r
			LEFT JOIN organizations o ON true LEFT JOIN organization_secrets s USING (organization) ORDER BY o.organization`)
		if err != nil {
			return err
		}
		var body, sealed []byte
		var version int64
		_, err = pgx.ForEachRow(rows, []any{&revision, &body, &version, &sealed}, func() error {
			if body == nil {
				return nil
			}
			o, err := document.Organization(body, version, sealed)
			if err != nil {
				return err
			}
			organizations = append(organizations, *o)
			return nil
		})
		return err
	})
	return organizations, revision, err
}

// OrganizationsRevision implements [positions.Store].
func (s *Store) OrganizationsRevision(ctx context.Context) (revision int64, err error) {
	err = s.read(ctx, "organizations revision", func() error {
		return s.pool.QueryRow(ctx, `SELECT revision FROM organizations_revision`).Scan(&revision)
	})
	return revision, err
}

// DeleteOrganization implements [positions.Store].
func (s *Store) DeleteOrganization(ctx context.Context, fiscalCode string) error {
	return s.change(ctx, "delete organization", func(tx pgx.Tx) error {
		if _, err := bumpRevision(ctx, tx); err != nil {
			return err
		}
		// Its secrets and keys go with it, by their foreign keys.
		row, err := tx.Exec(ctx, `DELETE FROM organizations WHERE organization = $1`, fiscalCode)
		if err == nil && row.RowsAffected() == 0 {
			return positions.Errorf(positions.NotFound, "organization %s is not registered", fiscalCode)
		}
		return err
	})
}

func bumpRevision(ctx context.Context, tx pgx.Tx) (revision int64, err error) {
	err = tx.QueryRow(ctx, `UPDATE organizations_revision SET revision = revision + 1 RETURNING revision`).Scan(&revision)
	return revision, err
}
