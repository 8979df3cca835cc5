package sqlite

import (
	"context"
	"database/sql"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// Notice numbers and IUVs are given to one option of an organization each: here
// they change hands, and here it is told who has one that somebody else wants.

// handOver deletes the option rows of positions of a batch whose numbers others
// of the batch are going to have.
func handOver(ctx context.Context, tx *sql.Tx, ps []*positions.Position) error {
	batch, wants := document.WantsOf(ps)
	triples := make([]string, len(wants.IUPDs)) // each a list of its own: iupd, nav, iuv
	for i := range triples {
		triples[i] = list([]string{wants.IUPDs[i], wants.NAVs[i], wants.IUVs[i]})
	}
	const taken = `SELECT o.rowid FROM json_each(?3) w CROSS JOIN payment_options o CROSS JOIN positions p
		WHERE o.organization = ?1 AND p.id = o.position_id AND p.iupd <> json_extract(w.value, '$[0]') AND p.iupd IN (SELECT value FROM json_each(?2))`
	_, err := tx.ExecContext(ctx, `DELETE FROM payment_options WHERE rowid IN (
		`+taken+` AND o.nav = json_extract(w.value, '$[1]') UNION ALL `+taken+` AND o.iuv = json_extract(w.value, '$[2]'))`,
		ps[0].OrganizationFiscalCode, list(batch), list(triples))
	return err
}

// conflict finds out what of some positions is taken, after a unique key refused
// one of them.
func (s *Store) conflict(ctx context.Context, ps []*positions.Position, creating bool) error {
	var vague *positions.Error
	for _, p := range ps {
		var known bool
		if creating {
			err := s.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM positions WHERE organization = ? AND iupd = ?)`,
				p.OrganizationFiscalCode, p.IUPD).Scan(&known)
			if err != nil {
				return failure("position", err)
			}
		}
		owners, err := s.owners(ctx, p)
		if err != nil {
			return failure("position", err)
		}
		if !creating {
			owners = document.Outside(ps, owners)
		}
		e := document.Conflict(p, known, owners)
		if len(e.Problems) > 0 {
			return document.Within(ps, p, e)
		}
		vague = e
	}
	return vague
}

// owners finds the options of other positions that hold p's numbers.
func (s *Store) owners(ctx context.Context, p *positions.Position) (owners []document.Owner, err error) {
	navs, iuvs := document.Notices(p)
	rows, err := s.reader.QueryContext(ctx, `SELECT p.iupd, o.nav, o.iuv FROM payment_options o JOIN positions p ON p.id = o.position_id
		WHERE o.organization = ?1 AND p.iupd <> ?2
		  AND (o.nav IN (SELECT value FROM json_each(?3)) OR o.iuv IN (SELECT value FROM json_each(?4)))`,
		p.OrganizationFiscalCode, p.IUPD, list(navs), list(iuvs))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o document.Owner
		if err := rows.Scan(&o.IUPD, &o.NAV, &o.IUV); err != nil {
			return nil, err
		}
		owners = append(owners, o)
	}
	return owners, rows.Err()
}
