package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

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
	err = s.change(ctx, "create key", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?)`, k.ID, k.OrganizationFiscalCode,
			k.Name, string(k.Role), string(codes), append([]byte{}, k.Hash...), micros(created), optional(k.LastUsedAt), k.PDNDClientID, string(signatureKeys))
		return err
	})
	switch {
	case orphan(err):
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
func (s *Store) Keys(ctx context.Context, fiscalCode string) ([]positions.Key, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE organization = ? ORDER BY created_at, id`, fiscalCode)
	if err != nil {
		return nil, failure("keys", err)
	}
	defer rows.Close()
	var keys []positions.Key
	for rows.Next() {
		k, err := scanKey(rows.Scan)
		if err != nil {
			return nil, failure("keys", err)
		}
		keys = append(keys, *k)
	}
	return keys, failure("keys", rows.Err())
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
	stmt, err := s.statement(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE `+column+` = ?`)
	if err != nil {
		return nil, failure("key", err)
	}
	k, err := scanKey(stmt.QueryRowContext(ctx, value).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, positions.Errorf(positions.NotFound, "no such key")
	}
	return k, failure("key", err)
}

// DeleteKey implements [positions.Store].
func (s *Store) DeleteKey(ctx context.Context, fiscalCode, id string) error {
	return s.change(ctx, "delete key", func(tx *sql.Tx) error {
		row, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE organization = ? AND id = ?`, fiscalCode, id)
		return oneRow(row, err, "no such key")
	})
}

// TouchKey implements [positions.Store].
func (s *Store) TouchKey(ctx context.Context, id string, at time.Time) error {
	minute := micros(at.Truncate(time.Minute))
	var known bool
	err := s.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM api_keys WHERE id = ? AND last_used_at >= ?)`, id, minute).Scan(&known)
	if err != nil || known {
		return failure("touch key", err)
	}
	return s.change(ctx, "touch key", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE api_keys SET last_used_at = ?1 WHERE id = ?2 AND coalesce(last_used_at < ?1, true)`, minute, id)
		return err
	})
}

func scanKey(scan func(...any) error) (*positions.Key, error) {
	var k positions.Key
	var codes, signatureKeys []byte
	var created int64
	var used sql.NullInt64
	var client sql.NullString
	if err := scan(&k.ID, &k.OrganizationFiscalCode, &k.Name, &k.Role, &codes, &k.Hash, &created, &used, &client, &signatureKeys); err != nil {
		return nil, err
	}
	k.CreatedAt, k.LastUsedAt, k.PDNDClientID = instant(created), maybe(used), client.String
	return &k, errors.Join(document.Read(codes, &k.SegregationCodes), document.Read(signatureKeys, &k.SignatureKeys))
}
