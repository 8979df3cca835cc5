package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Bounds of the look at receivers of receipts: like the trial of credentials.
const (
	receiversLimit   = time.Minute // altogether
	receiversAtOnce  = 4
	mostReceivers    = 200 // addresses
	maxReceiverReply = 32 << 10
)

// checkReceivers reaches the debt systems that receipts are pushed to, each address
// once, by HEAD: without a body, a credential or a signature. Any answer will do,
// since most of them know POST only. An address is never shown, because its path or
// query may be a secret: organizations are named in its place.
func (c *configCheckCommand) checkReceivers(ctx context.Context) (string, error) {
	organizations, asked, err := c.organizations(ctx)
	if err != nil {
		return "", err
	}
	if !asked {
		return "the database was not asked which there are", nil
	}
	having := map[string][]string{} // organizations by address
	var addresses []string
	for i := range organizations {
		o := &organizations[i]
		if o.Delivery == nil {
			continue
		}
		if having[o.Delivery.URL] == nil {
			addresses = append(addresses, o.Delivery.URL)
		}
		having[o.Delivery.URL] = append(having[o.Delivery.URL], o.FiscalCode)
	}
	if len(addresses) == 0 {
		return "no organization has one", nil
	}
	left := max(len(addresses)-mostReceivers, 0)
	addresses = addresses[:len(addresses)-left]
	problems := headAll(ctx, addresses)
	var missed []string
	for i, problem := range problems {
		if problem == nil {
			continue
		}
		of := having[addresses[i]]
		if n := len(of); n > maxNamed {
			of = append(of[:maxNamed:maxNamed], fmt.Sprintf("%d more", n-maxNamed))
		}
		missed = append(missed, fmt.Sprintf("the one of %s %v", strings.Join(of, ", "), problem))
	}
	said := fmt.Sprintf("reached (addresses: %d of %d)", len(addresses)-len(missed), len(addresses))
	if left > 0 {
		said += fmt.Sprintf("; %d addresses more were left out", left)
	}
	if n := len(missed); n > maxNamed {
		missed = append(missed[:maxNamed], fmt.Sprintf("and %d more", n-maxNamed))
	}
	if len(missed) > 0 {
		return "", errors.New(said + "; check address, name server, proxy and firewall: " + strings.Join(missed, "; "))
	}
	return said, nil
}

// headAll asks for the head of each address, a few at a time, and returns what was
// wrong with each, nil where somebody answered.
func headAll(ctx context.Context, addresses []string) []error {
	ctx, cancel := context.WithTimeout(ctx, receiversLimit)
	defer cancel()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes, transport.DisableKeepAlives = maxReceiverReply, true
	client := http.Client{
		Transport: transport, Timeout: checkTimeout,
		// Receipts go where they were registered to go, and so does the question.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	problems := make([]error, len(addresses))
	var work errgroup.Group
	work.SetLimit(receiversAtOnce)
	for i, address := range addresses {
		work.Go(func() error {
			problems[i] = head(ctx, &client, address)
			return nil
		})
	}
	_ = work.Wait() // each problem is of its address
	return problems
}

// head asks for the head of an address; whatever it answers is an answer.
func head(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, http.NoBody)
	if err != nil {
		return errors.New("is no address that can be called")
	}
	response, err := client.Do(request)
	if err != nil {
		return withoutAddress(err)
	}
	response.Body.Close() // an answer to HEAD has none
	return nil
}

// withoutAddress tells why nobody answered without the URL and the pieces of an
// answer that net/http repeats.
func withoutAddress(err error) error {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	var network *net.OpError
	var late net.Error
	switch {
	case errors.As(err, &certificate):
		return errors.New("has a certificate that is not to be trusted")
	case errors.As(err, &name):
		return errors.New("has a name that cannot be looked up")
	case errors.As(err, &late) && late.Timeout():
		return fmt.Errorf("does not answer within %v", checkTimeout)
	case errors.As(err, &network):
		return fmt.Errorf("cannot be reached: %w", network.Err)
	}
	return errors.New("does not answer in HTTP")
}
