package deliveries

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

var (
	ours   = positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: comune}
	theirs = positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: provincia}
)

func TestALaneIsOneAttemptWideUntilItsReceiverWorks(t *testing.T) {
	var l lanes
	now := time.Now()
	steps := []struct {
		what            string
		failed, general bool
		open            int
	}{
		{"an attempt that failed for its own reasons", true, false, 1},
		{"one that succeeded", false, false, slots},
		{"one that failed for its own reasons then", true, false, slots},
		{"one that says that the receiver is down", true, true, 0},
	}
	if got := l.open(ours, now); got != 1 {
		t.Fatalf("%d at once at first", got)
	}
	for _, s := range steps {
		l.note(ours, now, s.failed, s.general, 0)
		if got := l.open(ours, now); got != s.open {
			t.Errorf("%d at once after %s, want %d", got, s.what, s.open)
		}
	}
	if got := l.open(theirs, now); got != 1 {
		t.Errorf("%d at once towards somebody else", got)
	}
}

func TestALaneIsLeftAloneLongerAndLongerWhileItsReceiverIsDown(t *testing.T) {
	var l lanes
	now := time.Now()
	last := time.Duration(0)
	for i := range 12 {
		l.note(ours, now, true, true, 0)
		l.note(ours, now, true, true, 0) // made together with the other
		pause := time.Duration(0)
		for l.open(ours, now.Add(pause)) == 0 {
			pause += 100 * time.Millisecond
		}
		if pause < last || pause > longest+100*time.Millisecond || i == 0 && pause > 2*time.Second {
			t.Fatalf("pause %d is of %v, after one of %v", i, pause, last)
		}
		if now, last = now.Add(pause), pause; l.open(ours, now) != 1 {
			t.Fatal("it is not tried by one attempt alone")
		}
	}
	if last < longest {
		t.Errorf("the longest pause is %v", last)
	}
	l.note(ours, now, true, true, 3*time.Minute)
	for range patience {
		l.note(ours, now, true, false, 0) // others that were under way
	}
	if l.open(ours, now.Add(3*time.Minute-time.Second)) != 0 {
		t.Error("a receiver that asked for three minutes is tried before")
	}
	now = now.Add(3 * time.Minute)
	l.note(ours, now, true, true, time.Hour)
	if l.open(ours, now.Add(longestAsked)) != 1 {
		t.Error("a receiver that asked for an hour is not tried for so long")
	}
	if l.note(ours, now.Add(time.Hour), false, false, 0); l.open(ours, now.Add(time.Hour)) != slots {
		t.Error("a receiver that works again is not given all")
	}
}

func TestDeliveriesThatAreRefusedOneByOneNarrowTheirLaneAndDoNotCloseIt(t *testing.T) {
	var l lanes
	now := time.Now()
	l.note(ours, now, false, false, 0)
	for range patience - 1 {
		l.note(ours, now, true, false, 0)
	}
	if got := l.open(ours, now); got != slots {
		t.Fatalf("too early: %d at once", got)
	}
	for range 100 {
		l.note(ours, now, true, false, 0)
		if l.open(ours, now) != 0 || l.open(ours, now.Add(breath)) != 1 {
			t.Fatal("it is not one attempt at a time, with a breath between")
		}
		now = now.Add(breath)
	}
	if l.note(ours, now, false, false, 0); l.open(ours, now) != slots {
		t.Fatal("one that is taken does not open it again")
	}
}

func TestALaneThatStaysDueIsLookedAfterLessAndLessOften(t *testing.T) {
	var l lanes
	now := time.Now()
	looks := 0
	for end := now.Add(10 * time.Second); now.Before(end); now = now.Add(10 * time.Millisecond) {
		if jobs, again := l.due(ours, 3, now); jobs > 0 {
			looks++
			if jobs != 1 || !again.After(now) {
				t.Fatalf("%d jobs, again at %v", jobs, again)
			}
		}
	}
	if looks < 10 || looks > 16 {
		t.Errorf("%d looks in ten seconds", looks)
	}
	l.nothing(nil, func(string) bool { return true })
	if jobs, _ := l.due(ours, 3, now); jobs != 1 {
		t.Error("what is due anew waits for the next look")
	}
	if l.nothing(nil, func(string) bool { return false }); len(l.of) != 0 {
		t.Errorf("%d lanes that nobody knows are remembered", len(l.of))
	}
}
