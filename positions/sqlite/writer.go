package sqlite

import "database/sql"

// Writer is the only connection that writes, for what else lives in the file:
// whoever uses it waits for the others who do, and all of them for another process
// that holds the file, as the package says. The store closes it.
func (s *Store) Writer() *sql.DB { return s.writer }
