package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
)

func TestWhatExpiresIsFoundInEveryPartition(t *testing.T) {
	s := migrated(t, testservers.Postgres(t))
	now := time.Date(2031, 7, 15, 12, 0, 0, 0, time.UTC)
	for _, month := range []int{-4, -1} { // with a gap between them that the default partition fills
		if err := s.MaintainAt(t.Context(), now.AddDate(0, month, 0)); err != nil {
			t.Fatal(err)
		}
	}
	var answers []positions.Answer
	for i := range 40 { // four to a month, from before the partitions to after them
		at := now.AddDate(0, i/4-8, i%4)
		answers = append(answers, positions.Answer{At: at, OrganizationFiscalCode: "77777777777", NAV: "302000000000000001"})
		r := &positions.Receipt{OrganizationFiscalCode: "77777777777", ReceiptID: fmt.Sprint("rt-", i), ReceivedAt: at, Message: []byte("x")}
		if _, err := s.SaveReceipt(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RecordAnswers(t.Context(), answers); err != nil {
		t.Fatal(err)
	}
	if partitions := landed(t, s, "answers"); len(partitions) < 5 {
		t.Fatalf("the answers are in %v", partitions)
	}
	for _, what := range []positions.Kept{positions.KeptAnswers, positions.KeptReceipts} {
		for _, want := range []int{15, 15, 2, 0} { // 32 of them are of earlier months
			n, err := s.Expire(t.Context(), what, now, 15)
			if err != nil || n != want {
				t.Fatalf("%s: %d, want %d: %v", what, n, want, err)
			}
		}
	}
	left, total, err := s.Answers(t.Context(), "77777777777", "302000000000000001", positions.Page{Limit: 100})
	if err != nil || total != 8 || left[7].At.Before(now) {
		t.Errorf("%d answers are left: %v", total, err)
	}
	for i := range 40 {
		r, err := s.Receipt(t.Context(), "77777777777", fmt.Sprint("rt-", i))
		if err != nil || r.AnonymizedAt.IsZero() != (i >= 32) {
			t.Errorf("receipt %d: anonymised at %v, %v", i, r.AnonymizedAt, err)
		}
	}
	// New partitions have the column and the indexes of the retention too.
	if err := s.MaintainAt(t.Context(), now.AddDate(0, 5, 0)); err != nil {
		t.Errorf("partitions cannot be made any more: %v", err)
	}
}
