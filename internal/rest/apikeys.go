package rest

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/attualizza/attualizza/positions"
)

const (
	maxKeyName          = 100 // characters
	maxSegregationCodes = 100 // there are no more than that
	maxPDNDClientID     = 200 // bytes; they are UUIDs
)

// CreateAPIKey implements the operation of that name.
func (s *server) CreateAPIKey(ctx context.Context, r CreateAPIKeyRequestObject) (CreateAPIKeyResponseObject, error) {
	if problems := r.Body.problems(); len(problems) > 0 {
		return nil, invalid("the key is not valid", problems)
	}
	if err := s.useful(r.Body); err != nil {
		return nil, err
	}
	id, secret := newKey()
	signatureKeys, _ := r.Body.SignatureKeys.parse()
	key := &positions.Key{
		ID: id, OrganizationFiscalCode: r.OrganizationFiscalCode, Name: r.Body.Name, Role: r.Body.Role,
		SegregationCodes: r.Body.SegregationCodes, CreatedAt: s.Now().UTC(),
		PDNDClientID: r.Body.PdndClientID, SignatureKeys: signatureKeys,
	}
	issued := CreateAPIKey201JSONResponse{ID: id}
	if key.PDNDClientID == "" {
		key.Hash, issued.Key = hashSecret(secret), id+"."+secret
	}
	if err := s.Store.CreateKey(ctx, key); err != nil {
		return nil, err
	}
	return issued, nil
}

// useful refuses what would be stored and never work.
func (s *server) useful(b *APIKeyInput) error {
	var problems []positions.Problem
	if b.PdndClientID != "" && s.Vouchers == nil {
		problems = append(problems, positions.Problem{Pointer: "/pdndClientId", Detail: "needs ATTUALIZZA_PDND_ISSUER, which the operator has not set: no token of PDND would be accepted"})
	}
	if len(b.SignatureKeys.keys) > 0 && s.Audience == "" {
		problems = append(problems, positions.Problem{Pointer: "/signatureKeys", Detail: "needs ATTUALIZZA_PDND_TOKEN_AUDIENCE, which the operator has not set: no signature would be accepted"})
	}
	if len(problems) == 0 {
		return nil
	}
	return &positions.Error{Code: positions.Unprocessable, Message: "this service is not configured for it", Problems: problems}
}

func (b *APIKeyInput) problems() []positions.Problem {
	var problems []positions.Problem
	add := func(at, detail string) {
		problems = append(problems, positions.Problem{Pointer: at, Detail: detail})
	}
	if n := utf8.RuneCountInString(b.Name); n < 1 || n > maxKeyName {
		add("/name", "must have 1 to 100 characters")
	}
	if b.Role != positions.Writer && b.Role != positions.Reader {
		add("/role", "must be one of WRITER, READER")
	}
	if len(b.PdndClientID) > maxPDNDClientID {
		add("/pdndClientId", "must have at most 200 characters")
	}
	_, wrongKeys := b.SignatureKeys.parse()
	problems = append(problems, wrongKeys...)
	if len(b.SegregationCodes) > maxSegregationCodes {
		add("/segregationCodes", "has more codes than there are")
		return problems
	}
	for i, code := range b.SegregationCodes {
		if len(code) != 2 || code[0] < '0' || code[0] > '9' || code[1] < '0' || code[1] > '9' {
			add(fmt.Sprintf("/segregationCodes/%d", i), "must be two digits")
		}
	}
	return problems
}

// ListAPIKeys implements the operation of that name.
func (s *server) ListAPIKeys(ctx context.Context, r ListAPIKeysRequestObject) (ListAPIKeysResponseObject, error) {
	page, err := pageOf(r.Params.Page, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.Organization(ctx, r.OrganizationFiscalCode); err != nil {
		return nil, err // a list of nothing would hide a wrong tax code
	}
	keys, err := s.Store.Keys(ctx, r.OrganizationFiscalCode)
	if err != nil {
		return nil, err
	}
	list := APIKeyList{APIKeys: []APIKey{}}
	for _, k := range cut(keys, page) {
		shown := APIKey{
			ID: k.ID, Name: k.Name, Role: k.Role, SegregationCodes: k.SegregationCodes,
			CreatedAt: k.CreatedAt.UTC(), LastUsedAt: presentInstant(k.LastUsedAt), PdndClientID: k.PDNDClientID,
		}
		for _, signing := range k.SignatureKeys {
			shown.SignatureKeyIds = append(shown.SignatureKeyIds, signing.ID)
		}
		list.APIKeys = append(list.APIKeys, shown)
	}
	list.PageInfo = pageInfo(page, len(list.APIKeys), len(keys))
	return ListAPIKeys200JSONResponse(list), nil
}

// RevokeAPIKey implements the operation of that name.
func (s *server) RevokeAPIKey(ctx context.Context, r RevokeAPIKeyRequestObject) (RevokeAPIKeyResponseObject, error) {
	if err := s.Store.DeleteKey(ctx, r.OrganizationFiscalCode, r.ID); err != nil {
		return nil, err
	}
	return RevokeAPIKey204Response{}, nil
}
