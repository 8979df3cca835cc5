// Package document turns a debt position into what the stores keep of it, the
// same for both engines:
//
//   - the document, the whole position as JSON, one per version;
//   - the head, the position without its options, and one body per option, so
//     that a notice is read by its number without touching its siblings.
//
// Documents are written by encoding/json. They are read by its successor, the
// module that encoding/json/v2 grows in, at less than half the cost: reading a
// notice is the largest part of an answer.
//
// It also decides what is part of a new version: its number, its instants and
// which option rows have to be written.
package document

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	fastjson "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// Version is a version of a position about to be written.
type Version struct {
	// Position is what will be read back: the caller's position with the number
	// and the instants of this version.
	Position positions.Position
	Document []byte // JSON of Position
	Head     []byte // JSON of Position without Options
	Options  []Option
	// PaidFull and PaidInstalments count the paid options of either kind, for
	// [positions.Notice].
	PaidFull, PaidInstalments int
	// LastDue is the last due date of the options, zero without options.
	LastDue time.Time
	// ExpiresAt is the instant after which a VALID position reads as EXPIRED, by
	// [positions.Position.StatusAt]; nil: it never does.
	ExpiresAt *time.Time
}

// Option is the row of one payment option. Ordinal counts from 0.
type Option struct {
	Ordinal   int
	NAV       positions.NoticeNumber
	IUV       string
	Status    positions.OptionStatus
	IsPartial bool
	DueDate   time.Time
	Body      []byte // JSON of the option
}

// Stored is what identifies an option row that is there already.
type Stored struct {
	Ordinal int
	NAV     positions.NoticeNumber
	Body    []byte
}

// Instant is the precision of the stores: a microsecond, in UTC. The zero
// instant becomes now.
func Instant(t time.Time) time.Time {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UTC().Truncate(time.Microsecond)
}

// First makes the first version of a position, numbered number: 1, or more when
// an earlier position of the same iupd was deleted and its history stays. An
// option without instants gets the version's. p is not changed.
func First(p *positions.Position, number int64, at time.Time) (*Version, error) {
	q := *p
	q.Version = number
	q.InsertedAt, q.UpdatedAt = at, at
	q.Options = slices.Clone(p.Options)
	for i := range q.Options {
		o := &q.Options[i]
		o.InsertedAt = cmpTime(o.InsertedAt, at)
		o.UpdatedAt = cmpTime(o.UpdatedAt, at)
	}
	return encode(q)
}

// Next makes the version after p.Version of a position that was inserted at
// inserted and whose option rows are stored. An option that differs from its
// row gets the version's instant as UpdatedAt; a new one without InsertedAt
// gets it there too. p is not changed.
func Next(p *positions.Position, inserted, at time.Time, stored []Stored) (*Version, error) {
	q := *p
	q.Version++
	q.InsertedAt, q.UpdatedAt = inserted, at
	q.Options = slices.Clone(p.Options)
	for i := range q.Options {
		o := &q.Options[i]
		before, known := find(stored, o.NAV)
		if !known {
			o.InsertedAt = cmpTime(o.InsertedAt, at)
			o.UpdatedAt = cmpTime(o.UpdatedAt, at)
			continue
		}
		if o.InsertedAt.IsZero() {
			var was struct {
				InsertedAt time.Time `json:"insertedDate"`
			}
			if err := read(before.Body, &was); err != nil {
				return nil, unreadable(err)
			}
			o.InsertedAt = was.InsertedAt
		}
		body, err := marshal(o)
		if err != nil {
			return nil, err
		}
		if string(body) != string(before.Body) {
			o.UpdatedAt = at
		}
	}
	return encode(q)
}

// Changes tells which option rows a version removes and which it writes. A row
// whose place or body changed is in both lists; one that did not is in neither.
func (v *Version) Changes(stored []Stored) (remove []positions.NoticeNumber, write []Option) {
	write = v.ByIUV()
	for _, s := range stored {
		i := slices.IndexFunc(write, func(o Option) bool {
			return o.NAV == s.NAV && o.Ordinal == s.Ordinal && string(o.Body) == string(s.Body)
		})
		if i < 0 {
			remove = append(remove, s.NAV)
			continue
		}
		write = slices.Delete(write, i, i+1)
	}
	return remove, write
}

// Freed returns the notice numbers that the position had and no longer has.
func (v *Version) Freed(stored []Stored) []positions.NoticeNumber {
	var freed []positions.NoticeNumber
	for _, s := range stored {
		if !slices.ContainsFunc(v.Options, func(o Option) bool { return o.NAV == s.NAV }) {
			freed = append(freed, s.NAV)
		}
	}
	return freed
}

