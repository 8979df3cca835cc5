package rest

import "github.com/attualizza/attualizza/positions"

// GPD's paging.
const (
	defaultLimit = 10
	maxLimit     = 50
	maxPage      = 1_000_000 // keeps offsets far from overflow
)

func pageOf(page, limit *int32) (positions.Page, error) {
	p := positions.Page{Limit: defaultLimit}
	if page != nil {
		p.Number = int(*page)
	}
	if limit != nil {
		p.Limit = int(*limit)
	}
	if p.Number < 0 || p.Number > maxPage {
		return p, invalidParameter("page", "must be between 0 and 1000000")
	}
	if p.Limit < 1 || p.Limit > maxLimit {
		return p, invalidParameter("limit", "must be between 1 and 50")
	}
	return p, nil
}

// pageInfo describes a page of found items out of total.
func pageInfo(p positions.Page, found, total int) PageInfo {
	return PageInfo{Page: p.Number, Limit: p.Limit, ItemsFound: found, TotalPages: (total + p.Limit - 1) / p.Limit}
}

// cut returns a page of a list that is whole in memory.
func cut[T any](all []T, p positions.Page) []T {
	from := min(p.Offset(), len(all))
	return all[from:min(from+p.Limit, len(all))]
}
