package rest

import (
	"context"
	"errors"
	"fmt"

	"github.com/attualizza/attualizza/positions"
)

const (
	actionIBAN = "IBAN"

	maxTransfers = 1000 // of one change of IBAN, and its default, as in GPD
	accountBatch = 100  // positions that are changed at once: others wait no longer than that for them
)

// ChangeIban implements the operation of that name.
func (s *server) ChangeIban(ctx context.Context, r ChangeIbanRequestObject) (ChangeIbanResponseObject, error) {
	limit := maxTransfers
	if r.Params.Limit != nil {
		limit = int(*r.Params.Limit)
	}
	to := r.Body.NewIban
	switch {
	case r.Params.OldIban == "":
		return nil, invalidParameter("oldIban", "must not be empty")
	case limit < 1 || limit > maxTransfers:
		return nil, invalidParameter("limit", fmt.Sprintf("must be between 1 and %d", maxTransfers))
	case !positions.IBANForm(to):
		return nil, invalid("the account is not valid", []positions.Problem{{Pointer: "/newIban", Detail: "must be 1 to 35 letters and digits"}})
	}
	moved := 0
	if r.Params.OldIban != to {
		var err error
		if moved, err = s.changeIBAN(ctx, r.OrganizationFiscalCode, r.Params.OldIban, to, limit); err != nil {
			return nil, err
		}
	}
	answer := ChangeIban200JSONResponse{Description: fmt.Sprintf("Updated IBAN on %d Transfers", moved), UpdatedTransfers: moved}
	if !ibanRight(to) {
		answer.Warnings = []ProblemError{{Pointer: "/newIban", Detail: wrongIBAN}}
	}
	return answer, nil
}

// changeIBAN moves transfers from one account to another, batch by batch.
func (s *server) changeIBAN(ctx context.Context, organization, from, to string, limit int) (moved int, err error) {
	f := positions.AccountFilter{OrganizationFiscalCode: organization, IBAN: from, SegregationCodes: callerOf(ctx).key.SegregationCodes, Limit: accountBatch}
	for {
		batch, next, err := s.changeBatch(ctx, f, to, limit-moved)
		switch moved += batch; {
		case errors.Is(err, errOvertaken):
			return moved, positions.Errorf(positions.Conflict, "others keep changing these positions: %d transfers were moved, ask again for the rest", moved)
		case err != nil:
			return moved, err
		}
		if f.After = next; next == 0 || moved == limit {
			return moved, nil
		}
	}
}

// errOvertaken means that others were faster at every attempt.
var errOvertaken = errors.New("others keep changing these positions")

// changeBatch moves at most limit transfers of the next positions on an account. It
// returns how many moved and where the positions after them begin, or [errOvertaken].
func (s *server) changeBatch(ctx context.Context, f positions.AccountFilter, to string, limit int) (int, int64, error) {
	for range attempts(ctx) {
		f.Now = s.Now()
		found, next, err := s.Store.PositionsPaidTo(ctx, f)
		if err != nil {
			return 0, 0, err
		}
		var changed []*positions.Position
		moved := 0
		for i := range found {
			if n := found[i].ChangeIBAN(f.IBAN, to, limit-moved, f.Now); n > 0 {
				moved += n
				changed = append(changed, &found[i])
			}
		}
		err = s.Store.UpdatePositions(ctx, changed, positions.Change{Actor: callerOf(ctx).actor(), Action: actionIBAN, At: f.Now})
		switch code := positions.CodeOf(err); {
		case code == positions.Stale, code == positions.NotFound:
			continue // somebody was faster: read the batch again
		case err != nil:
			return 0, 0, err
		}
		return moved, next, nil
	}
	return 0, 0, errOvertaken
}
