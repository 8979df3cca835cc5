package secrets

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

const (
	ente  = "77777777777"
	field = "send.apiKey"
)

func TestWhatIsSealedOpensAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		box := must(New(rapid.SliceOfN(rapid.Byte(), KeySize, KeySize).Draw(t, "key")))
		organization, field := rapid.String().Draw(t, "organization"), rapid.String().Draw(t, "field")
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed, err := box.Seal(organization, field, plain)
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != len(plain)+Overhead {
			t.Fatalf("%d bytes became %d, want %d more", len(plain), len(sealed), Overhead)
		}
		opened, err := box.Open(organization, field, sealed)
		if err != nil || !bytes.Equal(opened, plain) {
			t.Fatalf("opened %x, %v; want %x", opened, err, plain)
		}
	})
}

func TestASealedTextHidesItsContentAndItsRepetition(t *testing.T) {
	box := must(New(bytes.Repeat([]byte{7}, KeySize)))
	plain := []byte("an API key that nobody should read")
	first, second := must(box.Seal(ente, field, plain)), must(box.Seal(ente, field, plain))
	if bytes.Contains(first, plain[:8]) {
		t.Error("the plain text can be read in the sealed one")
	}
	if bytes.Equal(first, second) {
		t.Error("the same text sealed twice looks the same")
	}
}

func TestASealedTextOpensOnlyWhereItBelongs(t *testing.T) {
	box := must(New(bytes.Repeat([]byte{7}, KeySize)))
	sealed := must(box.Seal(ente, field, []byte("secret")))
	for name, where := range map[string][2]string{
		"another organization":                 {"88888888888", field},
		"another field":                        {ente, "delivery.secret"},
		"the boundary between the two shifted": {ente + "s", "end.apiKey"},
	} {
		if _, err := box.Open(where[0], where[1], sealed); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
}

func TestAnyAlteredBitIsNoticed(t *testing.T) {
	box := must(New(bytes.Repeat([]byte{7}, KeySize)))
	sealed := must(box.Seal(ente, field, []byte("secret")))
	for i := range len(sealed) * 8 {
		altered := bytes.Clone(sealed)
		altered[i/8] ^= 1 << (i % 8)
		if _, err := box.Open(ente, field, altered); err == nil {
			t.Errorf("bit %d altered, and it opens", i)
		}
	}
	for n := range sealed {
		if _, err := box.Open(ente, field, sealed[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: %v, want ErrDamaged", n, err)
		}
	}
}

func TestAnotherMasterKeyIsNamedAsTheCause(t *testing.T) {
	sealed := must(must(New(bytes.Repeat([]byte{7}, KeySize))).Seal(ente, field, []byte("secret")))
	if _, err := must(New(bytes.Repeat([]byte{8}, KeySize))).Open(ente, field, sealed); !errors.Is(err, ErrOtherKey) {
		t.Errorf("%v, want ErrOtherKey", err)
	}
}

func TestWithoutAMasterKeyNothingIsSealedOrOpened(t *testing.T) {
	box, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.Seal(ente, field, []byte("secret")); !errors.Is(err, ErrNoMasterKey) {
		t.Errorf("Seal: %v, want ErrNoMasterKey", err)
	}
	if _, err := box.Open(ente, field, make([]byte, 64)); !errors.Is(err, ErrNoMasterKey) {
		t.Errorf("Open: %v, want ErrNoMasterKey", err)
	}
}

func TestAKeyOfTheWrongLengthIsRefused(t *testing.T) {
	for _, n := range []int{1, 16, 24, 31, 33} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes is accepted", n)
		}
	}
}

// The stored form must not change: databases are full of it.
func TestTextsSealedByEarlierReleasesStillOpen(t *testing.T) {
	sealed := must(hex.DecodeString(golden))
	opened, err := must(New(bytes.Repeat([]byte{7}, KeySize))).Open(ente, field, sealed)
	if err != nil || string(opened) != "secret" {
		t.Errorf("opened %q, %v", opened, err)
	}
}

const golden = "014bb06f8e1bd4cb77ece3c672251d16603f7e637700251c49bbe0a4e7ead12deff6d1fcf63a69"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestADerivedKeyBelongsToItsPurposeAndMasterKey(t *testing.T) {
	box := must(New(bytes.Repeat([]byte{7}, KeySize)))
	key := must(box.Derive("tokens"))
	if len(key) != KeySize || !bytes.Equal(key, must(must(New(bytes.Repeat([]byte{7}, KeySize))).Derive("tokens"))) {
		t.Errorf("replicas with one master key do not agree: %x", key)
	}
	for name, other := range map[string][]byte{
		"another purpose":    must(box.Derive("other")),
		"another master key": must(must(New(bytes.Repeat([]byte{8}, KeySize))).Derive("tokens")),
		"the master key":     bytes.Repeat([]byte{7}, KeySize),
	} {
		if bytes.Equal(key, other) {
			t.Errorf("%s gives the same key", name)
		}
	}
	var none *Box
	if _, err := none.Derive("tokens"); !errors.Is(err, ErrNoMasterKey) {
		t.Errorf("without a master key: %v", err)
	}
}
