package bulkload

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
)

func linesOf(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(loadtest.Line(i) + "\n")
	}
	return b.String()
}

func TestAFileIsLoadedOnceHoweverOften(t *testing.T) {
	store := newStore(t)
	loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 10))).wants(t, 10, 0, 0)
	loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 12))).wants(t, 2, 10, 0)
	p, err := store.Position(t.Context(), ente, loadtest.IUPD(7))
	must(t, err)
	if p.Status != positions.Draft || len(p.Options) != 1 || p.Options[0].NAV != loadtest.Nav(7) || !p.Options[0].SendBound || p.Debtor.City != "Forlì" {
		t.Errorf("it became %+v", p)
	}
	versions, err := store.Versions(t.Context(), ente, loadtest.IUPD(7))
	must(t, err)
	if len(versions) != 1 || versions[0].Actor.Kind != "OPERATOR" || versions[0].Action != "IMPORT" || versions[0].Reason != "import of a test" {
		t.Errorf("its history is %+v", versions)
	}
}

func TestPublishedPositionsArePayableThoughLongDue(t *testing.T) {
	store := newStore(t)
	loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 1)), func(j *Job) { j.Publish = true }).wants(t, 1, 0, 0)
	n, err := store.Notice(t.Context(), ente, loadtest.Nav(0))
	must(t, err)
	if fault := n.RefusalAt(time.Now()); fault != "" {
		t.Errorf("the Nodo is told %s", fault)
	}
	// The same file as drafts is the same debt.
	loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 1))).wants(t, 0, 1, 0)
}

// Drafts loaded by mistake become payable by loading them again, once.
func TestDraftsArePublishedByLoadingThemAgain(t *testing.T) {
	store := newStore(t)
	publish := func(j *Job) { j.Publish = true }
	r := loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 10)))
	if r.wants(t, 10, 0, 0); r.Drafts != 10 {
		t.Errorf("%d are drafts", r.Drafts)
	}
	changed, err := store.Position(t.Context(), ente, loadtest.IUPD(3))
	must(t, err)
	changed.Debtor.City = "Cesena"
	must(t, store.UpdatePosition(t.Context(), changed, positions.Change{Actor: positions.Actor{Kind: "KEY"}, Action: "REPLACE"}))
	if r = loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 10))); r.Published != 0 || r.Drafts != 10 {
		t.Errorf("%+v", r.Counts)
	}
	r = loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 12)), publish)
	if r.wants(t, 2, 1, 0); r.Published != 9 || r.Drafts != 1 {
		t.Errorf("%+v", r.Counts)
	}
	n, err := store.Notice(t.Context(), ente, loadtest.Nav(7))
	must(t, err)
	if fault := n.RefusalAt(time.Now()); fault != "" {
		t.Errorf("the Nodo is told %s", fault)
	}
	versions, err := store.Versions(t.Context(), ente, loadtest.IUPD(7))
	must(t, err)
	if len(versions) != 2 || versions[0].Actor.Kind != "OPERATOR" || versions[0].Action != "PUBLISH" || versions[0].Reason != "import of a test" {
		t.Errorf("its history is %+v", versions)
	}
	r = loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 12)), publish)
	if r.wants(t, 0, 12, 0); r.Published != 0 || r.Drafts != 1 {
		t.Errorf("again: %+v", r.Counts)
	}
}

func TestSlipsAreWarnedOf(t *testing.T) {
	slip := strings.NewReplacer(`"iban":"IT60X0542811101000000123456"},`, `"iban":"IT61X0542811101000000123456"},`,
		string(loadtest.Nav(1))[1:], "02000000000000199").Replace(loadtest.Line(1))
	file := loadtest.Line(0) + "\n" + slip + "\n" + strings.Replace(slip, `"type":"F"`, `"type":"X"`, 1) + "\n"
	want := []Warning{
		{Line: 2, IUPD: loadtest.IUPD(1), Pointer: "/paymentOption/0/nav", Detail: "the check digits of the notice number are not right: its last two digits should be 84"},
		{Line: 2, IUPD: loadtest.IUPD(1), Pointer: "/paymentOption/0/transfer/0/iban", Detail: "the check digits or the length of the IBAN are not right"},
	}
	store := newStore(t)
	for _, created := range []int64{2, 0} { // what is there is warned of no less
		r := loaded(t, store, NDJSON, strings.NewReader(file))
		if r.wants(t, created, 2-created, 1); r.WithWarnings != 1 || !slices.Equal(r.warned, want) {
			t.Errorf("%d with warnings: %+v", r.WithWarnings, r.warned)
		}
	}
	r := loaded(t, store, NDJSON, strings.NewReader(file), func(j *Job) { j.DryRun = true })
	if r.WithWarnings != 1 || !slices.Equal(r.warned, want) {
		t.Errorf("a dry run: %+v", r)
	}
	// In CSV at the cell.
	row := strings.Replace(short("P-1", 2, "50", "sì"), iban, "IT61"+iban[4:], 1)
	r = loaded(t, store, CSV, csvOf(short("P-1", 9, "100", ""), row))
	want = []Warning{{Line: 3, IUPD: "P-1", Pointer: "/paymentOption/1/transfer/0/iban", Detail: want[1].Detail, Column: "transfer1_iban"}}
	if r.wants(t, 1, 0, 0); r.WithWarnings != 1 || !slices.Equal(r.warned, want) {
		t.Errorf("%d with warnings: %+v", r.WithWarnings, r.warned)
	}
	r = loaded(t, store, NDJSON, strings.NewReader(file), func(j *Job) { j.Warned = func(*Warning) error { return errTest } })
	if !errors.Is(r.err, errTest) {
		t.Errorf("a warning that cannot be written: %v", r.err)
	}
}

