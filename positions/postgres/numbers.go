package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// Notice numbers and IUVs are given to one option of an organization each: here
// they change hands, and here it is told who has one that somebody else wants.

// handOver deletes the option rows of positions of a batch whose numbers others
// of the batch are going to have. It locks the positions first, in the order in
// which everybody does.
func handOver(ctx context.Context, tx pgx.Tx, ps []*positions.Position) error {
	organization := ps[0].OrganizationFiscalCode
	batch, wants := document.WantsOf(ps)
	b := new(pgx.Batch)
	b.Queue(`SELECT FROM positions WHERE organization = $1 AND iupd = ANY ($2::text[]) ORDER BY iupd COLLATE "C" FOR UPDATE`, organization, batch)
	for _, number := range []struct {
		column string
		wanted []string
	}{{"nav", wants.NAVs}, {"iuv", wants.IUVs}} {
		b.Queue(`DELETE FROM payment_options o USING positions p, unnest($3::text[], $4::text[]) AS w (iupd, number)
			WHERE o.organization = $1 AND o.`+number.column+` = w.number AND p.id = o.position_id AND p.iupd <> w.iupd AND p.iupd = ANY ($2::text[])`,
			organization, batch, wants.IUPDs, number.wanted)
	}
	return send(ctx, tx, b)
}

// conflict finds out what of some positions is taken, after a unique key refused
// one of them.
func (s *Store) conflict(ctx context.Context, ps []*positions.Position, creating bool) error {
	var vague *positions.Error
	for _, p := range ps {
		var known bool
		var owners []document.Owner
		err := s.read(ctx, "position", func() (err error) {
			if creating {
				err = s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM positions WHERE organization = $1 AND iupd = $2)`,
					p.OrganizationFiscalCode, p.IUPD).Scan(&known)
			}
			if err == nil {
				owners, err = s.owners(ctx, p)
			}
			return err
		})
		if err != nil {
			return err
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
func (s *Store) owners(ctx context.Context, p *positions.Position) ([]document.Owner, error) {
	navs, iuvs := document.Notices(p)
	rows, err := s.pool.Query(ctx, `SELECT p.iupd, o.nav, o.iuv FROM payment_options o JOIN positions p ON p.id = o.position_id
		WHERE o.organization = $1 AND p.iupd <> $2 AND (o.nav = ANY ($3::text[]) OR o.iuv = ANY ($4::text[]))`,
		p.OrganizationFiscalCode, p.IUPD, navs, iuvs)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (o document.Owner, err error) {
		err = r.Scan(&o.IUPD, &o.NAV, &o.IUV)
		return o, err
	})
}
