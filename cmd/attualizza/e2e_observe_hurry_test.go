package main

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// ruleDuration finds the durations of a file of rules: a range, an offset, how long
// an alert must hold. Numbers that stand alone (1800 seconds, 14.4) and the names of
// recorded series (rate5m) are none.
var ruleDuration = regexp.MustCompile(`(\[|\boffset |\b(?:for|keep_firing_for): |:)(\d+)(s|m|h|d|w)(\]|\b)`)

var ruleUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// hurried returns rules with every duration divided by a factor: an outage of a
// minute is to them one of an hour. Thresholds stay as they are, also those that are
// about seconds or counts: only the windows shrink. So whether an alert fires is
// proved by them; when it does in real time is proved by promtool, in
// deploy/prometheus/tests.
func hurried(rules string, by int64) string {
	return ruleDuration.ReplaceAllStringFunc(rules, func(found string) string {
		m := ruleDuration.FindStringSubmatch(found)
		if m[1] == ":" && m[4] != "]" {
			return found // no subquery: a name, or a text
		}
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			return found
		}
		shorter := time.Duration(n) * ruleUnits[m[3]] / time.Duration(by)
		return fmt.Sprintf("%s%dms%s", m[1], max(1, shorter.Milliseconds()), m[4])
	})
}

func TestHurriedRulesDifferInTheirDurationsAlone(t *testing.T) {
	for was, want := range map[string]string{
		"rate(a_total{le=~\"2(\\\\.0)?\"}[5m])":     "rate(a_total{le=~\"2(\\\\.0)?\"}[5000ms])",
		"job:attualizza_answers:rate5m * 3600 > 20": "job:attualizza_answers:rate5m * 3600 > 20",
		"record: job:attualizza_answers:rate1h":     "record: job:attualizza_answers:rate1h",
		"x[30m] offset 1d >= 50":                    "x[30000ms] offset 1440000ms >= 50",
		"max_over_time(x[1h:1m])":                   "max_over_time(x[60000ms:1000ms])",
		"        for: 2m":                           "        for: 2000ms",
		"        keep_firing_for: 10m":              "        keep_firing_for: 10000ms",
		"x unless x offset 1w":                      "x unless x offset 10080000ms",
		"ferma da 30m > 1800":                       "ferma da 30m > 1800",
		"time() < 7 * 86400":                        "time() < 7 * 86400",
		"for: 1s":                                   "for: 16ms",
	} {
		if got := hurried(was, 60); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", was, got, want)
		}
	}
}
