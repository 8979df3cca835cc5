package bulkload

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ente = loadtest.Organization

// longest bounds a line in these tests.
const longest = 64 << 10

// newStore returns an empty store.
func newStore(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "load.db"))
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(t.Context()))
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// result is what came of a load.
type result struct {
	Counts
	rejected []*Rejection
	warned   []Warning
	file     string // of the rejections
	err      error
}

// loaded loads a text.
func loaded(t testing.TB, store Store, format Format, file io.Reader, adjust ...func(*Job)) result {
	t.Helper()
	return loadedIn(t.Context(), t, store, format, file, adjust...)
}

func loadedIn(ctx context.Context, t testing.TB, store Store, format Format, file io.Reader, adjust ...func(*Job)) (r result) {
	t.Helper()
	source, err := Open(file, format, longest)
	must(t, err)
	var written strings.Builder
	job := Job{
		Store: store, Organization: ente, CompanyName: "Comune di Prova", Batch: 3, MaxBytes: longest,
		Change: positions.Change{Actor: positions.Actor{Kind: "OPERATOR"}, Action: "IMPORT", Reason: "import of a test"},
		Rejected: func(x *Rejection) error {
			r.rejected = append(r.rejected, x)
			return x.Write(&written)
		},
		Warned: func(x *Warning) error {
			r.warned = append(r.warned, *x)
			return nil
		},
	}
	for _, f := range adjust {
		f(&job)
	}
	r.Counts, r.err = Run(ctx, source, job)
	r.file = written.String()
	return r
}

// wants holds a load to what was created, already there and refused.
func (r result) wants(t testing.TB, created, there, refused int64) {
	t.Helper()
	if r.err != nil {
		t.Fatal(r.err)
	}
	if r.Created != created || r.AlreadyThere != there || r.Refused != refused || r.Read != created+there+refused+r.Published {
		t.Fatalf("%d read: %d created, %d already there, %d refused, want %d, %d, %d; rejected:\n%s",
			r.Read, r.Created, r.AlreadyThere, r.Refused, created, there, refused, r.file)
	}
}

// pointers lists where a rejection complains, and its texts without a pointer.
func (r *Rejection) pointers() string {
	var all []string
	for _, e := range r.Errors {
		if e.Pointer == "" {
			e.Pointer = e.Detail
		}
		all = append(all, e.Pointer)
	}
	return strings.Join(all, " ")
}

// faulty is a store that fails on demand.
type faulty struct {
	Store
	fail func(ps []*positions.Position) error
}

func (f *faulty) ImportPositions(ctx context.Context, ps []*positions.Position, c positions.Change) ([]positions.Imported, error) {
	if err := f.fail(ps); err != nil {
		return nil, err
	}
	return f.Store.ImportPositions(ctx, ps, c)
}

var errTest = errors.New("the disk is on fire")
