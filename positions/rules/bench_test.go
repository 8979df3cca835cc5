package rules_test

import (
	"testing"

	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// An answer has 2 seconds and the amount must not be what they go into: a fine in
// its three phases.
func BenchmarkCodiceDellaStrada(b *testing.B) {
	s := fine()
	for name, after := range map[string]calendar.Day{"day 3": 3, "day 30": 30, "day 400": 400} {
		b.Run(name, func(b *testing.B) {
			notified := day("2026-03-02")
			m := rules.Moment{Today: notified + after, Notified: notified}
			b.ReportAllocs()
			for b.Loop() {
				if a, err := s.At(&m); err != nil || a.Total == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}

// A whole catalogue of rules is judged at once when it is sent.
func BenchmarkCheckOfTwentyRules(b *testing.B) {
	accepted, never := setOf(fine().Parts), setOf(fine().Parts)
	for i := range rules.MaxRules {
		accepted.Rules = append(accepted.Rules, rules.Rule{Anchor: rules.Notification, After: rolled(days(i)), Until: rolled(months(5)), Effect: percent("-1", "FINE")})
		never.Rules = append(never.Rules, rules.Rule{Anchor: rules.Notification, From: days(60), Until: rolled(months(1)), Effect: percent("-1", "FINE")})
	}
	for name, s := range map[string]*rules.RuleSet{"accepted": accepted, "never": never} {
		b.Run(name, func(b *testing.B) {
			transfers := transfersOf(s)
			b.ReportAllocs()
			for b.Loop() {
				if wrong := problems(s, transfers); (len(wrong) > 0) != (name == "never") {
					b.Fatal(wrong)
				}
			}
		})
	}
}
