package registry

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a store of organizations that another replica may change.
type source struct {
	mu       sync.Mutex
	all      []positions.Organization
	revision int64
	down     error
	loads    int
}

func (s *source) Organizations(context.Context) ([]positions.Organization, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	return append([]positions.Organization(nil), s.all...), s.revision, s.down
}

func (s *source) OrganizationsRevision(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.down
}

func (s *source) set(down error, all ...positions.Organization) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.down = all, down
	s.revision++
}

func box(t *testing.T) *secrets.Box {
	t.Helper()
	b, err := secrets.New(make([]byte, secrets.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func organization(t *testing.T, b *secrets.Box, code string, withPDND bool) positions.Organization {
	t.Helper()
	seal := func(name positions.Secret, plain string) []byte {
		sealed, err := b.Seal(code, string(name), []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	o := positions.Organization{
		FiscalCode: code, BrokerCode: "broker", Stations: []positions.Station{{Code: "station-" + code}}, UpdatedAt: time.Now(),
		Send: &positions.Send{Route: positions.RouteDirect}, Sealed: map[positions.Secret][]byte{positions.SecretSendAPIKey: seal(positions.SecretSendAPIKey, "key-"+code)},
	}
	if withPDND {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		o.Send.PDND = &positions.PDND{Mode: positions.PDNDRequired, ClientID: "client", KeyID: "kid", PurposeID: "purpose"}
		o.Sealed[positions.SecretPDNDPrivateKey] = seal(positions.SecretPDNDPrivateKey, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	}
	return o
}

func TestOrganizationsAreFoundWithTheirCredentialsOpened(t *testing.T) {
	b := box(t)
	s := &source{}
	s.set(nil, organization(t, b, "77777777777", true), organization(t, b, "88888888888", false))
	var told []*sendclient.Credential
	r := New(s, b, slog.New(slog.DiscardHandler), func(c *sendclient.Credential) { told = append(told, c) })
	if r.Loaded() {
		t.Fatal("loaded before it was asked to")
	}
	if err := r.Reload(t.Context()); err != nil || !r.Loaded() {
		t.Fatal(err)
	}
	o, ok := r.Organization("77777777777")
	if !ok {
		t.Fatal("not found")
	}
	c, err := o.Credential()
	if err != nil || c.APIKey != "key-77777777777" || c.PDND == nil || c.PDND.PurposeID != "purpose" {
		t.Fatalf("%+v, %v", c, err)
	}
	other, _ := r.Organization("88888888888")
	if c, err := other.Credential(); err != nil || c.PDND != nil {
		t.Fatalf("%+v, %v", c, err)
	}
	if len(told) != 2 {
		t.Fatalf("told of %d credentials", len(told))
	}
	if !r.HasBroker("broker") || r.HasBroker("x") || !r.HasStation("broker", "station-77777777777") || r.HasStation("broker", "x") || r.HasStation("x", "station-77777777777") {
		t.Fatal("brokers and stations are wrong")
	}
	if _, ok := r.Organization("x"); ok {
		t.Fatal("a stranger was found")
	}
}

func TestACredentialKeepsItsIdentityUntilItsOrganizationChanges(t *testing.T) {
	b := box(t)
	s := &source{}
	o := organization(t, b, "77777777777", false)
	s.set(nil, o)
	r := New(s, b, slog.New(slog.DiscardHandler), nil)
	credential := func() *sendclient.Credential {
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		org, _ := r.Organization("77777777777")
		c, err := org.Credential()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := credential()
	if credential() != first {
		t.Fatal("the same registration gave another credential: its breaker and voucher are lost")
	}
	o.UpdatedAt = o.UpdatedAt.Add(time.Second)
	s.set(nil, o)
	if credential() == first {
		t.Fatal("a new registration kept the old credential")
	}
}

func TestWhatIsWrongWithOneOrganizationConcernsItAlone(t *testing.T) {
	b := box(t)
	none := positions.Organization{FiscalCode: "11111111111", UpdatedAt: time.Now()}
	moved := organization(t, b, "22222222222", false)
	moved.FiscalCode = "33333333333" // its secrets were sealed for another
	bad := organization(t, b, "44444444444", true)
	sealed, err := b.Seal("44444444444", string(positions.SecretPDNDPrivateKey), []byte("no key"))
	if err != nil {
		t.Fatal(err)
	}
	bad.Sealed[positions.SecretPDNDPrivateKey] = sealed
	s := &source{}
	s.set(nil, none, moved, bad, organization(t, b, "77777777777", false))
	for name, with := range map[string]*secrets.Box{"with the master key": b, "without": nil} {
		r := New(s, with, slog.New(slog.DiscardHandler), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, code := range []string{"11111111111", "33333333333", "44444444444"} {
			o, ok := r.Organization(code)
			if !ok {
				t.Fatalf("%s: %s is missing", name, code)
			}
			if _, err := o.Credential(); !errors.Is(err, ErrNoCredential) {
				t.Errorf("%s: %s: %v", name, code, err)
			}
		}
		good, _ := r.Organization("77777777777")
		if _, err := good.Credential(); (err == nil) != (with != nil) {
			t.Errorf("%s: the good one: %v", name, err)
		}
	}
}

func TestChangesOfOtherReplicasAreFollowedAndAnOutageKeepsWhatIsKnown(t *testing.T) {
	b := box(t)
	s := &source{}
	s.set(nil, organization(t, b, "77777777777", false))
	r := New(s, b, slog.New(slog.DiscardHandler), nil)
	r.Start(t.Context())
	defer r.Close()
	s.set(nil, organization(t, b, "77777777777", false), organization(t, b, "88888888888", false))
	began := time.Now()
	for {
		if _, ok := r.Organization("88888888888"); ok {
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatal("not noticed within the 5 s of the contract")
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.set(errors.New("down"))
	time.Sleep(Interval + 200*time.Millisecond)
	if _, ok := r.Organization("88888888888"); !ok {
		t.Fatal("an outage of the store emptied the registry")
	}
	if r.Current() {
		t.Fatal("current, while the store does not answer")
	}
	s.set(nil, organization(t, b, "77777777777", false))
	for began := time.Now(); !r.Current(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("not current again")
		}
	}
}

func TestAStoreThatIsDownAtTheStartIsWaitedFor(t *testing.T) {
	b := box(t)
	s := &source{down: errors.New("down")}
	r := New(s, b, slog.New(slog.DiscardHandler), nil)
	r.Start(t.Context())
	defer r.Close()
	if r.Loaded() {
		t.Fatal("loaded from a store that is down")
	}
	select {
	case <-r.FirstLoaded():
		t.Fatal("told that they are")
	default:
	}
	s.set(nil, organization(t, b, "77777777777", false))
	select {
	case <-r.FirstLoaded():
	case <-time.After(5 * time.Second):
		t.Fatal("not loaded")
	}
	if _, ok := r.Organization("77777777777"); !ok || !r.Loaded() {
		t.Fatal("told too early")
	}
	if err := r.Reload(t.Context()); err != nil { // not told twice
		t.Fatal(err)
	}
}
