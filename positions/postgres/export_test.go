package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ReconciliationSums is the query of the method of that name.
const ReconciliationSums = reconciliationSums

// Pool lets a test do in the database what the store does not.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// MaintainAt is Maintain on another day.
func (s *Store) MaintainAt(ctx context.Context, now time.Time) error { return s.maintain(ctx, now) }
