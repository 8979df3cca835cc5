package storetest

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func organization(fiscalCode string) *positions.Organization {
	return &positions.Organization{
		FiscalCode: fiscalCode, CompanyName: "Comune di Forlì", OfficeName: "Tributi", BrokerCode: "15376371009",
		Stations: []positions.Station{{Code: "15376371009_01"}, {Code: "15376371009_02", Broadcast: true}},
		Send: &positions.Send{
			Route: positions.RouteRelay, Streams: true,
			PDND: &positions.PDND{Mode: positions.PDNDRequired, ClientID: "client", KeyID: "key", PurposeID: "purpose"},
		},
		Relay: &positions.Relay{Kind: "NATIVE", URL: "https://relay.example", Username: "user"}, Policy: positions.DefaultPolicy(),
		Delivery: &positions.Receiver{URL: "https://gestionale.example/receipts"},
		Sealed:   map[positions.Secret][]byte{positions.SecretSendAPIKey: {0, 1, 255}, positions.SecretDelivery: []byte("sealed")}, CreatedAt: noon,
	}
}

var organizationTests = []test{
	{"an organization comes back as it was put, its sealed secrets included", func(t *testing.T, s positions.Store) {
		o := organization(comune)
		if !got(s.PutOrganization(t.Context(), o))(t) {
			t.Fatal("a new organization is not reported as new")
		}
		same(t, "the organization", got(s.Organization(t.Context(), comune))(t), o)
		bare := &positions.Organization{FiscalCode: provincia, CompanyName: "Provincia"}
		got(s.PutOrganization(t.Context(), bare))(t)
		if time.Since(bare.CreatedAt) > time.Minute {
			t.Fatalf("created at %v", bare.CreatedAt)
		}
		all, _, err := s.Organizations(t.Context())
		must(t, err)
		same(t, "all organizations", all, []positions.Organization{*o, *bare})
	}},
	{"a replacement keeps the date of registration and nothing else", func(t *testing.T, s positions.Store) {
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		must(t, s.CreateKey(t.Context(), &positions.Key{ID: "k", OrganizationFiscalCode: comune, Hash: []byte{1}}))
		o := &positions.Organization{FiscalCode: comune, CompanyName: "Nuovo", CreatedAt: noon.AddDate(1, 0, 0)}
		if got(s.PutOrganization(t.Context(), o))(t) {
			t.Fatal("a replacement is reported as new")
		}
		if !o.CreatedAt.Equal(noon) || !o.UpdatedAt.After(o.CreatedAt.AddDate(-1, 0, 0)) {
			t.Fatalf("created at %v, updated at %v", o.CreatedAt, o.UpdatedAt)
		}
		same(t, "the organization", got(s.Organization(t.Context(), comune))(t), o)
		got(s.Key(t.Context(), "k"))(t) // keys stay
	}},
	{"the revision grows with every change and only then", func(t *testing.T, s positions.Store) {
		last := got(s.OrganizationsRevision(t.Context()))(t)
		step := func(what string, grows bool) {
			t.Helper()
			now := got(s.OrganizationsRevision(t.Context()))(t)
			if grows != (now > last) {
				t.Fatalf("%s: the revision went from %d to %d", what, last, now)
			}
			_, listed, err := s.Organizations(t.Context())
			must(t, err)
			if listed != now {
				t.Fatalf("%s: the list is of revision %d, not %d", what, listed, now)
			}
			last = now
		}
		step("nothing", false)
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		step("registration", true)
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		step("replacement", true)
		wantCode(t, s.DeleteOrganization(t.Context(), provincia), positions.NotFound)
		step("removal of an unknown one", false)
		must(t, s.DeleteOrganization(t.Context(), comune))
		step("removal", true)
	}},
	{"a registration is replaced at the version that was read, and only then", func(t *testing.T, s positions.Store) {
		put := func(version int64, want positions.Code) *positions.Organization {
			t.Helper()
			o := organization(comune)
			o.Version = version
			before := o.Version
			_, err := s.PutOrganization(t.Context(), o)
			wantCode(t, err, want)
			if want != "" && o.Version != before {
				t.Fatalf("a refused registration is at version %d", o.Version)
			}
			return o
		}
		put(7, positions.Stale) // nothing is registered
		first := put(positions.Unregistered, "")
		put(positions.Unregistered, positions.Stale)
		second := put(first.Version, "")
		revision := got(s.OrganizationsRevision(t.Context()))(t)
		put(first.Version, positions.Stale)
		if now := got(s.OrganizationsRevision(t.Context()))(t); now != revision {
			t.Fatalf("a refusal moved the revision from %d to %d", revision, now)
		}
		third := put(0, "")
		if !(first.Version < second.Version && second.Version < third.Version) {
			t.Fatalf("versions are %d, %d, %d", first.Version, second.Version, third.Version)
		}
		must(t, s.DeleteOrganization(t.Context(), comune))
		put(third.Version, positions.Stale)
		if again := put(0, ""); again.Version <= third.Version {
			t.Fatalf("version %d came back as %d", third.Version, again.Version)
		}
		same(t, "the version read", got(s.Organization(t.Context(), comune))(t).Version, got2(s.Organizations(t.Context()))(t)[0].Version)
	}},
	{"a removed organization takes its keys along and leaves its positions", func(t *testing.T, s positions.Store) {
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		must(t, s.CreateKey(t.Context(), &positions.Key{ID: "k", OrganizationFiscalCode: comune, Hash: []byte{1}}))
		p := mustCreate(t, s, position(comune, "iupd-1"))
		must(t, s.DeleteOrganization(t.Context(), comune))
		_, err := s.Organization(t.Context(), comune)
		wantCode(t, err, positions.NotFound)
		_, err = s.Key(t.Context(), "k")
		wantCode(t, err, positions.NotFound)
		same(t, "the position", read(t, s, p), p)
		got(s.PutOrganization(t.Context(), &positions.Organization{FiscalCode: comune}))(t)
		if secrets := got(s.Organization(t.Context(), comune))(t).Sealed; len(secrets) > 0 {
			t.Fatal("the secrets of a removed organization come back")
		}
	}},
}

