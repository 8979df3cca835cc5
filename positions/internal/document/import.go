package document

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// History is what a store knows of an iupd that an import wants.
type History struct {
	Last  int64 // number of the last version; goes on after a removal
	There bool  // the position was not removed
	// Documents are the current version and those that earlier imports made.
	Documents [][]byte
}

// Plan is what an import comes to, given what the store knows.
type Plan struct {
	Results []positions.Imported
	// Versions are to be written: nil for a position that is not created.
	Versions []*Version
	// Create is how many of them are not nil.
	Create int
}

// Import decides what becomes of each position. histories are by iupd; owners
// are the options in the store that hold a notice number or IUV of ps.
func Import(ps []*positions.Position, histories map[string]*History, owners []Owner, at time.Time) *Plan {
	plan := &Plan{Results: make([]positions.Imported, len(ps)), Versions: make([]*Version, len(ps))}
	byNAV, byIUV := make(map[positions.NoticeNumber]Owner, len(ps)), make(map[string]Owner, len(ps))
	own := func(o Owner) { byNAV[o.NAV], byIUV[o.IUV] = o, o }
	for _, o := range owners {
		own(o)
	}
	drafted := drafts(ps, histories, at)
	accepted := make(map[string]*positions.Position, len(ps))
	for i, p := range ps {
		result, draft := &plan.Results[i], &drafted[i]
		if earlier := accepted[p.IUPD]; earlier != nil || draft.there {
			same := draft.same || earlier != nil && sameDebt(earlier, p)
			if result.AlreadyThere = same; !same {
				result.Refused = &positions.Error{
					Code: positions.Conflict, Message: "iupd " + p.IUPD + " is there already, with other content",
					Problems: []positions.Problem{{Pointer: "/iupd", Detail: "is there already, with other content, which an import does not change"}},
				}
			}
			continue
		}
		var taken []Owner
		for j := range p.Options {
			if o, ok := byNAV[p.Options[j].NAV]; ok {
				taken = append(taken, o)
			} else if o, ok := byIUV[p.Options[j].IUV]; ok {
				taken = append(taken, o)
			}
		}
		if len(taken) > 0 {
			result.Refused = Conflict(p, false, taken)
			continue
		}
		if draft.err != nil {
			result.Refused = positions.Errorf(positions.Invalid, "%w", draft.err)
			continue
		}
		plan.Versions[i] = draft.version
		plan.Create++
		accepted[p.IUPD] = p
		for j := range p.Options {
			own(Owner{IUPD: p.IUPD, NAV: p.Options[j].NAV, IUV: p.Options[j].IUV})
		}
	}
	return plan
}

// draft is what can be said of one position without its neighbours.
type draft struct {
	version *Version // to be written if nobody is in the way
	err     error
	there   bool // the iupd is
	same    bool // and owes the same
}

// drafts encodes the positions that are not there yet and compares the others, on
// all processors: it is the larger part of an import's own work.
func drafts(ps []*positions.Position, histories map[string]*History, at time.Time) []draft {
	all := make([]draft, len(ps))
	var drafting sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		drafting.Go(func() {
			for i := w; i < len(ps); i += workers {
				h := histories[ps[i].IUPD]
				switch {
				case h == nil:
					all[i].version, all[i].err = First(ps[i], 1, at)
				case !h.There:
					all[i].version, all[i].err = First(ps[i], h.Last+1, at)
				default:
					all[i].there = true
					all[i].same = slices.ContainsFunc(h.Documents, func(doc []byte) bool { return sameAsDocument(doc, ps[i]) })
				}
			}
		})
	}
	drafting.Wait()
	return all
}

// Written lets the positions that were created become what was written.
func (plan *Plan) Written(ps []*positions.Position) []positions.Imported {
	for i, v := range plan.Versions {
		if v != nil {
			*ps[i] = v.Position
		}
	}
	return plan.Results
}

func sameAsDocument(doc []byte, p *positions.Position) bool {
	stored, err := Position(doc)
	return err == nil && sameDebt(stored, p)
}

// sameDebt compares what is owed, by whom and through which notices, but not
// what has happened to it since.
func sameDebt(a, b *positions.Position) bool {
	x, errX := marshal(debt(a))
	y, errY := marshal(debt(b))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func debt(p *positions.Position) *positions.Position {
	q := *p
	q.Status, q.Lifecycle, q.TransferTo, q.Version = "", "", "", 0
	for _, t := range []*time.Time{&q.BlockedUntil, &q.ValidityDate, &q.PublishDate, &q.PaymentDate, &q.InsertedAt, &q.UpdatedAt} {
		*t = time.Time{}
	}
	q.Options = slices.Clone(p.Options)
	for i := range q.Options {
		o := &q.Options[i]
		o.Status, o.Payment, o.InsertedAt, o.UpdatedAt = "", nil, time.Time{}, time.Time{}
		o.DueDate, o.RetentionDate = o.DueDate.UTC(), o.RetentionDate.UTC()
	}
	return &q
}

// AddVersion adds a version that a store found to the history of its iupd. doc
// is empty when it is neither the current one nor of an earlier import.
func AddVersion(histories map[string]*History, iupd string, version int64, there bool, doc []byte) {
	h := histories[iupd]
	if h == nil {
		h = &History{}
		histories[iupd] = h
	}
	h.Last, h.There = max(h.Last, version), there
	if len(doc) > 0 {
		h.Documents = append(h.Documents, bytes.Clone(doc))
	}
}

// Wanted returns what the positions of an import want for themselves.
func Wanted(ps []*positions.Position) (iupds, navs, iuvs []string) {
	for _, p := range ps {
		iupds = append(iupds, p.IUPD)
		for i := range p.Options {
			navs = append(navs, string(p.Options[i].NAV))
			iuvs = append(iuvs, p.Options[i].IUV)
		}
	}
	return iupds, navs, iuvs
}

// Writing is a version to be written; Number counts them from 0, in the order of
// the import.
type Writing struct {
	Version *Version
	Number  int
}

// ToWrite returns the versions to be written in the one order in which
// positions are locked, by iupd.
func (plan *Plan) ToWrite() []Writing {
	writing := make([]Writing, 0, plan.Create)
	for _, v := range plan.Versions {
		if v != nil {
			writing = append(writing, Writing{v, len(writing)})
		}
	}
	slices.SortFunc(writing, func(a, b Writing) int { return cmp.Compare(a.Version.Position.IUPD, b.Version.Position.IUPD) })
	return writing
}
