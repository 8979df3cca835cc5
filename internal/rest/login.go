package rest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
)

// tokenLife is how long a token of the legacy login is good for.
const tokenLife = time.Hour

// tokenPurpose keeps the key that tokens are made with apart from any other that
// comes from the master key.
const tokenPurpose = "attualizza login token 1"

// newTokenKey returns what tokens are proved with. It must not be anything that
// the database holds: who read a copy of it, a key's hash included, could log in
// as everybody. Without a master key it is random, and tokens are good on this
// replica alone, until it stops.
func newTokenKey(box *secrets.Box) ([]byte, error) {
	if box == nil {
		key := make([]byte, secrets.KeySize)
		_, _ = rand.Read(key) // crypto/rand.Read never fails
		return key, nil
	}
	return box.Derive(tokenPurpose)
}

// Login implements the operation of that name.
func (s *server) Login(ctx context.Context, r LoginRequestObject) (LoginResponseObject, error) {
	from := strangerOf(ctx)
	if err := s.mayGuess(from); err != nil {
		return nil, err
	}
	id, secret := r.Body.Username, r.Body.Password
	if whole, ok := strings.CutPrefix(secret, id+"."); ok {
		secret = whole
	}
	key, err := s.keyOfSecret(ctx, id, secret)
	switch {
	case positions.CodeOf(err) == unauthorized:
		if err := s.guessed(from); err != nil {
			return nil, err
		}
		return Login200JSONResponse{Esito: "KO", DescrizioneErrore: "Credenziali non valide"}, nil
	case err != nil:
		return nil, err
	}
	s.touch(ctx, key.ID)
	return Login200JSONResponse{Esito: "OK", Token: s.newToken(key, s.Now().Add(tokenLife))}, nil
}

// token is what a bearer token of the login says: which key it stands for, until
// when, and the proof, made with [newTokenKey]'s key. Nothing of it is stored. The
// stored hash of the key's secret is part of what is proved, so that a token ends
// with its key.
//
//	base64url(id "." expiry) "." base64url(HMAC-SHA-256(token key, hash of the key's secret, id "." expiry))
type token struct {
	claim   string // id "." expiry
	id      string
	expires time.Time // to the second
	proof   []byte
}

func (s *server) newToken(key *positions.Key, expires time.Time) string {
	claim := key.ID + "." + strconv.FormatInt(expires.Unix(), 10)
	return base64.RawURLEncoding.EncodeToString([]byte(claim)) + "." + base64.RawURLEncoding.EncodeToString(s.proofOf(key, claim))
}

func (s *server) proofOf(key *positions.Key, claim string) []byte {
	mac := hmac.New(sha256.New, s.tokenKey)
	mac.Write(key.Hash) // 32 bytes; writing to a MAC never fails
	mac.Write([]byte(claim))
	return mac.Sum(nil)
}

// readToken takes a credential apart that has the form of a token. A key is told
// from it by the length of its first part: an id alone.
func readToken(credential string) (*token, bool) {
	first, last, _ := strings.Cut(credential, ".")
	if len(first) <= keyIDLength {
		return nil, false
	}
	claim, claimErr := base64.RawURLEncoding.Strict().DecodeString(first)
	proof, proofErr := base64.RawURLEncoding.Strict().DecodeString(last)
	id, expiry, ok := strings.Cut(string(claim), ".")
	seconds, expiryErr := strconv.ParseInt(expiry, 10, 64)
	if !ok || errors.Join(claimErr, proofErr, expiryErr) != nil {
		return nil, false
	}
	return &token{claim: string(claim), id: id, expires: time.Unix(seconds, 0), proof: proof}, true
}

// keyOfToken returns the key that a token stands for.
func (s *server) keyOfToken(ctx context.Context, t *token) (*positions.Key, error) {
	key, err := s.keyWithID(ctx, t.id)
	if err != nil {
		return nil, err
	}
	switch {
	case len(key.Hash) == 0, !hmac.Equal(t.proof, s.proofOf(key, t.claim)):
		return nil, positions.Errorf(unauthorized, "the key is not known")
	case !s.Now().Before(t.expires):
		return nil, positions.Errorf(unauthorized, "the token has expired: log in again")
	}
	return key, nil
}
