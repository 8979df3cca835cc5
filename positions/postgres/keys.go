package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

const keyColumns = `id, organization, name, role, segregation_codes, hash, created_at, last_used_at, pdnd_client_id, signature_keys`

// CreateKey implements [positions.Store].
func (s *Store) CreateKey(ctx context.Context, k *positions.Key) error {
	created := document.Instant(k.CreatedAt)
	codes, err := document.Write(k.SegregationCodes)
	if err != nil {
		return err
	}
	signatureKeys, err := document.Write(k.SignatureKeys)
	if err != nil {
		return err
	}
	err = s.change(ctx, "create key", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), $10)`,
			k.ID, k.OrganizationFiscalCode, k.Name, string(k.Role), codes, append([]byte{}, k.Hash...), created, optional(k.LastUsedAt),
			k.PDNDClientID, signatureKeys)
		return err
	})
	switch {
	case code(err) == foreignKeyViolation:
		return positions.Errorf(positions.NotFound, "organization %s is not registered", k.OrganizationFiscalCode)
	case taken(err) && k.PDNDClientID != "":
		return positions.Errorf(positions.Conflict, "PDND client %s is registered already", k.PDNDClientID)
	case taken(err):
		return positions.Errorf(positions.Conflict, "key %s is there already", k.ID)
	case err != nil:
		return err
	}
	k.CreatedAt = created
	return nil
}

// Keys implements [positions.Store].
func (s *Store) Keys(ctx context.Context, fiscalCode string) (keys []positions.Key, err error) {
	err = s.read(ctx, "keys", func() error {
		rows, err := s.pool.Query(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE organization = $1 ORDER BY created_at, id`, fiscalCode)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (positions.Key, error) { return scanKey(r) })
		return err
	})
	return keys, err
}

// Key implements [positions.Store].
func (s *Store) Key(ctx context.Context, id string) (*positions.Key, error) {
	return s.keyBy(ctx, "id", id)
}

// KeyOfPDNDClient implements [positions.Store].
func (s *Store) KeyOfPDNDClient(ctx context.Context, clientID string) (*positions.Key, error) {
	return s.keyBy(ctx, "pdnd_client_id", clientID)
}

// keyBy reads the key that has a value in a unique column.
func (s *Store) keyBy(ctx context.Context, column, value string) (*positions.Key, error) {
	var k positions.Key
	err := s.read(ctx, "key", func() (err error) {
		k, err = scanKey(s.pool.QueryRow(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE `+column+` = $1`, value))
		if absent(err) {
			return positions.Errorf(positions.NotFound, "no such key")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &k, nil
}

// DeleteKey implements [positions.Store].
func (s *Store) DeleteKey(ctx context.Context, fiscalCode, id string) error {
	return s.change(ctx, "delete key", func(tx pgx.Tx) error {
		row, err := tx.Exec(ctx, `DELETE FROM api_keys WHERE organization = $1 AND id = $2`, fiscalCode, id)
		if err == nil && row.RowsAffected() == 0 {
			return positions.Errorf(positions.NotFound, "no such key")
		}
		return err
	})
}

// TouchKey implements [positions.Store].
func (s *Store) TouchKey(ctx context.Context, id string, at time.Time) error {
	return s.read(ctx, "touch key", func() error { // the same minute twice is the same minute
		_, err := s.pool.Exec(ctx, `UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND coalesce(last_used_at < $1, true)`, at.Truncate(time.Minute), id)
		return err
	})
}

func scanKey(row pgx.Row) (positions.Key, error) {
	var k positions.Key
	var codes, signatureKeys []byte
	var used *time.Time
	var client *string
	if err := row.Scan(&k.ID, &k.OrganizationFiscalCode, &k.Name, &k.Role, &codes, &k.Hash, &k.CreatedAt, &used, &client, &signatureKeys); err != nil {
		return k, err
	}
	k.CreatedAt = k.CreatedAt.UTC()
	if used != nil {
		k.LastUsedAt = used.UTC()
	}
	if client != nil {
		k.PDNDClientID = *client
	}
	return k, errors.Join(document.Read(codes, &k.SegregationCodes), document.Read(signatureKeys, &k.SignatureKeys))
}