func TestADryRunStoresNothing(t *testing.T) {
	store := newStore(t)
	r := loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 5)+"{}\n"), func(j *Job) { j.DryRun = true })
	if r.err != nil || r.Valid != 5 || r.Refused != 1 || r.Read != 6 {
		t.Errorf("%+v", r)
	}
	if _, err := store.Position(t.Context(), ente, loadtest.IUPD(0)); positions.CodeOf(err) != positions.NotFound {
		t.Errorf("something is stored: %v", err)
	}
}

func TestEveryKindOfBadLineIsRefusedAlone(t *testing.T) {
	good := func(i int) string { return loadtest.Line(i) }
	edit := func(i int, old, new string) string {
		edited := strings.ReplaceAll(loadtest.Line(i), old, new)
		if edited == loadtest.Line(i) {
			t.Fatalf("%s is not in the line", old)
		}
		return edited
	}
	nav := func(i int) string { return string(loadtest.Nav(i)) }
	bad := []struct{ name, line, iupd, says string }{
		{"invalid UTF-8", edit(1, "Forlì", "Forl\xec"), "", "the body is not valid UTF-8"},
		{"too long", edit(2, "TARI 2026 avviso", strings.Repeat("x", longest)), "", "the line is longer than 65536 bytes"},
		{"too long, and blank as far as it is read", strings.Repeat(" ", longest+3) + good(18), "", "the line is longer than 65536 bytes"},
		{"a thousand levels", edit(3, `"type"`, `"x":`+strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000)+`,"type"`), loadtest.IUPD(3), "the body is nested deeper than 32 levels"},
		{"no JSON", "iupd;amount", "", "the body is not JSON, from byte 1 on"},
		{"half a line", good(4)[:300], "", "the body is not JSON, from byte 300 on"},
		{"a list", "[" + good(5) + "]", "", "the body must be a JSON object"},
		{"a wrong notice number", edit(6, `"nav":"`+nav(6), `"nav":"999`), loadtest.IUPD(6), "/paymentOption/0/nav"},
		{"another IUV", edit(7, `"iuv":"`, `"iuv":"9`), loadtest.IUPD(7), "/paymentOption/0/iuv"},
		{"two wrong members", edit(8, `"type":"F"`, `"type":"X","email":5`), loadtest.IUPD(8), "/email /type"},
		{"an amount in euro", edit(9, `"amount":12009`, `"amount":120.09`), loadtest.IUPD(9), "/paymentOption/0/amount"},
		{"a mistyped extension", edit(10, "sendBound", "sendbound"), loadtest.IUPD(10), "/paymentOption/0/sendbound"},
		{"no fee transfer", edit(11, `"idTransfer":"1",`, `"idTransfer":"1","organizationFiscalCode":"01199250158",`), loadtest.IUPD(11), "/paymentOption/0/transfer"},
		{"the reserved metadata", edit(12, `"sendBound":true,`, `"paymentOptionMetadata":[{"key":"NOTIFICATION_FEE","value":"1"}],`), loadtest.IUPD(12), "metadata key NOTIFICATION_FEE is reserved: the service writes it"},
		{"a notice number of this file", edit(13, nav(13)[1:], nav(0)[1:]), loadtest.IUPD(13), "/paymentOption/0/nav"},
		{"a notice number of the store", edit(14, nav(14)[1:], nav(90)[1:]), loadtest.IUPD(14), "/paymentOption/0/nav"},
		{"an iupd of this file with other content", edit(15, loadtest.IUPD(15), loadtest.IUPD(0)), loadtest.IUPD(0), "/iupd"},
		{"an iupd of the store with other content", edit(16, loadtest.IUPD(16), loadtest.IUPD(90)), loadtest.IUPD(90), "/iupd"},
		{"a NUL", edit(17, "Contribuente", `Contri\u0000buente`), loadtest.IUPD(17), "/fullName"},
		{"a Rejection without an original", `{"rejectedLine":3,"errors":[]}`, "", "the original is not here: correct it in the file that was loaded first"},
	}
	for _, batch := range []int{1, 3, 1000} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			store := newStore(t)
			loaded(t, store, NDJSON, strings.NewReader(good(90)+"\n")).wants(t, 1, 0, 0)
			var file strings.Builder
			file.WriteString(good(0) + "\n")
			for i, b := range bad {
				fmt.Fprintf(&file, "%s\n\n%s\r\n", b.line, good(100+i)) // with blank lines, and either end
			}
			file.WriteString(good(0)) // an equal line is no other content
			r := loaded(t, store, NDJSON, strings.NewReader(file.String()), func(j *Job) { j.Batch = batch })
			r.wants(t, int64(len(bad))+1, 1, int64(len(bad)))
			for i, b := range bad {
				x := r.rejected[i]
				if line := int64(2 + 3*i); x.Line != line || x.IUPD != b.iupd || x.pointers() != b.says {
					t.Errorf("%s: line %d (%d), iupd %q (%q), says %q (%q)", b.name, x.Line, line, x.IUPD, b.iupd, x.pointers(), b.says)
				}
				if _, err := store.Notice(t.Context(), ente, loadtest.Nav(i+1)); positions.CodeOf(err) != positions.NotFound {
					t.Errorf("%s: its notice is there: %v", b.name, err)
				}
			}
			// Loaded again as they are, they are refused again, for the same reasons.
			again := loaded(t, store, NDJSON, strings.NewReader(r.file), func(j *Job) { j.Batch = batch })
			again.wants(t, 0, 0, int64(len(bad)))
			for i, b := range bad {
				if says := again.rejected[i].pointers(); says != b.says && !strings.HasPrefix(says, "the original is not here") {
					t.Errorf("%s, again: %q, not %q", b.name, says, b.says)
				}
			}
		})
	}
}

