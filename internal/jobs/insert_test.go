package jobs

import (
	"context"
	"errors"
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

func TestAJobThatCannotBeWokenIsTold(t *testing.T) {
	fault := errors.New("the database is gone")
	for name, c := range map[string]struct {
		client between
		err    error
	}{
		"it slept and was woken":             {between{found: rivertype.JobStateScheduled, then: rivertype.JobStateAvailable}, nil},
		"it slept and woke by itself":        {between{found: rivertype.JobStateRetryable, then: rivertype.JobStateRunning}, nil},
		"it was running":                     {between{found: rivertype.JobStateRunning, fails: fault}, nil},
		"it waits, and will find everything": {between{found: rivertype.JobStateAvailable, fails: fault}, nil},
		"it cannot be woken":                 {between{found: rivertype.JobStateScheduled, fails: fault}, fault},
	} {
		r := &Runner{client: c.client}
		if err := r.Insert(t.Context(), make([]river.InsertManyParams, 2)); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
