package postgres

import "time"

// Connections tells how many connections the pool has in use and at rest, how many
// it may have, and how often and how long altogether somebody waited for one since
// [Open], the opening of a new one included.
func (s *Store) Connections() (used, idle, most int, waits int64, waited time.Duration) {
	now := s.pool.Stat()
	return int(now.AcquiredConns()), int(now.IdleConns()), int(now.MaxConns()), now.EmptyAcquireCount(), now.EmptyAcquireWaitTime()
}
