package modi

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	fetchTimeout  = 3 * time.Second
	maxKeysBody   = 256 << 10        // bytes; PDND's set has less than 10 KiB
	maxIssuerKeys = 100              // the rest of a longer set is not believed
	askAgain      = 10 * time.Second // between two requests, however many unknown kids arrive
	trustedFor    = 5 * time.Minute  // then the set is fetched again, while the known keys still serve
	believedFor   = 15 * time.Minute // then they serve no more until the issuer was asked, or did not answer
	patience      = time.Second      // for an answer about keys that are known
)

// ErrNoKeys means that the issuer's keys are not known and cannot be had now, so
// that nothing can be said of a voucher.
var ErrNoKeys = errors.New("the issuer's keys cannot be had")

// issuerKeys are the keys of an issuer as last published. They are fetched when
// a kid is not among them, and every five minutes that they are used, by one
// request at a time. After a pause in which nobody used them the first voucher
// waits for the new ones, for a second, because a key may have been withdrawn
// meanwhile. Those last had stay when the issuer does not answer.
type issuerKeys struct {
	url    string
	client *http.Client
	logger *slog.Logger
	now    func() time.Time
	work   sync.WaitGroup  // at most one fetch
	ctx    context.Context // of the fetches, which no single request owns
	stop   context.CancelFunc

	mu             sync.Mutex
	known          map[string]crypto.PublicKey
	fetched, asked time.Time
	fetching       chan struct{} // closed when the fetch under way ends; nil: none is
	failing        bool
}

func newIssuerKeys(url string, logger *slog.Logger, now func() time.Time) *issuerKeys {
	k := &issuerKeys{url: url, client: httpClient(), logger: logger, now: now}
	k.ctx, k.stop = context.WithCancel(context.Background())
	return k
}

// key returns the key with an id. An unknown one is asked for, at most every ten
// seconds, and waited for as long as ctx allows.
func (k *issuerKeys) key(ctx context.Context, id string) (crypto.PublicKey, error) {
	key, age := k.look(id)
	if key != nil && age < trustedFor {
		return key, nil
	}
	refreshed := k.refresh()
	if key != nil {
		if age < believedFor {
			return key, nil // the new set is for the next voucher
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	select {
	case <-refreshed:
	case <-ctx.Done():
		if key != nil {
			return key, nil
		}
		return nil, fmt.Errorf("%w: %w", ErrNoKeys, ctx.Err())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		return nil, ErrNoKeys
	}
	if key, ok := k.known[id]; ok {
		return key, nil
	}
	return nil, Rejection("is signed with a key that its issuer does not publish")
}

// look returns a known key, and the age of the set. Nobody has to wait for an
// issuer that did not answer the last time, so its keys do not grow older.
func (k *issuerKeys) look(id string) (key crypto.PublicKey, age time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age = k.now().Sub(k.fetched)
	if k.failing {
		age = min(age, believedFor-1)
	}
	return k.known[id], age
}

// refresh fetches the keys, or joins whoever does, unless that was tried a
// moment ago. The channel is closed when there is no more to wait for.
func (k *issuerKeys) refresh() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.fetching != nil {
		return k.fetching
	}
	done := make(chan struct{})
	if !k.asked.IsZero() && now.Sub(k.asked) < askAgain {
		close(done)
		return done
	}
	k.asked, k.fetching = now, done
	k.work.Go(func() {
		keys, err := k.fetch(k.ctx)
		k.settle(keys, err)
		close(done)
	})
	return done
}

// settle puts fetched keys in force, or keeps the old ones. It tells when
// failures begin and when they end, once each.
func (k *issuerKeys) settle(keys map[string]crypto.PublicKey, err error) {
	k.mu.Lock()
	began, ended := err != nil && !k.failing, err == nil && k.failing
	k.failing, k.fetching = err != nil, nil
	if err == nil {
		k.known, k.fetched = keys, k.now()
	}
	kept := len(k.known)
	k.mu.Unlock()
	switch {
	case k.ctx.Err() != nil: // we stop, nobody failed
	case began:
		k.logger.Warn("the keys of PDND cannot be had; those last had stay in force", "url", k.url, "known", kept, "error", err)
	case ended:
		k.logger.Info("the keys of PDND can be had again", "url", k.url, "known", kept)
	}
}

// fetch asks the issuer, for three seconds at most.
func (k *issuerKeys) fetch(ctx context.Context) (map[string]crypto.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d instead of 200", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeysBody+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeysBody {
		return nil, fmt.Errorf("more than %d bytes", maxKeysBody)
	}
	return readKeySet(text)
}

// readKeySet reads a JWK set (RFC 7517, 5). Keys that cannot be used are passed
// over, as the RFC asks; a set without any other is an error.
func readKeySet(text []byte) (map[string]crypto.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("not a JWK set")
	}
	keys := map[string]crypto.PublicKey{}
	for _, text := range set.Keys[:min(len(set.Keys), maxIssuerKeys)] {
		id, key, err := ParseKey(text)
		if _, twice := keys[id]; err == nil && !twice {
			keys[id] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key that can be used: RSA from 2048 bits or EC P-256, with a kid")
	}
	return keys, nil
}
