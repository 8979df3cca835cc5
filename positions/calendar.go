package positions

import (
	"time"
	_ "time/tzdata" // the answer must not depend on what the host has installed
)

// Rome is the zone of every calendar day that law or the notice speaks of.
var Rome = mustLoad("Europe/Rome")

func mustLoad(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zone is embedded in the binary
	}
	return zone
}

// DayLayout is the form of a calendar day on the SOAP wire (xsd:date without a
// zone).
const DayLayout = "2006-01-02"

// Day returns the Europe/Rome calendar day of an instant, as "2006-01-02", or
// "" for the zero instant.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(Rome).Format(DayLayout)
}