// NAVs returns the notice numbers of option rows.
func NAVs(stored []Stored) []positions.NoticeNumber {
	navs := make([]positions.NoticeNumber, len(stored))
	for i := range stored {
		navs[i] = stored[i].NAV
	}
	return navs
}

// ByIUV returns the option rows in the one order in which rows are written:
// writers of overlapping sets wait for each other and never in a circle.
func (v *Version) ByIUV() []Option {
	rows := slices.Clone(v.Options)
	slices.SortFunc(rows, func(a, b Option) int {
		return cmp.Or(cmp.Compare(a.IUV, b.IUV), cmp.Compare(a.NAV, b.NAV))
	})
	return rows
}

// ours are documents that this package wrote: what they cannot hold is not
// looked for.
var ours = fastjson.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

func read(document []byte, v any) error { return fastjson.Unmarshal(document, v, ours) }

// Position reads a document.
func Position(doc []byte) (*positions.Position, error) {
	var p positions.Position
	if err := read(doc, &p); err != nil {
		return nil, unreadable(err)
	}
	return &p, nil
}

// Notice puts a notice together from its parts. price is nil or empty when none
// is known, paidElsewhere what goes with it; paidFull and paidInstalments count
// all of the position's options, the one at hand included.
func Notice(head, option, price []byte, staleSince time.Time, paidElsewhere money.Cents, paidFull, paidInstalments int) (*positions.Notice, error) {
	var n positions.Notice
	if err := read(head, &n.Position); err != nil {
		return nil, unreadable(err)
	}
	if err := read(option, &n.Option); err != nil {
		return nil, unreadable(err)
	}
	if len(price) > 0 {
		n.Price = new(positions.Price)
		if err := read(price, n.Price); err != nil {
			return nil, unreadable(err)
		}
		n.Price.PaidElsewhere = paidElsewhere
		n.Price.Reopen(staleSince)
	}
	if n.Option.Paid() {
		if n.Option.IsPartialPayment {
			paidInstalments--
		} else {
			paidFull--
		}
	}
	n.FullPaid, n.InstalmentPaid = paidFull > 0, paidInstalments > 0
	return &n, nil
}

// Read decodes any other JSON column into v; an empty column leaves it alone.
func Read(column []byte, v any) error {
	if len(column) == 0 {
		return nil
	}
	if err := read(column, v); err != nil {
		return unreadable(err)
	}
	return nil
}

// Write encodes a value for a JSON column.
func Write(v any) ([]byte, error) { return marshal(v) }

func encode(q positions.Position) (*Version, error) {
	v := &Version{Position: q, Options: make([]Option, len(q.Options))}
	var err error
	if v.Document, err = marshal(&q); err != nil {
		return nil, err
	}
	q.Options = nil
	if v.Head, err = marshal(&q); err != nil {
		return nil, err
	}
	for i := range v.Position.Options {
		o := &v.Position.Options[i]
		body, err := marshal(o)
		if err != nil {
			return nil, err
		}
		v.Options[i] = Option{Ordinal: i, NAV: o.NAV, IUV: o.IUV, Status: o.Status, IsPartial: o.IsPartialPayment, DueDate: o.DueDate, Body: body}
		if o.DueDate.After(v.LastDue) {
			v.LastDue = o.DueDate
		}
		switch {
		case !o.Paid():
		case o.IsPartialPayment:
			v.PaidInstalments++
		default:
			v.PaidFull++
		}
	}
	v.ExpiresAt = expiry(&v.Position)
	return v, nil
}

// expiry returns the last due date of the unpaid options.
func expiry(p *positions.Position) *time.Time {
	if !p.SwitchToExpired || len(p.Options) == 0 {
		return nil
	}
	var last time.Time
	for i := range p.Options {
		if o := &p.Options[i]; !o.Paid() && o.DueDate.After(last) {
			last = o.DueDate
		}
	}
	return &last
}

// marshal fails only for what JSON cannot carry, an instant after the year
// 9999, which is the caller's mistake.
func marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, positions.Errorf(positions.Invalid, "cannot be stored: %w", err)
	}
	return b, nil
}

func unreadable(err error) error {
	return positions.Errorf(positions.Internal, "a stored document cannot be read: %w", err)
}

func find(stored []Stored, nav positions.NoticeNumber) (Stored, bool) {
	i := slices.IndexFunc(stored, func(s Stored) bool { return s.NAV == nav })
	if i < 0 {
		return Stored{}, false
	}
	return stored[i], true
}

func cmpTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}
