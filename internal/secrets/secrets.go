// Package secrets seals what organizations entrust to us (keys of SEND, private
// keys for PDND, passwords of relays) before it reaches a store, so that a copy
// of the database alone gives none of it away.
//
// The cipher is AES-256-GCM with a random nonce (NIST SP 800-38D). A sealed
// text is bound to its organization and field: moved elsewhere, it does not open.
//
// Its form is
//
//	version (1 byte, 0x01) | key id (4 bytes) | nonce (12) | ciphertext and tag (16)
package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

const (
	// KeySize is the length of a master key in bytes.
	KeySize = 32
	// Overhead is by how many bytes a sealed text is longer than the plain one.
	Overhead = headerSize + 12 + 16

	version    = 1
	keyIDSize  = 4
	headerSize = 1 + keyIDSize
)

var (
	// ErrNoMasterKey is returned by a nil [Box].
	ErrNoMasterKey = errors.New("secrets cannot be kept: set ATTUALIZZA_MASTER_KEY to 32 bytes in base64 (openssl rand -base64 32)")
	// ErrOtherKey is returned for a text that was sealed with another master key.
	ErrOtherKey = errors.New("sealed with another ATTUALIZZA_MASTER_KEY: restore that key, or store the secret again")
	// ErrDamaged is returned for a text that is cut, altered, or sealed for
	// another organization or field.
	ErrDamaged = errors.New("sealed secret is damaged, or belongs to another organization or field: store it again")
)

// Box seals and opens with one master key. It may be used by several goroutines.
// A nil Box stands for a missing key: it refuses with [ErrNoMasterKey].
type Box struct {
	aead   cipher.AEAD
	keyID  [keyIDSize]byte
	master []byte // for Derive
}

// New returns a box for a key of [KeySize] random bytes. An empty key, which
// means that none is configured, gives a nil Box.
func New(key []byte) (*Box, error) {
	if len(key) == 0 {
		return nil, nil
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("master key of %d bytes; it must have %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	b := &Box{aead: aead, master: bytes.Clone(key)}
	id := sha256.Sum256(key)
	copy(b.keyID[:], id[:])
	return b, nil
}

// Seal encrypts a field of an organization, named by its tax code. The same
// text sealed twice looks different.
func (b *Box) Seal(organization, field string, plain []byte) ([]byte, error) {
	if b == nil {
		return nil, ErrNoMasterKey
	}
	sealed := make([]byte, 0, len(plain)+Overhead)
	sealed = append(sealed, version)
	sealed = append(sealed, b.keyID[:]...)
	return b.aead.Seal(sealed, nil, plain, b.bound(organization, field)), nil
}

// Open decrypts what Seal made for the same organization and field.
func (b *Box) Open(organization, field string, sealed []byte) ([]byte, error) {
	if b == nil {
		return nil, ErrNoMasterKey
	}
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, ErrDamaged
	}
	if !bytes.Equal(sealed[1:headerSize], b.keyID[:]) {
		return nil, ErrOtherKey
	}
	plain, err := b.aead.Open(nil, nil, sealed[headerSize:], b.bound(organization, field))
	if err != nil {
		return nil, ErrDamaged // the library's error says no more
	}
	return plain, nil
}

// Derive returns a key of [KeySize] bytes for another purpose than sealing, the
// same on every replica that has the same master key (HKDF with SHA-256, RFC
// 5869). It gives away neither the master key nor the key of another purpose.
func (b *Box) Derive(purpose string) ([]byte, error) {
	if b == nil {
		return nil, ErrNoMasterKey
	}
	return hkdf.Key(sha256.New, b.master, nil, purpose, KeySize)
}

// bound is the additional data that GCM authenticates: the header, and where the
// secret belongs. The length keeps ("ab", "c") apart from ("a", "bc").
func (b *Box) bound(organization, field string) []byte {
	return fmt.Appendf(nil, "%c%s%d:%s:%s", version, b.keyID[:], len(organization), organization, field)
}
