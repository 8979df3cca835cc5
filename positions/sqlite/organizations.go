package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// PutOrganization implements [positions.Store].
func (s *Store) PutOrganization(ctx context.Context, o *positions.Organization) (created bool, err error) {
	q := *o
	q.CreatedAt = document.Instant(o.CreatedAt)
	q.UpdatedAt = document.Instant(time.Time{})
	err = s.change(ctx, "put organization", func(tx *sql.Tx) error {
		var before int64
		stored := positions.Unregistered
		err := tx.QueryRowContext(ctx, `SELECT created_at, version FROM organizations WHERE organization = ?`, q.FiscalCode).Scan(&before, &stored)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			created = true
		case err != nil:
			return err
		default:
			q.CreatedAt = instant(before)
		}
		if err := document.Replaces(o, stored); err != nil {
			return err
		}
		if q.Version, err = bumpRevision(ctx, tx); err != nil {
			return err
		}
		body, err := document.Write(&q)
		if err != nil {
			return err
		}
		sealed, err := document.Write(q.Sealed)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO organizations (organization, created_at, version, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (organization) DO UPDATE SET version = excluded.version, body = excluded.body`, q.FiscalCode, micros(q.CreatedAt), q.Version, string(body)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO organization_secrets (organization, sealed) VALUES (?, ?)
			ON CONFLICT (organization) DO UPDATE SET sealed = excluded.sealed`, q.FiscalCode, string(sealed))
		return err
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
	err := s.reader.QueryRowContext(ctx, `SELECT o.body, o.version, s.sealed FROM organizations o LEFT JOIN organization_secrets s USING (organization)
		WHERE o.organization = ?`, fiscalCode).Scan(&body, &version, &sealed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, positions.Errorf(positions.NotFound, "organization %s is not registered", fiscalCode)
	case err != nil:
		return nil, failure("organization", err)
	}
	return document.Organization(body, version, sealed)
}

// Organizations implements [positions.Store].
func (s *Store) Organizations(ctx context.Context) ([]positions.Organization, int64, error) {
	// One statement, so that revision and rows are of one moment.
	rows, err := s.reader.QueryContext(ctx, `SELECT r.revision, o.body, coalesce(o.version, 0), s.sealed FROM organizations_revision r
		LEFT JOIN organizations o ON true LEFT JOIN organization_secrets s USING (organization) ORDER BY o.organization`)
	if err != nil {
		return nil, 0, failure("organizations", err)
	}
	defer rows.Close()
	var revision int64
	var organizations []positions.Organization
	for rows.Next() {
		var body, sealed []byte
		var version int64
		if err := rows.Scan(&revision, &body, &version, &sealed); err != nil {
			return nil, 0, failure("organizations", err)
		}
		if body == nil {
			continue
		}
		o, err := document.Organization(body, version, sealed)
		if err != nil {
			return nil, 0, err
		}
		organizations = append(organizations, *o)
	}
	return organizations, revision, failure("organizations", rows.Err())
}

// OrganizationsRevision implements [positions.Store].
func (s *Store) OrganizationsRevision(ctx context.Context) (int64, error) {
	var revision int64
	err := s.reader.QueryRowContext(ctx, `SELECT revision FROM organizations_revision`).Scan(&revision)
	return revision, failure("organizations revision", err)
}

// DeleteOrganization implements [positions.Store].
func (s *Store) DeleteOrganization(ctx context.Context, fiscalCode string) error {
	return s.change(ctx, "delete organization", func(tx *sql.Tx) error {
		if _, err := bumpRevision(ctx, tx); err != nil {
			return err
		}
		// Its secrets and keys go with it, by their foreign keys.
		row, err := tx.ExecContext(ctx, `DELETE FROM organizations WHERE organization = ?`, fiscalCode)
		return oneRow(row, err, "organization %s is not registered", fiscalCode)
	})
}

func bumpRevision(ctx context.Context, tx *sql.Tx) (revision int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE organizations_revision SET revision = revision + 1 RETURNING revision`).Scan(&revision)
	return revision, err
}

// oneRow turns a statement that found nothing into a NotFound.
func oneRow(row sql.Result, err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	n, err := row.RowsAffected()
	if err == nil && n == 0 {
		return positions.Errorf(positions.NotFound, format, args...)
	}
	return err
}
