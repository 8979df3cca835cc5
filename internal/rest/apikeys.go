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
)

// CreateAPIKey implements the operation of that name.
func (s *server) CreateAPIKey(ctx context.Context, r CreateAPIKeyRequestObject) (CreateAPIKeyResponseObject, error) {
	if problems := r.Body.problems(); len(problems) > 0 {
		return nil, invalid("the key is not valid", problems)
	}
	id, secret := newKey()
	key := &positions.Key{
		ID: id, OrganizationFiscalCode: r.OrganizationFiscalCode, Name: r.Body.Name, Role: r.Body.Role,
		SegregationCodes: r.Body.SegregationCodes, Hash: hashSecret(secret), CreatedAt: s.Now().UTC(),
	}
	if err := s.Store.CreateKey(ctx, key); err != nil {
		return nil, err
	}
	return CreateAPIKey201JSONResponse{ID: id, Key: id + "." + secret}, nil
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
		list.APIKeys = append(list.APIKeys, APIKey{
			ID: k.ID, Name: k.Name, Role: k.Role, SegregationCodes: k.SegregationCodes,
			CreatedAt: k.CreatedAt.UTC(), LastUsedAt: presentInstant(k.LastUsedAt),
		})
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
