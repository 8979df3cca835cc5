package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

const versionColumns = `version, status, lifecycle, actor_kind, actor_id, action, reason, at`

// Versions implements [positions.Store].
func (s *Store) Versions(ctx context.Context, fiscalCode, iupd string) (versions []positions.VersionInfo, err error) {
	err = s.read(ctx, "versions", func() error {
		rows, err := s.pool.Query(ctx, `SELECT `+versionColumns+` FROM position_versions
			WHERE organization = $1 AND iupd = $2 ORDER BY version DESC`, fiscalCode, iupd)
		if err != nil {
			return err
		}
		versions, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (positions.VersionInfo, error) { return scanVersion(r) })
		return err
	})
	if err == nil && len(versions) == 0 {
		err = positions.Errorf(positions.NotFound, "no position %s in organization %s", iupd, fiscalCode)
	}
	return versions, err
}

// Version implements [positions.Store].
func (s *Store) Version(ctx context.Context, fiscalCode, iupd string, version int64) (*positions.Position, positions.VersionInfo, error) {
	var info positions.VersionInfo
	var doc []byte
	err := s.read(ctx, "version", func() (err error) {
		info, err = scanVersion(s.pool.QueryRow(ctx, `SELECT `+versionColumns+`, document FROM position_versions
			WHERE organization = $1 AND iupd = $2 AND version = $3`, fiscalCode, iupd, version), &doc)
		if absent(err) {
			return positions.Errorf(positions.NotFound, "no version %d of position %s in organization %s", version, iupd, fiscalCode)
		}
		return err
	})
	if err != nil {
		return nil, info, err
	}
	p, err := document.Position(doc)
	return p, info, err
}

func scanVersion(row pgx.Row, more ...any) (positions.VersionInfo, error) {
	var v positions.VersionInfo
	err := row.Scan(append([]any{&v.Version, &v.Status, &v.Life, &v.Actor.Kind, &v.Actor.ID, &v.Action, &v.Reason, &v.At}, more...)...)
	v.At = v.At.UTC()
	return v, err
}
