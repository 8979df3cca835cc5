package rest

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/attualizza/attualizza/internal/modi"
	"github.com/attualizza/attualizza/positions"
)

// maxSignatureKeys is enough to change keys without a pause.
const maxSignatureKeys = 5

// PublicKeysField is a member that holds public keys as a JWK set or as a list
// of JWKs (RFC 7517).
type PublicKeysField struct {
	keys []json.RawMessage
	at   string // pointer of the list within the member
}

// IsZero reports absence.
func (f PublicKeysField) IsZero() bool { return len(f.keys) == 0 }

// read takes over well-formed JSON. It reports whether that is a set or a list.
func (f *PublicKeysField) read(raw []byte) bool {
	switch raw[0] {
	case '[':
		return json.Unmarshal(raw, &f.keys) == nil
	case '{':
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		err := json.Unmarshal(raw, &set)
		f.keys, f.at = set.Keys, "/keys"
		return err == nil && set.Keys != nil
	}
	return false
}

// parse returns the keys as they are stored, or everything that is wrong with
// them.
func (f *PublicKeysField) parse() ([]positions.SignatureKey, []positions.Problem) {
	at := "/signatureKeys" + f.at
	if len(f.keys) > maxSignatureKeys {
		return nil, []positions.Problem{{Pointer: at, Detail: fmt.Sprintf("has more than %d keys", maxSignatureKeys)}}
	}
	var keys []positions.SignatureKey
	var problems []positions.Problem
	for i, text := range f.keys {
		add := func(detail string) {
			problems = append(problems, positions.Problem{Pointer: fmt.Sprintf("%s/%d", at, i), Detail: detail})
		}
		id, key, err := modi.ParseKey(text)
		if err != nil {
			add(err.Error())
			continue
		}
		if slices.ContainsFunc(keys, func(k positions.SignatureKey) bool { return k.ID == id }) {
			add("has the kid of another one")
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			add("cannot be stored")
			continue
		}
		keys = append(keys, positions.SignatureKey{ID: id, DER: der})
	}
	return keys, problems
}
