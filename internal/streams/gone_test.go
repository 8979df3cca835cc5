package streams

import (
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
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
