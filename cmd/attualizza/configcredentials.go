package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// Bounds of the trial of credentials: nobody is asked in a crowd, and who has
// thousands of organizations is told of the first ones.
const (
	trialLimit  = time.Minute     // altogether
	trialAnswer = 5 * time.Second // one credential
	trialAtOnce = 4
	mostTried   = 200
)

// noNotice is a notice number that cannot exist, because SACI assigns no aux digit 9.
// It must not: SEND tells PagoPA of every price that it gives, as an update of the
// debt position, and here nobody updates any. SEND and relays answer that they do not
// know it, to whom they know; to a credential that they refuse, that they refuse it.
const noNotice = "999999999999999999"

// finding is what became of one credential.
type finding int

const (
	accepted finding = iota
	refusedBySEND
	refusedByRelay
	refusedByPDND
	unreachable
	failing  // it answered that it cannot answer
	strange  // an answer that says nothing about the credential
	untried  // the time was over, or the same key was refused a moment ago
	unopened // the master key does not open it
	verdicts // how many there are
)

// advice says of each what it means and what to do.
var advice = [verdicts]string{
	refusedBySEND: "refused by SEND (wrong, blocked or rotated API key, a key of another environment, or a pdnd.mode that the key does not want: " +
		"put the right one in with PUT /v1/organizations/{fc}; SEND repeats a refusal for 60 s, so wait a minute before trying again)",
	refusedByRelay: "refused by the relay (wrong or expired token, user or password, or a signature that it does not accept: ask who runs it, then PUT /v1/organizations/{fc})",
	refusedByPDND:  "given no voucher by PDND (client, key or purpose suspended, expired or mistaken, or a clock that is wrong: look at clientId, keyId and purposeId on PDND)",
	unreachable:    "not answered, so nothing is known of the credential (check address, name server, proxy and firewall, and try again)",
	failing: "answered with a failure that is not the credential's (SEND, PDND or the relay has trouble, or asks to slow down: nothing is known of the credential; " +
		"look at the state of the platform, and try again later)",
	strange:  "answered in a way that says nothing of the credential (is the address right?)",
	untried:  "not tried (out of time, or the same key had just been refused)",
	unopened: "not opened (another master key sealed it: register it again)",
}

// trial is one credential of an organization, and what became of it.
type trial struct {
	organization string
	credential   *sendclient.Credential
	finding      finding
	detail       string
}

// group is what must not be asked with at the same time: SEND's gateway remembers a
// refusal by the API key alone, so that a bad voucher of one organization would seem
// to be a bad key of another.
func (t *trial) group() string {
	if t.credential == nil || t.credential.Relay != nil {
		return "organization " + t.organization
	}
	return "key " + t.credential.APIKey
}

// inHand are organizations as a registry reads them.
type inHand []positions.Organization

func (r inHand) Organizations(context.Context) ([]positions.Organization, int64, error) {
	return r, 1, nil
}

func (inHand) OrganizationsRevision(context.Context) (int64, error) { return 1, nil }

// tryCredentials shows the credential of each organization, once, to whom it is for:
// PDND for a voucher, and SEND or the relay for the price of a notice that cannot exist.
func (c *configCheckCommand) tryCredentials(ctx context.Context) (string, error) {
	if c.SkipCredentials {
		return "skipped, as --skip-credentials says", nil
	}
	if c.MasterKey == "" {
		return "not tried: without the master key they cannot be opened", nil
	}
	organizations, asked, err := c.organizations(ctx)
	if err != nil {
		return "", err
	}
	if !asked {
		return "not tried: the database was not asked which there are", nil
	}
	box, err := openBox(&c.Config)
	if err != nil {
		return "", err
	}
	directory := registry.New(inHand(organizations), box, slog.New(slog.DiscardHandler), nil)
	if err := directory.Reload(ctx); err != nil {
		return "", err
	}
	trials, left := credentialsOf(directory.Organizations())
	if len(trials) == 0 {
		return "no organization has one", nil
	}
	client, err := sendclient.New(sendclient.Config{
		BaseURL: c.SendURL, TokenURL: c.PDNDTokenURL, Audience: c.PDNDAudience, Timeout: trialAnswer,
	})
	if err != nil {
		return "", err
	}
	tryAll(ctx, client, trials)
	if err := client.Close(); err != nil {
		return "", err
	}
	return report(trials, left)
}

