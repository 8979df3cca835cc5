package telemetry

import (
	"fmt"
	"testing"
	"time"
)

func TestComplaintsAreBounded(t *testing.T) {
	var c Complaints
	now := time.Now()
	for i := range 3 * maxComplaints {
		if !c.Due(fmt.Sprint(i), now) {
			t.Fatalf("trouble %d was told before", i)
		}
		if len(c.told) > maxComplaints {
			t.Fatalf("%d are remembered", len(c.told))
		}
	}
	if c.Due(fmt.Sprint(3*maxComplaints-1), now.Add(complainEvery-1)) {
		t.Error("told again within the minute")
	}
}
