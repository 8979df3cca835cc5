package postgres

import (
	"context"
	"time"
)

// MaintainAt is Maintain on another day.
func (s *Store) MaintainAt(ctx context.Context, now time.Time) error { return s.maintain(ctx, now) }
