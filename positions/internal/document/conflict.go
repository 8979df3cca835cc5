package document

import (
	"fmt"

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
	e := &positions.Error{Code: positions.Conflict}
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

// Notices returns the notice numbers and the IUVs of a position.
func Notices(p *positions.Position) (navs, iuvs []string) {
	for i := range p.Options {
		navs = append(navs, string(p.Options[i].NAV))
		iuvs = append(iuvs, p.Options[i].IUV)
	}
	return navs, iuvs
}
