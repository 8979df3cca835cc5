package document

import "github.com/attualizza/attualizza/positions"

// Organization puts an organization together with its sealed secrets.
func Organization(body, sealed []byte) (*positions.Organization, error) {
	var o positions.Organization
	if err := Read(body, &o); err != nil {
		return nil, err
	}
	if err := Read(sealed, &o.Sealed); err != nil {
		return nil, err
	}
	return &o, nil
}