// What was refused can be corrected where it was written, and loaded.
func TestACorrectedRejectionIsLoaded(t *testing.T) {
	store := newStore(t)
	wrong := strings.Replace(loadtest.Line(1), `"type":"F"`, `"type":"X"`, 1)
	cut := strings.TrimSuffix(loadtest.Line(2), "}")
	r := loaded(t, store, NDJSON, strings.NewReader(wrong+"\n"+cut+"\n"))
	r.wants(t, 0, 0, 2)
	corrected := strings.NewReplacer(`"type":"X"`, `"type":"F"`, `}]}]"`, `}]}]}"`).Replace(r.file)
	loaded(t, store, NDJSON, strings.NewReader(corrected)).wants(t, 2, 0, 0)
}

func TestARejectionKeepsTheOriginal(t *testing.T) {
	for _, original := range []string{`{"iupd":"x","città":"<Forlì> & \u2028"}`, "no JSON at all è", "x\xff\x00", `{"a":`, `["x"]`, `{"n":1e999}`} {
		r := loaded(t, newStore(t), NDJSON, strings.NewReader(original))
		r.wants(t, 0, 0, 1)
		back, ok := corrected(bytes.TrimSpace([]byte(r.file)))
		if !ok || string(back.text) != original {
			t.Errorf("%q came back as %q", original, back.text)
		}
	}
}

func TestReasonsAreGroupedAndBounded(t *testing.T) {
	var file strings.Builder
	for i := range 500 {
		fmt.Fprintf(&file, "%s\n", strings.Repeat("x", i+1))
		fmt.Fprintln(&file, strings.Replace(loadtest.Line(i), `"amount":600`, `"amount":-1`, 1))
	}
	r := loaded(t, newStore(t), NDJSON, strings.NewReader(file.String()), func(j *Job) { j.Batch = 100 })
	r.wants(t, 0, 0, 1000)
	want := map[string]int64{"the body is not JSON, from byte N on": 500, "not valid: /paymentOption/N/transfer/N/amount": 500}
	if fmt.Sprint(r.Reasons) != fmt.Sprint(want) {
		t.Errorf("reasons are %v", r.Reasons)
	}
	c := Counts{Reasons: map[string]int64{}}
	for i := range 100 {
		c.refused(fmt.Sprint(i))
	}
	if len(c.Reasons) != maxReasons+1 || c.Reasons[otherReasons] != 100-maxReasons || c.Refused != 100 {
		t.Errorf("%d reasons are kept, %v", len(c.Reasons), c.Reasons)
	}
}

