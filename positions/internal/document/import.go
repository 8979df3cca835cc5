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
	// Publish are versions to be written of drafts that are there, in the one
	// order in which positions are locked, by iupd. Each follows the version that
	// was read; see [Plan.KeepUnchanged].
	Publish []Publication
}

// Publication is the next version of the draft that the Place-th position of an
// import found.
type Publication struct {
	Place   int
	Version *Version
}

// KeepUnchanged leaves those drafts alone that somebody else changed after they
// were read. locked are the positions as they are now, and tells of each whether
// it is a draft; false: a position is no longer there, and the plan is void.
func (plan *Plan) KeepUnchanged(locked map[string]Locked) bool {
	kept := make([]Publication, 0, len(plan.Publish))
	for _, w := range plan.Publish {
		now, there := locked[w.Version.Position.IUPD]
		switch {
		case !there:
			return false
		case now.Version == w.Version.Position.Version-1:
			kept = append(kept, w)
		default:
			plan.Results[w.Place] = positions.Imported{AlreadyThere: true, Draft: now.Draft}
		}
	}
	plan.Publish = kept
	return true
}

// Locked is the row of a position that nobody else changes now.
type Locked struct {
	Version int64
	Draft   bool
}

// Publishing is the change by which an import publishes a draft.
func Publishing(c positions.Change) positions.Change {
	c.Action = "PUBLISH"
	return c
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
	publishing := map[string]bool{}
	for i, p := range ps {
		result, draft := &plan.Results[i], &drafted[i]
		if earlier := accepted[p.IUPD]; earlier != nil || draft.there {
			same := draft.same || earlier != nil && sameDebt(earlier, p)
			switch {
			case draft.publish != nil && !publishing[p.IUPD]:
				publishing[p.IUPD], result.Published = true, true
				plan.Publish = append(plan.Publish, Publication{i, draft.publish})
			case same:
				result.AlreadyThere = true
				if result.Draft = draft.stays && !publishing[p.IUPD]; earlier != nil {
					result.Draft = earlier.Status == positions.Draft
				}
			default:
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
	slices.SortFunc(plan.Publish, func(a, b Publication) int { return cmp.Compare(a.Version.Position.IUPD, b.Version.Position.IUPD) })
	return plan
}

// draft is what can be said of one position without its neighbours.
type draft struct {
	version *Version // to be written if nobody is in the way
	err     error
	there   bool     // the iupd is
	same    bool     // and owes the same
	stays   bool     // a draft, as which it is there
	publish *Version // of the draft that is there
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
					all[i].compare(h, ps[i], at)
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
	for _, w := range plan.Publish {
		*ps[w.Place] = w.Version.Position
	}
	return plan.Results
}

// compare looks for a position in what is known of its iupd. A document that
// cannot be read is not the same.
func (d *draft) compare(h *History, p *positions.Position, at time.Time) {
	d.there = true
	for _, doc := range h.Documents {
		stored, err := Position(doc)
		if err != nil {
			continue
		}
		current := stored.Version == h.Last
		d.stays = d.stays || current && stored.Status == positions.Draft
		if d.same && !current {
			continue
		}
		same := sameDebt(stored, p)
		d.same = d.same || same
		if same && current {
			d.publish = published(stored, p, at)
		}
	}
}

// published returns the next version of a stored draft, when p is the same and
// payable; nil when the draft is to be left alone.
func published(stored, p *positions.Position, at time.Time) *Version {
	payable := p.Status == positions.Valid || p.Status == positions.Published
	if stored.Status != positions.Draft || !payable || !ahead(stored, at).Equal(ahead(p, at)) || stored.Publish(at) != nil {
		return nil
	}
	v, err := Next(stored, stored.InsertedAt, at, nil) // its options stay as they are
	if err != nil {
		return nil
	}
	return v
}

// ahead is the validity date, zero when it does not lie ahead.
func ahead(p *positions.Position, at time.Time) time.Time {
	if valid := p.ValidityDate.Truncate(time.Microsecond); valid.After(at) {
		return valid
	}
	return time.Time{}
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
