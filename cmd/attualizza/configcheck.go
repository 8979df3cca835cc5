package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Validate the configuration, reach every dependency once, say in words what is wrong."`
}

type configCheckCommand struct {
	config.Config   `embed:""`
	SkipCredentials bool `help:"Do not try the organizations' credentials against SEND, its relays and PDND."`
}

// checkTimeout bounds one look at one dependency; the trial of all credentials has a
// limit of its own beyond it.
const checkTimeout = 5 * time.Second

// Run looks at every dependency once. It changes nothing, here or elsewhere.
func (c *configCheckCommand) Run(ctx context.Context, std stdio) error {
	failed, stored := false, true
	for _, check := range []struct {
		name  string
		look  func(context.Context) (string, error)
		limit time.Duration // zero: checkTimeout
	}{
		{name: "database", look: c.checkDatabase},
		{name: "redis", look: c.checkRedis},
		{name: "SEND", look: func(ctx context.Context) (string, error) { return reach(ctx, c.SendURL) }},
		{name: "PDND", look: func(ctx context.Context) (string, error) { return reach(ctx, c.PDNDTokenURL) }},
		{name: "PDND tokens", look: c.checkPDNDTokens},
		{name: "master key", look: c.checkMasterKey},
		{name: "admin key", look: c.checkAdminKey},
		{name: "TLS of the Nodo", look: func(context.Context) (string, error) { return checkNodoTLS(&c.Config) }},
		{name: "traces", look: checkTraces},
		{name: "relays", look: c.checkRelays},
		{name: "receivers", look: c.checkReceivers, limit: checkTimeout + receiversLimit},
		{name: "credentials", look: c.checkCredentials},
		{name: "credentials in use", look: c.tryCredentials, limit: checkTimeout + trialLimit},
	} {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(check.limit, checkTimeout))
		said, err := check.look(ctx)
		cancel()
		var usage *usageError
		if errors.As(err, &usage) {
			return err
		}
		if err != nil {
			failed, said = true, err.Error()
			stored = stored && check.name != "database"
		}
		fmt.Fprintf(std.out, "%s: %s\n", check.name, said)
	}
	fmt.Fprintln(std.out, "configuration: valid")
	switch {
	case !stored:
		return errors.New("the database is not usable: the service would start, and answer PAA_SYSTEM_ERROR (to receipts: 503) until it is")
	case failed:
		return errors.New("something is not as it should be; the service would start, and answer without it")
	}
	return nil
}

func (c *configCheckCommand) checkDatabase(ctx context.Context) (string, error) {
	if path, ok := strings.CutPrefix(string(c.DatabaseURL), "sqlite:"); ok {
		_, missing := os.Stat(path)
		_, homeless := os.Stat(filepath.Dir(path))
		if errors.Is(missing, os.ErrNotExist) && homeless == nil { // opening would make it
			return "not there yet: `attualizza serve` and `attualizza migrate` make " + path, nil
		}
	}
	store, err := openStore(ctx, string(c.DatabaseURL))
	if err != nil {
		return "", err
	}
	defer store.Close()
	if err := store.Ping(ctx); err != nil {
		why := err.Error()
		var refusal *positions.Error
		if errors.As(err, &refusal) && refusal.Err != nil {
			why += " (" + strings.Join(strings.Fields(refusal.Err.Error()), " ") + ")" // who reads this may mend it
		}
		return "", fmt.Errorf("%s; if it was never prepared, run `attualizza migrate`", why)
	}
	return "answers, migrations applied", nil
}

func (c *configCheckCommand) checkRedis(ctx context.Context) (string, error) {
	if c.RedisURL == "" {
		return "not configured: prices are cached in this process only", nil
	}
	redis, err := openRedis(string(c.RedisURL), nil)
	if err != nil {
		return "", err
	}
	defer redis.Close()
	if err := redis.Ping(ctx); err != nil {
		return "", err
	}
	return "answers", nil
}

func (c *configCheckCommand) checkPDNDTokens(ctx context.Context) (string, error) {
	if c.PDNDIssuer == "" {
		return "not configured: callers of the REST API authenticate with keys only", nil
	}
	vouchers := acceptedVouchers(&c.Config, slog.New(slog.DiscardHandler))
	defer vouchers.Close()
	n, err := vouchers.Check(ctx)
	if err != nil {
		return "", fmt.Errorf("the issuer's keys cannot be had at %s: %w", c.PDNDJWKSURL, err)
	}
	keys := "keys"
	if n == 1 {
		keys = "key"
	}
	return fmt.Sprintf("%d %s of %s", n, keys, c.PDNDIssuer), nil
}

