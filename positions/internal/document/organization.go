package document

import "github.com/attualizza/attualizza/positions"

// Organization puts an organization together with its version and its sealed
// secrets.
func Organization(body []byte, version int64, sealed []byte) (*positions.Organization, error) {
	o := positions.Organization{Version: version}
	if err := Read(body, &o); err != nil {
		return nil, err
	}
	if err := Read(sealed, &o.Sealed); err != nil {
		return nil, err
	}
	return &o, nil
}

// Replaces makes sure that the stored version, [positions.Unregistered] when
// there is none, is the one that the writer of o read.
func Replaces(o *positions.Organization, stored int64) error {
	switch {
	case o.Version == 0 || o.Version == stored:
		return nil
	case stored == positions.Unregistered:
		return positions.Errorf(positions.Stale, "organization %s is no longer registered", o.FiscalCode)
	}
	return positions.Errorf(positions.Stale, "the registration of organization %s changed in the meantime: read it again", o.FiscalCode)
}
