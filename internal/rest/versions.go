package rest

import (
	"context"

	"github.com/attualizza/attualizza/positions"
)

// ListVersions implements the operation of that name.
func (s *server) ListVersions(ctx context.Context, r ListVersionsRequestObject) (ListVersionsResponseObject, error) {
	page, err := pageOf(r.Params.Page, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	history, err := s.history(ctx, r.OrganizationFiscalCode, r.Iupd)
	if err != nil {
		return nil, err
	}
	listed := cut(history, page)
	list := VersionList{Versions: []Version{}, PageInfo: pageInfo(page, len(listed), len(history))}
	// One more than the page, which the last of it is compared with.
	read := history[min(page.Offset(), len(history)):]
	read = read[:min(len(listed)+1, len(read))]
	var after *positions.Position
	for i := range read {
		p, _, err := s.Store.Version(ctx, r.OrganizationFiscalCode, r.Iupd, read[i].Version)
		if err != nil {
			return nil, err
		}
		if after != nil {
			body, err := versionBody(ctx, read[i-1], after, p)
			if err != nil {
				return nil, err
			}
			list.Versions = append(list.Versions, body)
		}
		after = p
	}
	if len(list.Versions) < len(listed) { // the first version of all
		body, err := versionBody(ctx, listed[len(listed)-1], after, nil)
		if err != nil {
			return nil, err
		}
		list.Versions = append(list.Versions, body)
	}
	return ListVersions200JSONResponse(list), nil
}

// ReadVersion implements the operation of that name.
func (s *server) ReadVersion(ctx context.Context, r ReadVersionRequestObject) (ReadVersionResponseObject, error) {
	if _, err := s.history(ctx, r.OrganizationFiscalCode, r.Iupd); err != nil {
		return nil, err
	}
	p, info, err := s.Store.Version(ctx, r.OrganizationFiscalCode, r.Iupd, r.Version)
	if err != nil {
		return nil, err
	}
	if !callerOf(ctx).seesAll(p) {
		return nil, positions.Errorf(positions.NotFound, "there is no such version")
	}
	before, _, err := s.Store.Version(ctx, r.OrganizationFiscalCode, r.Iupd, r.Version-1)
	if err != nil && positions.CodeOf(err) != positions.NotFound {
		return nil, err
	}
	body, err := versionBody(ctx, info, p, before)
	if err != nil {
		return nil, err
	}
	position := bodyOf(p, nil, info.At)
	body.Position = &position
	return ReadVersion200JSONResponse(body), nil
}

// history returns the versions of a position that the caller may see, newest
// first. The newest decides, and it outlives the position.
func (s *server) history(ctx context.Context, organization, iupd string) ([]positions.VersionInfo, error) {
	history, err := s.Store.Versions(ctx, organization, iupd)
	if err != nil {
		return nil, err
	}
	newest, _, err := s.Store.Version(ctx, organization, iupd, history[0].Version)
	if err != nil {
		return nil, err
	}
	if !callerOf(ctx).seesAll(newest) {
		return nil, positions.Errorf(positions.NotFound, "there is no such debt position")
	}
	return history, nil
}

// versionBody tells a version and what differs from the one before, which is nil
// for the first. Both are read at the instant of the change, so that what the
// clock did to the status is not told as its doing. Of a version with notices
// that the caller may not see, from an earlier life of the iupd, it tells neither
// why nor what.
func versionBody(ctx context.Context, info positions.VersionInfo, p, before *positions.Position) (Version, error) {
	as := bodyOf(p, nil, info.At)
	body := Version{
		Version: info.Version, At: info.At.UTC(), Actor: Actor{Kind: info.Actor.Kind, ID: present(info.Actor.ID)},
		Action: info.Action, Status: as.Status, Lifecycle: as.Lifecycle, Changes: []FieldChange{},
	}
	who := callerOf(ctx)
	if !who.seesAll(p) {
		return body, nil
	}
	body.Reason = present(info.Reason)
	// A position that is created where one was deleted is all new.
	if before == nil || !before.InsertedAt.Equal(p.InsertedAt) || !who.seesAll(before) {
		return body, nil
	}
	var err error
	body.Changes, err = changesBetween(bodyOf(before, nil, info.At), as)
	return body, err
}
