package jobs

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/riverqueue/river/rivertype"
)

// pauses are those before the second attempt and the ones after; the last one
// goes on.
var pauses = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

// Pause is how long to wait after a number of attempts, 1 or more, that all
// failed: 1 s, 5 s, 30 s, then growing to an hour. A tenth at most is added by
// chance, so that what failed together does not come back together.
func Pause(attempts int) time.Duration {
	d := pauses[min(max(attempts, 1), len(pauses))-1]
	return d + rand.N(d/10)
}

// retry is River's policy for jobs that return an error or whose process died.
type retry struct{}

func (retry) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(Pause(len(job.Errors) + 1))
}

// quiet keeps River's own chatter out of the log: what it tells of single jobs
// is told by their workers, once.
func quiet(logger *slog.Logger) *slog.Logger {
	return slog.New(above{logger.Handler(), slog.LevelWarn})
}

// above lets only records of a level or more through.
type above struct {
	slog.Handler
	level slog.Level
}

func (a above) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= a.level && a.Handler.Enabled(ctx, level)
}

func (a above) WithAttrs(attrs []slog.Attr) slog.Handler {
	return above{a.Handler.WithAttrs(attrs), a.level}
}

func (a above) WithGroup(name string) slog.Handler {
	return above{a.Handler.WithGroup(name), a.level}
}

// Again puts a job to sleep because of a failure that its worker has told
// already, for as long as [Pause] says of the times that it slept before.
func Again(job *rivertype.JobRow) error {
	var slept struct {
		Times int `json:"snoozes"`
	}
	_ = json.Unmarshal(job.Metadata, &slept) // River's own; without it the first pause counts
	return river.JobSnooze(Pause(slept.Times + 1))
}
