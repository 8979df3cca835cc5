package postgres

import (
	"strconv"
	"strings"
	"time"
)

// filter is a WHERE clause that grows: only the conditions that filter are
// written, so that the planner sees which index serves.
type filter struct {
	conditions []string
	args       []any
}

// and adds a condition about one value, which is its ?.
func (f *filter) and(condition string, arg any) {
	f.args = append(f.args, arg)
	f.conditions = append(f.conditions, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(f.args))))
}

// is adds that a column has a value, unless that is empty.
func (f *filter) is(column, value string) {
	if value != "" {
		f.and(column+" = ?", value)
	}
}

// within adds that a column lies from an instant, included, to another, excluded;
// a zero one does not bound.
func (f *filter) within(column string, from, to time.Time) {
	if !from.IsZero() {
		f.and(column+" >= ?", from)
	}
	if !to.IsZero() {
		f.and(column+" < ?", to)
	}
}

// segregated adds that the notice number is of aux digit 3 with one of some
// segregation codes, if there are any.
func (f *filter) segregated(codes []string) {
	if len(codes) > 0 {
		f.and("left(nav, 1) = '3' AND substr(nav, 2, 2) = ANY (?::text[])", codes)
	}
}

// where writes the clause; more can be added to it.
func (f *filter) where() string {
	return " WHERE " + strings.Join(append([]string{"true"}, f.conditions...), " AND ")
}
