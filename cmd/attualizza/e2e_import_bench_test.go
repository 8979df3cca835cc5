package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
)

// imported is how many positions the figures are about.
const imported = 100_000

// BenchmarkImport runs the released program as its users do, a process of its
// own, on a new database each time: `make import-figures`.
func BenchmarkImport(b *testing.B) {
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	for _, store := range durableStores(b) {
		for _, file := range []struct {
			name  string
			write func(io.Writer, int) error
		}{{"tari.ndjson", loadtest.WriteNDJSON}, {"tari.csv", loadtest.WriteCSV}} {
			b.Run(store.name+"/"+file.name, func(b *testing.B) {
				name := filepath.Join(b.TempDir(), file.name)
				writeFile(b, name, func(w io.Writer) error { return file.write(w, imported) })
				for b.Loop() {
					b.StopTimer()
					database := store.database(b)
					registered(b, database)
					b.StartTimer()
					took, state := importFile(b, path, database, name)
					b.ReportMetric(imported/took.Seconds(), "positions/s")
					b.ReportMetric(float64(state.SysUsage().(*syscall.Rusage).Maxrss)/1024, "peak-MiB") // Linux counts KiB
					b.ReportMetric(float64((state.UserTime()+state.SystemTime()).Microseconds())/imported, "cpu-µs/position")
					b.StopTimer()
					again, _ := importFile(b, path, database, name)
					b.ReportMetric(imported/again.Seconds(), "again/s")
					b.StartTimer()
				}
			})
		}
	}
}

// importFile runs the command, which must load everything.
func importFile(tb testing.TB, program, database, file string) (took time.Duration, state *os.ProcessState) {
	tb.Helper()
	c := exec.Command(program, "positions", "import", "--organization="+loadtest.Organization, "--publish", file)
	c.Env = append(os.Environ(), "ATTUALIZZA_DATABASE_URL="+database)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	began := time.Now()
	err := c.Run()
	took = time.Since(began)
	if err != nil {
		tb.Fatalf("%v: %s", err, said.Bytes())
	}
	return took, c.ProcessState
}

func writeFile(tb testing.TB, name string, write func(io.Writer) error) {
	tb.Helper()
	f, err := os.Create(name)
	if err == nil {
		err = write(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
}
