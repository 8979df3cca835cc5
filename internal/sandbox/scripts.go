package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Scripts are the life-cycles that a notification can follow by name, each
// from the deposit to where the price no longer moves (or is gone). The last
// wait puts a refinement date into the past, since SEND dates it at the end of
// its day.
var Scripts = map[string][]Step{
	"digital-viewed":  {{Event: Accept}, {Event: DigitalSend}, {Event: DigitalDeliver}, wait(day), {Event: View}},
	"digital-refined": {{Event: Accept}, {Event: DigitalSend}, {Event: DigitalDeliver}, {Event: Refine}, wait(day)},
	"digital-failure-letter": {
		{Event: Accept},
		{Event: DigitalSend},
		{Event: DigitalFail},
		{Event: Letter, Product: ProductRS, Cost: 302},
		{Event: Refine},
		wait(day),
	},
	"one-890": {
		{Event: Accept}, {Event: AnalogSend, Cost: 1003}, wait(5 * day), {Event: AnalogDeliver}, {Event: Refine}, wait(day),
	},
	"two-890": {
		{Event: Accept},
		{Event: AnalogSend, Cost: 969},
		wait(10 * day),
		{Event: AnalogFail},
		{Event: AnalogSend, Cost: 963},
		wait(5 * day),
		{Event: AnalogDeliver},
		{Event: Refine},
		wait(day),
	},
	"unreachable": {
		{Event: Accept},
		{Event: AnalogSend, Cost: 969},
		wait(10 * day),
		{Event: AnalogFail},
		{Event: AnalogSend, Cost: 963},
		wait(5 * day),
		{Event: AnalogUnreachable},
		{Event: Refine},
		wait(day),
	},
	"deceased": {{Event: Accept}, {Event: AnalogSend, Cost: 969}, wait(5 * day), {Event: Decease}},
	"paid":     {{Event: Accept}, {Event: DigitalSend}, {Event: DigitalDeliver}, wait(day), {Event: View}, {Event: Pay}},
	"refused":  {{Event: Refuse}},
	"cancelled": {
		{Event: Accept}, {Event: DigitalSend}, {Event: DigitalDeliver}, wait(day), {Event: RequestCancellation}, {Event: Cancel},
	},
	// The postman's outcome reaches SEND after the view and tells of a
	// delivery so old that the refinement precedes the view.
	"late-postal-report": {
		{Event: Accept},
		{Event: AnalogSend, Cost: 857},
		wait(40 * day),
		{Event: View},
		wait(day),
		{Event: AnalogDeliver, Ago: Duration(20 * day)},
	},
	// The second attempt left in a race with the view: the price grows after
	// the view.
	"late-paper-cost": {
		{Event: Accept},
		{Event: AnalogSend, Cost: 969},
		wait(10 * day),
		{Event: AnalogFail},
		wait(2 * day),
		{Event: View},
		wait(day),
		{Event: AnalogSend, Cost: 963, Ago: Duration(2 * day)},
	},
	// A final price opens again, and is final again with another cost.
	"rework": {
		{Event: Accept},
		{Event: AnalogSend, Cost: 969},
		wait(5 * day),
		{Event: AnalogDeliver},
		{Event: Refine},
		wait(day),
		{Event: Rework},
		{Event: AnalogSend, Cost: 985},
		wait(5 * day),
		{Event: AnalogDeliver},
		{Event: Refine},
		wait(day),
	},
}

func wait(d time.Duration) Step { return Step{Event: ElapseTime, For: Duration(d)} }

const maxSteps = 100

// scriptOf returns the steps that a request asks for.
func scriptOf(r Request) ([]Step, error) {
	switch {
	case r.Script != "" && len(r.Steps) > 0:
		return nil, invalid("script and steps exclude each other")
	case len(r.Steps) > maxSteps:
		return nil, invalid("steps are more than %d", maxSteps)
	case r.Script == "":
		return append([]Step{}, r.Steps...), nil
	}
	steps, ok := Scripts[r.Script]
	if !ok {
		return nil, invalid("script %q is none of %s", r.Script, strings.Join(slices.Sorted(maps.Keys(Scripts)), ", "))
	}
	return slices.Clone(steps), nil
}
