package streams

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/internal/registry"
)

// reading is one organization's stream being read.
type reading struct {
	org  *registry.Organization
	stop context.CancelFunc
	done chan struct{}
}

func (r *reading) end() {
	r.stop()
	<-r.done
}

// follows tells whether an organization's stream is read: it is a sender that asks
// SEND itself, and says that it wants it.
func follows(org *registry.Organization) bool {
	if org.Send == nil || !org.Send.Streams || org.Relays() {
		return false
	}
	_, err := org.Credential()
	return err == nil
}

// lead reads the streams of all who want it, until ctx ends. Whose registration
// changed is begun anew.
func (f *Follower) lead(ctx context.Context, queue Queue) {
	f.Logger.InfoContext(ctx, "this replica reads SEND's streams")
	f.meters.lead(true)
	readings := map[string]*reading{}
	defer func() {
		for _, r := range readings {
			r.end()
		}
		f.meters.lead(false)
		f.Logger.InfoContext(ctx, "this replica reads SEND's streams no more")
	}()
	tick := time.NewTicker(f.terms.notice)
	defer tick.Stop()
	for {
		for code, r := range readings {
			if org, ok := f.Directory.Organization(code); !ok || org != r.org {
				r.end()
				delete(readings, code)
			}
		}
		for _, org := range f.Directory.Organizations() {
			if readings[org.FiscalCode] == nil && follows(org) {
				readings[org.FiscalCode] = f.read(ctx, org, queue)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// read reads an organization's stream in the background.
func (f *Follower) read(ctx context.Context, org *registry.Organization, queue Queue) *reading {
	r := &reading{org: org, done: make(chan struct{})}
	ctx, r.stop = context.WithCancel(ctx)
	go func() {
		defer close(r.done)
		reader := &reader{Follower: f, org: org, queue: queue}
		forget := f.meters.reads(reader)
		defer forget()
		reader.run(ctx)
	}()
	return r
}
