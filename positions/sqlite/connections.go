package sqlite

import "time"

// Connections tells how many connections to the file are in use and at rest, how many
// there may be, and how often and how long altogether somebody waited for one since
// [Open]: mostly for the one that writes.
func (s *Store) Connections() (used, idle, most int, waits int64, waited time.Duration) {
	w, r := s.writer.Stats(), s.reader.Stats()
	return w.InUse + r.InUse, w.Idle + r.Idle, w.MaxOpenConnections + r.MaxOpenConnections, w.WaitCount + r.WaitCount, w.WaitDuration + r.WaitDuration
}
