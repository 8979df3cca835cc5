package rest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// maxDays is how far apart the ends of a range of dates may lie, and how far
// apart they do when one is left out (GPD, max.days.interval).
const maxDays = 30

// ListDebtPositions implements the operation of that name.
func (s *server) ListDebtPositions(ctx context.Context, r ListDebtPositionsRequestObject) (ListDebtPositionsResponseObject, error) {
	f, err := r.Params.filter(r.OrganizationFiscalCode, s.Now())
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	f.SegregationCodes = who.key.SegregationCodes // the guard lets only keys through
	list, total, err := s.Store.Positions(ctx, f)
	if err != nil {
		return nil, err
	}
	for i := range list {
		// As in GPD an option is shown when the range that was asked for holds it.
		list[i].Options = slices.DeleteFunc(list[i].Options, func(o positions.PaymentOption) bool {
			early := !f.DueFrom.IsZero() && o.DueDate.Before(f.DueFrom)
			late := !f.DueTo.IsZero() && o.DueDate.After(f.DueTo)
			return early || late || !who.sees(o.NAV)
		})
	}
	bodies, err := s.positionBodies(ctx, r.OrganizationFiscalCode, list)
	if err != nil {
		return nil, err
	}
	return ListDebtPositions200JSONResponse{PaymentPositionList: bodies, PageInfo: pageInfo(f.Page, len(bodies), total)}, nil
}

func (p *ListDebtPositionsParams) filter(organization string, now time.Time) (positions.PositionFilter, error) {
	f := positions.PositionFilter{OrganizationFiscalCode: organization, Now: now}
	var problems []positions.Problem
	complain := func(name, detail string) {
		problems = append(problems, positions.Problem{Pointer: name, Detail: detail})
	}
	var err error
	if f.Page, err = pageOf(p.Page, p.Limit); err != nil {
		problems = append(problems, problemsOf(err)...)
	}
	if p.Status != nil {
		if f.Status = *p.Status; !slices.Contains(statuses, f.Status) {
			complain("status", fmt.Sprintf("must be one of %v", statuses))
		}
	}
	if p.Orderby != nil {
		if f.OrderBy = positions.PositionOrder(*p.Orderby); !slices.Contains(orders, f.OrderBy) {
			complain("orderby", fmt.Sprintf("must be one of %v", orders))
		}
	}
	if p.Ordering != nil {
		f.Ascending = *p.Ordering == "ASC"
		if !f.Ascending && *p.Ordering != "DESC" {
			complain("ordering", "must be ASC or DESC")
		}
	}
	asked := ""
	for _, r := range []struct {
		name     string
		from, to *string
		read     func(string) (from, to time.Time, ok bool)
		form     string
		put      func(from, to time.Time)
	}{
		{"due_date", p.DueDateFrom, p.DueDateTo, readDay, `a day such as "2027-01-31"`, func(from, to time.Time) { f.DueFrom, f.DueTo = from, to }},
		{"payment_date", p.PaymentDateFrom, p.PaymentDateTo, readDay, `a day such as "2027-01-31"`, func(from, to time.Time) { f.PaymentFrom, f.PaymentTo = from, to }},
		{"payment_date_time", p.PaymentDateTimeFrom, p.PaymentDateTimeTo, readInstant, `an instant such as "2027-01-31T22:59:59Z"`, func(from, to time.Time) { f.PaymentFrom, f.PaymentTo = from, to }},
	} {
		if r.from == nil && r.to == nil {
			continue
		}
		if asked != "" {
			given := r.name + "_from"
			if r.from == nil {
				given = r.name + "_to"
			}
			complain(given, "cannot be given beside "+asked+"_from or "+asked+"_to: only one range of dates can be asked for")
			continue
		}
		asked = r.name
		var from, to time.Time
		readable := true
		if r.from != nil {
			if from, _, readable = r.read(*r.from); !readable {
				complain(r.name+"_from", "must be "+r.form)
			}
		}
		if r.to != nil {
			var ok bool
			if _, to, ok = r.read(*r.to); !ok {
				complain(r.name+"_to", "must be "+r.form)
				readable = false
			}
		}
		if !readable {
			continue
		}
		from, to = span(from, to)
		switch {
		case to.Before(from):
			complain(r.name+"_to", "lies before "+r.name+"_from")
		case to.Sub(from) >= (maxDays+1)*24*time.Hour:
			complain(r.name+"_to", fmt.Sprintf("lies more than %d days after %s_from", maxDays, r.name))
		}
		r.put(from, to)
	}
	if len(problems) > 0 {
		return f, invalid("the parameters are not valid: "+problems[0].Pointer+" "+problems[0].Detail, problems)
	}
	return f, nil
}

var (
	statuses = []positions.Status{
		positions.Draft, positions.Published, positions.Valid, positions.Invalidated, positions.Expired, positions.PartiallyPaid, positions.Paid, positions.Reported,
	}
	orders = []positions.PositionOrder{positions.ByInsertion, positions.ByIUPD, positions.ByStatus, positions.ByCompanyName}
)

const dayLess = 24*time.Hour - time.Microsecond

// readDay returns the first and the last instant of a day in UTC, in which GPD
// reads its dates.
func readDay(text string) (first, last time.Time, ok bool) {
	t, err := time.Parse(time.DateOnly, text)
	return t, t.Add(dayLess), err == nil && t.Year() >= 1900 && t.Year() <= 9997
}

func readInstant(text string) (from, to time.Time, ok bool) {
	t, err := instantParameter("", &text)
	return t, t, err == nil && !t.IsZero() && t.Year() <= 9997
}

// span completes a range of which one end was left out, with whole days as GPD
// does.
func span(from, to time.Time) (time.Time, time.Time) {
	switch {
	case to.IsZero():
		to = from.AddDate(0, 0, maxDays).Truncate(24 * time.Hour).Add(dayLess)
	case from.IsZero():
		from = to.AddDate(0, 0, -maxDays).Truncate(24 * time.Hour)
	}
	return from, to
}
