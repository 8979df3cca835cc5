package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/attualizza/attualizza/positions"
)

// openPrepared opens a database for a command that works in it beside the service.
// It must be ready: it is neither made nor migrated on the way.
func openPrepared(ctx context.Context, url string) (positions.Store, error) {
	const migrate = "run `attualizza migrate` first"
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // opening would make it
			return nil, fmt.Errorf("the database %s is not there: %s", path, migrate)
		}
	}
	store, err := openStore(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := store.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w; if the database answers but was never prepared, %s", err, migrate), store.Close())
	}
	return store, nil
}

// openFor is [openPrepared] for a command about one organization, which must be
// registered.
func openFor(ctx context.Context, url, fiscalCode string) (positions.Store, *positions.Organization, error) {
	store, err := openPrepared(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	organization, err := store.Organization(ctx, fiscalCode)
	if positions.CodeOf(err) == positions.NotFound {
		err = &usageError{fmt.Errorf("organization %s is not registered: register it with PUT /v1/organizations/%s", fiscalCode, fiscalCode)}
	}
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, organization, nil
}

// checkOrganization refuses a flag that is no tax code.
func checkOrganization(fiscalCode string) error {
	if positions.FiscalCodePA(fiscalCode) {
		return nil
	}
	return fmt.Errorf("--organization must be the 11 digits of an organization's tax code, %q is not", fiscalCode)
}
