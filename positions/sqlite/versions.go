package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

const versionColumns = `version, status, lifecycle, actor_kind, actor_id, action, reason, at`

// Versions implements [positions.Store].
func (s *Store) Versions(ctx context.Context, fiscalCode, iupd string) ([]positions.VersionInfo, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+versionColumns+` FROM position_versions
		WHERE organization = ? AND iupd = ? ORDER BY version DESC`, fiscalCode, iupd)
	if err != nil {
		return nil, failure("versions", err)
	}
	defer rows.Close()
	var versions []positions.VersionInfo
	for rows.Next() {
		v, err := scanVersion(rows.Scan)
		if err != nil {
			return nil, failure("versions", err)
		}
		versions = append(versions, v)
	}
	if err := rows.Err(); err != nil {
		return nil, failure("versions", err)
	}
	if len(versions) == 0 {
		return nil, positions.Errorf(positions.NotFound, "no position %s in organization %s", iupd, fiscalCode)
	}
	return versions, nil
}

// Version implements [positions.Store].
func (s *Store) Version(ctx context.Context, fiscalCode, iupd string, version int64) (*positions.Position, positions.VersionInfo, error) {
	var doc []byte
	row := s.reader.QueryRowContext(ctx, `SELECT `+versionColumns+`, document FROM position_versions
		WHERE organization = ? AND iupd = ? AND version = ?`, fiscalCode, iupd, version)
	info, err := scanVersion(row.Scan, &doc)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, info, positions.Errorf(positions.NotFound, "no version %d of position %s in organization %s", version, iupd, fiscalCode)
	case err != nil:
		return nil, info, failure("version", err)
	}
	p, err := document.Position(doc)
	return p, info, err
}

func scanVersion(scan func(...any) error, more ...any) (positions.VersionInfo, error) {
	var v positions.VersionInfo
	var at int64
	err := scan(append([]any{&v.Version, &v.Status, &v.Life, &v.Actor.Kind, &v.Actor.ID, &v.Action, &v.Reason, &at}, more...)...)
	v.At = instant(at)
	return v, err
}