// got2 is got for a list and what comes with it.
func got2[T, U any](value T, _ U, err error) func(t *testing.T) T { return got(value, err) }

var keyTests = []test{
	{"keys come back as they were created, oldest first", func(t *testing.T, s positions.Store) {
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		b := &positions.Key{
			ID: "b", OrganizationFiscalCode: comune, Name: "gestionale", Role: positions.Writer, SegregationCodes: []string{"02", "03"},
			Hash: []byte{0, 255}, CreatedAt: noon, LastUsedAt: noon,
		}
		a := &positions.Key{ID: "a", OrganizationFiscalCode: comune, Name: "lettore", Role: positions.Reader, Hash: []byte{1}, CreatedAt: noon.Add(time.Second)}
		must(t, s.CreateKey(t.Context(), a))
		must(t, s.CreateKey(t.Context(), b))
		same(t, "keys", got(s.Keys(t.Context(), comune))(t), []positions.Key{*b, *a})
		same(t, "a key", got(s.Key(t.Context(), "b"))(t), b)
		same(t, "another organization's keys", got(s.Keys(t.Context(), provincia))(t), []positions.Key(nil))
		wantCode(t, s.CreateKey(t.Context(), a), positions.Conflict)
	}},
	{"a key with a PDND client is found by it, and has no secret", func(t *testing.T, s positions.Store) {
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		got(s.PutOrganization(t.Context(), organization(provincia)))(t)
		k := &positions.Key{
			ID: "p", OrganizationFiscalCode: comune, Name: "piattaforma", Role: positions.Reader, SegregationCodes: []string{"02"}, CreatedAt: noon,
			PDNDClientID: "9b361d49-33f4-4f1e-a88b-4e12661f2309", SignatureKeys: []positions.SignatureKey{{ID: "città", DER: []byte{0, 255}}, {ID: "b", DER: []byte{1}}},
		}
		must(t, s.CreateKey(t.Context(), k))
		must(t, s.CreateKey(t.Context(), &positions.Key{ID: "q", OrganizationFiscalCode: comune, Role: positions.Reader, Hash: []byte{1}}))
		must(t, s.CreateKey(t.Context(), &positions.Key{ID: "r", OrganizationFiscalCode: comune, Role: positions.Reader, Hash: []byte{1}}))
		same(t, "the key", got(s.KeyOfPDNDClient(t.Context(), k.PDNDClientID))(t), k)
		same(t, "the key by its id", got(s.Key(t.Context(), "p"))(t), k)
		for _, stranger := range []string{"", "p", "9B361D49-33F4-4F1E-A88B-4E12661F2309"} {
			_, err := s.KeyOfPDNDClient(t.Context(), stranger)
			wantCode(t, err, positions.NotFound)
		}
		twice := &positions.Key{ID: "s", OrganizationFiscalCode: provincia, Role: positions.Reader, PDNDClientID: k.PDNDClientID}
		wantCode(t, s.CreateKey(t.Context(), twice), positions.Conflict)
		must(t, s.DeleteKey(t.Context(), comune, "p"))
		_, err := s.KeyOfPDNDClient(t.Context(), k.PDNDClientID)
		wantCode(t, err, positions.NotFound)
		must(t, s.CreateKey(t.Context(), twice))
		same(t, "the client's new key", got(s.KeyOfPDNDClient(t.Context(), k.PDNDClientID))(t), twice)
		must(t, s.DeleteOrganization(t.Context(), provincia))
		_, err = s.KeyOfPDNDClient(t.Context(), k.PDNDClientID)
		wantCode(t, err, positions.NotFound)
	}},
	{"a key needs a registered organization", func(t *testing.T, s positions.Store) {
		wantCode(t, s.CreateKey(t.Context(), &positions.Key{ID: "a", OrganizationFiscalCode: comune, Hash: []byte{1}}), positions.NotFound)
	}},
	{"a key is revoked by its own organization only", func(t *testing.T, s positions.Store) {
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		must(t, s.CreateKey(t.Context(), &positions.Key{ID: "a", OrganizationFiscalCode: comune, Hash: []byte{1}}))
		wantCode(t, s.DeleteKey(t.Context(), provincia, "a"), positions.NotFound)
		must(t, s.DeleteKey(t.Context(), comune, "a"))
		wantCode(t, s.DeleteKey(t.Context(), comune, "a"), positions.NotFound)
		_, err := s.Key(t.Context(), "a")
		wantCode(t, err, positions.NotFound)
	}},
	{"the last use of a key is known to the minute and never goes back", func(t *testing.T, s positions.Store) {
		got(s.PutOrganization(t.Context(), organization(comune)))(t)
		must(t, s.CreateKey(t.Context(), &positions.Key{ID: "a", OrganizationFiscalCode: comune, Hash: []byte{1}}))
		for _, step := range []struct{ used, want time.Duration }{{0, 0}, {30 * time.Second, 0}, {time.Minute, time.Minute}, {-time.Hour, time.Minute}} {
			must(t, s.TouchKey(t.Context(), "a", noon.Add(step.used)))
			want := noon.Add(step.want).Truncate(time.Minute)
			if used := got(s.Key(t.Context(), "a"))(t).LastUsedAt; !used.Equal(want) {
				t.Fatalf("used %v after noon: last use is %v, want %v", step.used, used, want)
			}
		}
		must(t, s.TouchKey(t.Context(), "revoked", noon))
	}},
}
