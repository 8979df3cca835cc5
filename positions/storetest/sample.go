package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

var samples atomic.Int64

// Sample stores a position of two options, the first of them with a price, and
// returns it, for tests of one store alone.
func Sample(tb testing.TB, s positions.Store) *positions.Position {
	tb.Helper()
	p := position(comune, fmt.Sprint("sample-", samples.Add(1)), option(12_345), option(6_000))
	p.Options[1].IsPartialPayment = true
	if err := s.CreatePosition(context.Background(), p, create); err != nil {
		tb.Fatal(err)
	}
	if err := s.SavePrice(context.Background(), comune, p.Options[0].NAV, fullPrice()); err != nil {
		tb.Fatal(err)
	}
	return p
}

// Benchmark measures what an activation asks of a store.
func Benchmark(b *testing.B, s positions.Store) {
	notices := make([]positions.NoticeNumber, 1000)
	for i := range notices {
		notices[i] = Sample(b, s).Options[0].NAV
	}
	// A deadline, as every caller has one.
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b.Run("Notice", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Notice(ctx, comune, notices[i%len(notices)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("NoticeParallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if _, err := s.Notice(ctx, comune, notices[i%len(notices)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	for _, size := range []int{1, 32} {
		b.Run(fmt.Sprint("RecordAnswers", size), func(b *testing.B) {
			b.ReportAllocs()
			batch := make([]positions.Answer, size)
			for i := range batch {
				batch[i] = answer(notices[i], time.Now(), 12_345)
				batch[i].Price = fullPrice()
			}
			for b.Loop() {
				if err := s.RecordAnswers(ctx, batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("SaveReceipt", func(b *testing.B) {
		b.ReportAllocs()
		run := samples.Add(1)
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			p := Sample(b, s)
			b.StartTimer()
			if _, err := s.SaveReceipt(ctx, receipt(comune, fmt.Sprintf("rt-%d-%d", run, i), p.Options[0].NAV)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
