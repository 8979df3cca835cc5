package jobs

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// between is a client whose jobs change between the question and what follows from
// the answer.
type between struct {
	client
	found, then rivertype.JobState
	fails       error
}

func (c between) InsertMany(context.Context, []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	return []*rivertype.JobInsertResult{{Job: &rivertype.JobRow{State: rivertype.JobStateAvailable}}, {UniqueSkippedAsDuplicate: true, Job: &rivertype.JobRow{ID: 7, State: c.found}}}, nil
}

func (c between) JobRetry(_ context.Context, id int64) (*rivertype.JobRow, error) {
	return &rivertype.JobRow{ID: id, State: c.then}, c.fails
}

func TestAJobThatBeginsWhileItIsBeingWokenIsTold(t *testing.T) {
	fault := errors.New("the database is gone")
	for name, c := range map[string]struct {
		client between
		busy   []int
		err    error
	}{
		"it slept and was woken":             {between{found: rivertype.JobStateScheduled, then: rivertype.JobStateAvailable}, nil, nil},
		"it slept and woke by itself":        {between{found: rivertype.JobStateScheduled, then: rivertype.JobStateRunning}, []int{1}, nil},
		"it failed and was running again":    {between{found: rivertype.JobStateRetryable, then: rivertype.JobStateRunning}, []int{1}, nil},
		"it was running":                     {between{found: rivertype.JobStateRunning}, []int{1}, nil},
		"it waits, and will find everything": {between{found: rivertype.JobStateAvailable}, nil, nil},
		"it cannot be woken":                 {between{found: rivertype.JobStateScheduled, fails: fault}, nil, fault},
	} {
		r := &Runner{client: c.client}
		busy, err := r.Insert(t.Context(), make([]river.InsertManyParams, 2))
		if !slices.Equal(busy, c.busy) || !errors.Is(err, c.err) {
			t.Errorf("%s: busy %v, %v", name, busy, err)
		}
	}
}
