package document

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/attualizza/attualizza/positions"
)

// Owner is an option row of another position that holds a notice number or an
// IUV which somebody wants to give out again.
type Owner struct {
	IUPD string
	NAV  positions.NoticeNumber
	IUV  string
}

// Conflict names what of p is taken, and by which position. known tells that
// the iupd itself is taken. When nothing is found the holder has gone in the
// meantime, and trying again may succeed.
func Conflict(p *positions.Position, known bool, owners []Owner) *positions.Error {
	e := &positions.Error{Code: positions.Conflict, Err: positions.ErrTaken}
	if known {
		e.Message = fmt.Sprintf("iupd %s is there already", p.IUPD)
		e.Problems = append(e.Problems, positions.Problem{Pointer: "/iupd", Detail: e.Message})
	}
	for i := range p.Options {
		for _, owner := range owners {
			var at, detail string
			switch o := &p.Options[i]; {
			case owner.NAV == o.NAV:
				at, detail = "nav", fmt.Sprintf("notice number %s belongs to position %s already", o.NAV, owner.IUPD)
			case owner.IUV == o.IUV:
				at, detail = "iuv", fmt.Sprintf("IUV %s belongs to notice number %s of position %s already", o.IUV, owner.NAV, owner.IUPD)
			default:
				continue
			}
			e.Problems = append(e.Problems, positions.Problem{Pointer: fmt.Sprintf("/paymentOption/%d/%s", i, at), Detail: detail})
			if e.Message == "" {
				e.Message = detail
			}
		}
	}
	if e.Message == "" {
		e.Message = "the iupd, a notice number or an IUV was taken a moment ago; try again"
	}
	return e
}

// Twice reports as a conflict what two positions of one batch both want, and
// points at the second of them.
func Twice(ps []*positions.Position) error {
	e := &positions.Error{Code: positions.Conflict, Err: positions.ErrTaken}
	holders := map[string]int{}
	take := func(what string, i int, at string) {
		first, taken := holders[what]
		if !taken {
			holders[what] = i
			return
		}
		detail := fmt.Sprintf("%s is wanted twice, by positions %s and %s", what, ps[first].IUPD, ps[i].IUPD)
		e.Problems = append(e.Problems, positions.Problem{Pointer: fmt.Sprintf("/%d%s", i, at), Detail: detail})
		if e.Message == "" {
			e.Message = detail
		}
	}
	for i, p := range ps {
		take("iupd "+p.IUPD, i, "/iupd")
		for j := range p.Options {
			at := fmt.Sprintf("/paymentOption/%d", j)
			take("notice number "+string(p.Options[j].NAV), i, at+"/nav")
			take("IUV "+p.Options[j].IUV, i, at+"/iuv")
		}
	}
	if len(e.Problems) > 0 {
		return e
	}
	return nil
}

// ByIUPD returns positions in the one order in which they are locked.
func ByIUPD(ps []*positions.Position) []*positions.Position {
	sorted := slices.Clone(ps)
	slices.SortFunc(sorted, func(a, b *positions.Position) int {
		return cmp.Or(cmp.Compare(a.OrganizationFiscalCode, b.OrganizationFiscalCode), cmp.Compare(a.IUPD, b.IUPD))
	})
	return sorted
}

// Within points the problems of the i-th position of a batch at it.
func Within(batch []*positions.Position, p *positions.Position, e *positions.Error) *positions.Error {
	if i := slices.Index(batch, p); len(batch) > 1 {
		for j := range e.Problems {
			e.Problems[j].Pointer = fmt.Sprintf("/%d%s", i, e.Problems[j].Pointer)
		}
	}
	return e
}

// Notices returns the notice numbers and the IUVs of a position.
func Notices(p *positions.Position) (navs, iuvs []string) {
	for i := range p.Options {
		navs = append(navs, string(p.Options[i].NAV))
		iuvs = append(iuvs, p.Options[i].IUV)
	}
	return navs, iuvs
}

// Outside leaves out the owners that are part of the batch themselves: they hand
// their numbers over.
func Outside(batch []*positions.Position, owners []Owner) []Owner {
	return slices.DeleteFunc(owners, func(o Owner) bool {
		return slices.ContainsFunc(batch, func(p *positions.Position) bool { return p.IUPD == o.IUPD })
	})
}

// Wants are the numbers that the options of a batch are going to have, and the
// position of each.
type Wants struct{ IUPDs, NAVs, IUVs []string }

// WantsOf gathers them; batch are the ids of the positions themselves.
func WantsOf(ps []*positions.Position) (batch []string, w Wants) {
	for _, p := range ps {
		batch = append(batch, p.IUPD)
		for i := range p.Options {
			w.IUPDs = append(w.IUPDs, p.IUPD)
			w.NAVs = append(w.NAVs, string(p.Options[i].NAV))
			w.IUVs = append(w.IUVs, p.Options[i].IUV)
		}
	}
	return batch, w
}