// checkTraces shows a message without spans to the collector.
func checkTraces(ctx context.Context) (string, error) {
	env, err := telemetry.ReadEnvironment(os.Getenv)
	switch {
	case err != nil:
		return "", &usageError{err}
	case !env.Export:
		return "not configured: none are recorded (OTEL_EXPORTER_OTLP_ENDPOINT)", nil
	}
	if err := telemetry.TryCollector(ctx); err != nil {
		return "", err
	}
	return "the collector takes them", nil
}

// checkMasterKey also tries the key on what it should open, where there is
// something.
func (c *configCheckCommand) checkMasterKey(ctx context.Context) (string, error) {
	if c.MasterKey == "" {
		return "not configured: organizations' secrets cannot be stored", nil
	}
	box, err := openBox(&c.Config)
	if err != nil {
		return "", err
	}
	organizations, asked, err := c.organizations(ctx)
	if err != nil {
		return "", err
	}
	if !asked {
		return "valid; the database was not asked whether it opens what is stored", nil
	}
	for _, o := range organizations {
		for name, sealed := range o.Sealed {
			if _, err := box.Open(o.FiscalCode, string(name), sealed); err != nil {
				return "", fmt.Errorf("%s of organization %s: %w", name, o.FiscalCode, err)
			}
		}
	}
	return "valid", nil
}

// organizations returns what is registered, nothing where there is no database
// yet; asked is false when the database does not tell.
func (c *configCheckCommand) organizations(ctx context.Context) (all []positions.Organization, asked bool, err error) {
	if path, ok := strings.CutPrefix(string(c.DatabaseURL), "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, true, nil
		}
	}
	store, err := openStore(ctx, string(c.DatabaseURL))
	if err != nil {
		return nil, false, err
	}
	defer store.Close()
	if all, _, err = store.Organizations(ctx); err != nil {
		return nil, false, nil // the check of the database says why
	}
	return all, true, nil
}

// checkRelays reaches the act-management systems that organizations have asked
// in SEND's place, each address once. It shows them no credential.
func (c *configCheckCommand) checkRelays(ctx context.Context) (string, error) {
	organizations, asked, err := c.organizations(ctx)
	if err != nil {
		return "", err
	}
	if !asked {
		return "the database was not asked which there are", nil
	}
	asking, reached := 0, map[string]bool{}
	for _, o := range organizations {
		if !o.Relays() {
			continue
		}
		asking++
		if reached[o.Relay.URL] {
			continue
		}
		if _, err := reach(ctx, o.Relay.URL); err != nil {
			return "", fmt.Errorf("the one of organization %s %w", o.FiscalCode, err)
		}
		reached[o.Relay.URL] = true
	}
	if asking == 0 {
		return "no organization asks one", nil
	}
	return fmt.Sprintf("reached (organizations that ask one: %d, addresses: %d)", asking, len(reached)), nil
}

// maxNamed bounds how many organizations a check names.
const maxNamed = 20

// checkCredentials names the organizations that nobody can be asked for. It is
// no failure: one whose notices are not SEND-bound needs none.
func (c *configCheckCommand) checkCredentials(ctx context.Context) (string, error) {
	organizations, asked, err := c.organizations(ctx)
	if err != nil {
		return "", err
	}
	if !asked {
		return "the database was not asked which organizations there are", nil
	}
	var without []string
	for i := range organizations {
		if o := &organizations[i]; !o.HasCredential() {
			without = append(without, fmt.Sprintf("%s (%s)", o.FiscalCode, o.CredentialSecret()))
		}
	}
	switch n := len(without); {
	case len(organizations) == 0:
		return "no organization is registered", nil
	case n == 0:
		return "every organization has one for SEND or its relay", nil
	case n > maxNamed:
		without = append(without[:maxNamed], fmt.Sprintf("and %d more", n-maxNamed))
	}
	return "missing, the fee of SEND-bound notices cannot be asked: " + strings.Join(without, ", "), nil
}

func (c *configCheckCommand) checkAdminKey(context.Context) (string, error) {
	if c.AdminKey == "" {
		return "not configured: organizations cannot be registered", nil
	}
	return "configured", nil
}

// reach asks for the base address; any HTTP answer shows that the way is open.
func reach(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("cannot be reached at %s: check the address, the name server and the firewall (%w)", url, errors.Unwrap(err))
	}
	defer response.Body.Close()
	if _, err := io.CopyN(io.Discard, response.Body, 1024); err != nil && !errors.Is(err, io.EOF) {
		slog.DebugContext(ctx, "answer not read", "error", err)
	}
	return fmt.Sprintf("reached (%s answered %d; which status is no matter here, nothing was asked)", url, response.StatusCode), nil
}