// credentialsOf returns what there is to try, by tax code: what prices are asked with,
// and what SEND is told of payments with where that is another. left is how many
// organizations are beyond the first [mostTried].
func credentialsOf(all []*registry.Organization) (trials []*trial, left int) {
	slices.SortFunc(all, func(a, b *registry.Organization) int { return cmp.Compare(a.FiscalCode, b.FiscalCode) })
	all = slices.DeleteFunc(all, func(o *registry.Organization) bool { return !o.HasCredential() })
	if len(all) > mostTried {
		all, left = all[:mostTried], len(all)-mostTried
	}
	for _, o := range all {
		for _, open := range []func() (*sendclient.Credential, error){o.Credential, o.SENDCredential} {
			credential, err := open()
			t := &trial{organization: o.FiscalCode, credential: credential, finding: untried}
			if err != nil {
				t.finding = unopened
			}
			trials = append(trials, t)
			if !o.Relays() || !o.TellsSEND() {
				break // there is no other
			}
		}
	}
	return trials, left
}

// tryAll tries a few groups at once, and of a group one after the other.
func tryAll(ctx context.Context, client *sendclient.Client, trials []*trial) {
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	groups := map[string][]*trial{}
	for _, t := range trials {
		groups[t.group()] = append(groups[t.group()], t)
	}
	var work errgroup.Group
	work.SetLimit(trialAtOnce)
	for _, group := range groups {
		work.Go(func() error {
			for _, t := range group {
				if t.finding != untried || ctx.Err() != nil {
					continue
				}
				t.ask(ctx, client)
				if t.finding == refusedBySEND {
					break // it would refuse whoever shows this key, for a minute
				}
			}
			return nil
		})
	}
	_ = work.Wait() // what was found is each trial's
}

// ask tries one credential.
func (t *trial) ask(ctx context.Context, client *sendclient.Client) {
	_, err := client.Price(ctx, t.credential, t.organization, noNotice)
	if err == nil {
		t.finding = accepted
		return
	}
	var failure *sendclient.Error
	if !errors.As(err, &failure) {
		t.finding, t.detail = strange, err.Error()
		return
	}
	if failure.Status != 0 {
		t.detail = fmt.Sprintf("HTTP %d", failure.Status)
	}
	switch failure.Kind {
	case sendclient.KindDenied:
		t.finding = refusedBySEND
		if t.credential.Relay != nil {
			t.finding = refusedByRelay
		}
	case sendclient.KindNoVoucher:
		t.finding, t.detail = voucherless(failure.Err), strings.TrimPrefix(fmt.Sprint(failure.Err), "voucher: ")
	case sendclient.KindServerError, sendclient.KindThrottled:
		t.finding = failing
	case sendclient.KindTimeout, sendclient.KindTransport:
		t.finding = unreachable
		if t.detail == "" {
			t.detail = string(failure.Kind)
		}
	case sendclient.KindCancelled:
		t.finding = untried
	default:
		t.finding = strange
		if t.detail == "" {
			t.detail = string(failure.Kind)
		}
	}
}

// voucherless tells why PDND gave no voucher.
func voucherless(err error) finding {
	var refusal *sendclient.VoucherRefusal
	var network net.Error // a deadline is one too
	switch {
	case errors.As(err, &refusal) && refusal.Status/100 == 4:
		return refusedByPDND
	case refusal != nil && refusal.Status >= 500:
		return failing
	case errors.As(err, &network), errors.Is(err, io.EOF):
		return unreachable
	}
	return strange
}

// report says how many are accepted, and names the others by what is to be done.
func report(trials []*trial, left int) (string, error) {
	var named [verdicts][]string
	for _, t := range trials {
		name := t.organization
		if t.detail != "" {
			name += " [" + t.detail + "]"
		}
		named[t.finding] = append(named[t.finding], name)
	}
	said := []string{fmt.Sprintf("%d of %d accepted", len(named[accepted]), len(trials))}
	failed := false
	for f := accepted + 1; f < verdicts; f++ {
		names := named[f]
		if len(names) == 0 {
			continue
		}
		failed = failed || f != untried
		if n := len(names); n > maxNamed {
			names = append(names[:maxNamed:maxNamed], fmt.Sprintf("and %d more", n-maxNamed))
		}
		said = append(said, advice[f]+": "+strings.Join(names, ", "))
	}
	if left > 0 {
		said = append(said, fmt.Sprintf("%d organizations more were left out", left))
	}
	text := strings.Join(said, "; ")
	if failed {
		return "", errors.New(text)
	}
	return text, nil
}
