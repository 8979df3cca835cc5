package streams

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/sendclient"
)

// A gateway that has lost its way, and a stream that SEND still lists but does not
// let read: neither may become a loop.
func TestAStreamThatIsListedAndNotThereIsNotAskedForInALoop(t *testing.T) {
	for name, fault := range map[string]struct {
		sandbox.Fault
		abandons bool
	}{
		"a 404 of the gateway keeps the stream": {sandbox.Fault{Kind: sandbox.WithStatus, Status: 404}, false},
		"SEND says that it is not there":        {sandbox.Fault{Kind: sandbox.WithStatus, Status: 404, Code: "PN_STREAM_STREAMNOTFOUND"}, true},
		"SEND forbids it":                       {sandbox.Fault{Kind: sandbox.WithStatus, Status: 403, Code: "PN_WEBHOOK_FORBIDDEN"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := onSQLite(t)
			fault.Endpoint = sandbox.EndpointStreamEvents
			struck, err := c.send.Inject(fault.Fault)
			c.must(err)
			r := c.replica()
			r.terms.firstPause, r.terms.lastPause = 200*time.Millisecond, 400*time.Millisecond
			r.start()
			c.eventually("it was tried a few times", func() bool { n, _ := c.readings(); return n >= 4 })
			log := c.send.Requests(sandbox.Filter{Endpoint: sandbox.EndpointStreamEvents})
			for i := 1; i < len(log); i++ {
				if got := log[i].At.Sub(log[i-1].At); got < 150*time.Millisecond {
					t.Fatalf("reading %d came after %s", i, got)
				}
			}
			if n := len(c.send.Streams(comune)); n != 1 {
				t.Fatalf("%d streams", n)
			}
			if told := strings.Contains(c.logs.String(), errAbandoned.Error()); told != fault.abandons {
				t.Fatalf("given up is %v:\n%s", told, c.logs)
			}
			c.must(c.send.ClearFault(struck.ID))
			nav := c.owes(comune, 1)
			c.do(c.notify(pays(comune, nav)), accept)
			c.learns(comune, nav, 200, "")
		})
	}
}

// What SEND says of a stream that is not there it also says of one that the key must
// not see; what its gateway says of a key that is wrong, it says of everything.
func TestARefusalThatIsAboutTheKeyMakesNoStreams(t *testing.T) {
	t.Run("a key that SEND does not take any more", func(t *testing.T) {
		c := onSQLite(t)
		stop := c.replica().start()
		c.eventually("a stream is there", func() bool { n, _ := c.readings(); return n > 0 })
		stop()
		before, err := c.store.StreamCursor(t.Context(), comune)
		c.must(err)
		key := sandbox.APIKey{Name: comune, Value: "key-" + comune, SenderTaxID: comune, PDND: sandbox.VoucherForbidden}
		blocked := key
		blocked.Blocked = true
		c.must(c.send.RegisterKey(blocked))
		stop = c.replica().start()
		c.eventually("it is refused", func() bool { return strings.Contains(c.logs.String(), "denied") })
		time.Sleep(4 * quick.lastPause)
		stop()
		if after, err := c.store.StreamCursor(t.Context(), comune); err != nil || after != before {
			t.Errorf("the stream is %v, was %v: %v", after, before, err)
		}
		c.must(c.send.RegisterKey(key))
		c.send.ForgetDenials()
		c.replica().start() // without the memory of the refusal
		nav := c.owes(comune, 1)
		c.do(c.notify(pays(comune, nav)), accept)
		c.learns(comune, nav, 200, "")
		if n := len(c.send.Streams(comune)); n != 1 {
			t.Errorf("%d streams", n)
		}
	})
	t.Run("a key that may make streams and see none", func(t *testing.T) {
		c := onSQLite(t)
		var tries atomic.Int64
		r := c.replica(func(cfg *Config) { cfg.Platform = unseen{cfg.Platform, &tries} })
		r.start()
		c.eventually("it is told", func() bool { return strings.Contains(c.logs.String(), "lets none of them be read") })
		tried := tries.Load()
		c.eventually("it is tried again", func() bool { return tries.Load() > tried+3 })
		if n := len(c.send.Streams(comune)); n != maxForbidden {
			t.Errorf("%d streams, want %d", n, maxForbidden)
		}
	})
}

// unseen is a SEND that makes and lists streams, and forbids them.
type unseen struct {
	Platform
	tries *atomic.Int64 // to find one
}

var forbidden = &sendclient.CallError{Call: "read", Kind: sendclient.KindGone, Status: 403, Code: "PN_WEBHOOK_FORBIDDEN"}

func (u unseen) Streams(ctx context.Context, cred *sendclient.Credential) ([]sendclient.Stream, error) {
	u.tries.Add(1)
	return u.Platform.Streams(ctx, cred)
}

func (unseen) Stream(context.Context, *sendclient.Credential, string) (sendclient.Stream, error) {
	return sendclient.Stream{}, forbidden
}

func (unseen) Consume(context.Context, *sendclient.Credential, string, string) (sendclient.Progress, error) {
	return sendclient.Progress{}, forbidden
}