func TestCompressedAndMarkedFiles(t *testing.T) {
	pack := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := io.WriteString(w, text)
		must(t, errors.Join(err, w.Close()))
		return b.String()
	}
	store := newStore(t)
	loaded(t, store, NDJSON, strings.NewReader("\ufeff"+linesOf(0, 2))).wants(t, 2, 0, 0)
	loaded(t, store, NDJSON, strings.NewReader(pack("\ufeff"+linesOf(0, 3)))).wants(t, 1, 2, 0)
	loaded(t, store, NDJSON, strings.NewReader("")).wants(t, 0, 0, 0)
	loaded(t, store, NDJSON, strings.NewReader("\n \n\r\n")).wants(t, 0, 0, 0)

	for name, file := range map[string]string{"UTF-16": "\xff\xfe{\x00", "broken gzip": "\x1f\x8bnonsense"} {
		var wrong *FileError
		if _, err := Open(strings.NewReader(file), NDJSON, longest); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A file that breaks off is an error; what came before is loaded.
	whole := pack(linesOf(3, 2000))
	r := loaded(t, store, NDJSON, strings.NewReader(whole[:len(whole)/2]))
	if !errors.Is(r.err, io.ErrUnexpectedEOF) || r.Created == 0 {
		t.Errorf("half a file: %d created, %v", r.Created, r.err)
	}
}

func TestAnInterruptedLoadGoesOn(t *testing.T) {
	const all = 200
	store := newStore(t)
	ctx, interrupt := context.WithCancel(t.Context())
	r := loadedIn(ctx, t, store, NDJSON, strings.NewReader(linesOf(0, all)), func(j *Job) {
		j.Batch = 10
		j.Progress = func(c Counts) {
			if c.Created == 50 {
				interrupt()
			}
		}
	})
	if !errors.Is(r.err, ErrInterrupted) || r.Created != 50 {
		t.Fatalf("%d created, %v", r.Created, r.err)
	}
	loaded(t, store, NDJSON, strings.NewReader(linesOf(0, all))).wants(t, all-r.Created, r.Created, 0)
}

func TestAnInterruptionDoesNotWaitForInput(t *testing.T) {
	input, never := io.Pipe()
	defer never.Close() // lets the reader go
	ctx, interrupt := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, interrupt)
	go func() { _, _ = io.WriteString(never, linesOf(0, 1)) }()
	if r := loadedIn(ctx, t, newStore(t), NDJSON, input); !errors.Is(r.err, ErrInterrupted) {
		t.Errorf("%v", r.err)
	}
}

func TestABatchIsTriedAgainWhenTheDatabaseDoesNotAnswer(t *testing.T) {
	failures := 2
	store := &faulty{newStore(t), func([]*positions.Position) error {
		if failures--; failures >= 0 {
			return positions.Errorf(positions.Unavailable, "the database does not answer")
		}
		return nil
	}}
	loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 5))).wants(t, 5, 0, 0)
}

func TestAStoreThatFailsEndsTheLoad(t *testing.T) {
	batches := 0
	store := &faulty{newStore(t), func([]*positions.Position) error {
		if batches++; batches > 2 {
			return errTest
		}
		return nil
	}}
	r := loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 100)))
	if !errors.Is(r.err, errTest) || r.Created != 6 || r.Read != 6 {
		t.Errorf("%+v", r)
	}
}

// A store that refuses a batch without saying which is asked again by halves.
func TestThePositionThatNoStoreCanHoldIsFound(t *testing.T) {
	poison := loadtest.IUPD(5)
	calls := 0
	store := &faulty{newStore(t), func(ps []*positions.Position) error {
		calls++
		if slices.ContainsFunc(ps, func(p *positions.Position) bool { return p.IUPD == poison }) {
			return positions.Errorf(positions.Invalid, "a value cannot be stored")
		}
		return nil
	}}
	r := loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 64)), func(j *Job) { j.Batch = 64 })
	r.wants(t, 63, 0, 1)
	if r.rejected[0].IUPD != poison || calls > 14 {
		t.Errorf("%s was refused, after %d calls", r.rejected[0].IUPD, calls)
	}
}

func TestARejectionThatCannotBeWrittenEndsTheLoad(t *testing.T) {
	r := loaded(t, newStore(t), NDJSON, strings.NewReader("x\n"+linesOf(0, 100)), func(j *Job) { j.Rejected = func(*Rejection) error { return errTest } })
	if !errors.Is(r.err, errTest) {
		t.Errorf("%v", r.err)
	}
}

func TestARejectionIsOneLineOfJSON(t *testing.T) {
	r := loaded(t, newStore(t), NDJSON, strings.NewReader("{\"iupd\":\"<&>\u2028\"}\n"))
	var x Rejection
	if err := json.Unmarshal([]byte(r.file), &x); err != nil || strings.Count(r.file, "\n") != 1 || !bytes.HasPrefix([]byte(r.file), rejectionPrefix) {
		t.Errorf("%v: %s", err, r.file)
	}
}
