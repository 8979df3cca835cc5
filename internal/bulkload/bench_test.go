package bulkload

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
)

// BenchmarkJudge is what a thousand positions cost before they are stored.
func BenchmarkJudge(b *testing.B) {
	for format, write := range map[Format]func(io.Writer, int) error{NDJSON: loadtest.WriteNDJSON, CSV: loadtest.WriteCSV} {
		b.Run(string(format), func(b *testing.B) {
			var file bytes.Buffer
			if err := write(&file, 1000); err != nil {
				b.Fatal(err)
			}
			l := &loading{Job: Job{Organization: loadtest.Organization, CompanyName: "Comune di Prova", Publish: true}}
			b.ReportAllocs()
			for b.Loop() {
				source, err := Open(bytes.NewReader(file.Bytes()), format, 1<<20)
				if err != nil {
					b.Fatal(err)
				}
				read := &batch{}
				for {
					it, err := source.next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					read.items = append(read.items, it)
				}
				l.judge(read)
				for i, refusal := range read.refusals {
					if refusal != nil {
						b.Fatal(i, refusal.Problems)
					}
				}
			}
		})
	}
}
