package soap

import "github.com/attualizza/attualizza/soap/pafornode"

// admission bounds what is worked on at once. A quick refusal does not count
// against a station, a timeout does. Receipts have their own share, so that a
// crowd of verifies never starves them.
type admission struct {
	reading  chan struct{} // requests being read, decoded or answered
	payments chan struct{}
	receipts chan struct{}
}

func newAdmission(inFlight int) *admission {
	receipts := max(inFlight/4, 1)
	return &admission{
		reading:  make(chan struct{}, 4*(inFlight+receipts)),
		payments: make(chan struct{}, inFlight),
		receipts: make(chan struct{}, receipts),
	}
}

// enter admits a request to being read.
func (a *admission) enter() bool { return take(a.reading) }
func (a *admission) leave()      { <-a.reading }

// admit admits a decoded request to being answered.
func (a *admission) admit(op pafornode.Operation) bool { return take(a.share(op)) }
func (a *admission) release(op pafornode.Operation)    { <-a.share(op) }

func (a *admission) share(op pafornode.Operation) chan struct{} {
	if op.IsReceipt() {
		return a.receipts
	}
	return a.payments
}

func take(places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
		return false
	}
}
