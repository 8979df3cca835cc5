package rules_test

import (
	"testing"

	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

func TestTheLegalRateOfAYear(t *testing.T) {
	table := rules.LegalInterest()
	for year, want := range map[int]string{
		2000: "2.5", 2001: "3.5", 2003: "3", 2009: "3", 2010: "1", 2011: "1.5", 2013: "2.5", 2014: "1", 2015: "0.5", 2016: "0.2", 2017: "0.1",
		2018: "0.3", 2019: "0.8", 2020: "0.05", 2021: "0.01", 2022: "1.25", 2023: "5", 2024: "2.5", 2025: "2", 2026: "1.6",
	} {
		if r, own := table.Of(year); !own || r.String() != want {
			t.Errorf("%d: %s, %t; want %s", year, r, own, want)
		}
	}
	if r, own := table.Of(2027); own || r.String() != "1.6" {
		t.Errorf("a year to come: %s, %t", r, own)
	}
	if r, own := table.Of(1999); own || r.String() != "2.5" {
		t.Errorf("a year before the table: %s, %t", r, own)
	}
}

func TestRatesAreAddedToTheTable(t *testing.T) {
	published := rules.LegalInterest()
	for list, want := range map[string]map[int]string{
		"":                            {2026: "1.6"},
		"2027=1.8":                    {2026: "1.6", 2027: "1.8", 2028: "1.8"},
		" 2027 = 1.8 , 2028 = 2 , ":   {2027: "1.8", 2028: "2", 2030: "2"},
		"2026=1.7":                    {2025: "2", 2026: "1.7", 2027: "1.7"},
		"2000=0,2027=100,2027=0.0001": {2000: "0", 2027: "0.0001"},
	} {
		table, err := published.With(list)
		if err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		for year, percent := range want {
			if r, _ := table.Of(year); r.String() != percent {
				t.Errorf("%q: the rate of %d is %s, want %s", list, year, r, percent)
			}
		}
	}
	if r, own := published.Of(2027); own || r.String() != "1.6" {
		t.Error("the published table changed")
	}
}

func TestAListOfRatesTellsWhatIsWrong(t *testing.T) {
	for list, want := range map[string]string{
		"2027":               `"2027" is not YEAR=PERCENT, such as "2027=1.8"`,
		"2027:1.8":           `"2027:1.8" is not YEAR=PERCENT, such as "2027=1.8"`,
		"2027=1,8":           `"8" is not YEAR=PERCENT, such as "2027=1.8"`,
		"=1.8":               `"" is not a year`,
		"next=1.8":           `"next" is not a year`,
		"20270=1.8":          `"20270" is not a year`,
		"-2027=1.8":          `"-2027" is not a year`,
		"2027=":              `the legal rate of 2027: "" is not a percentage between 0 and 100 with at most four decimals`,
		"2027=1.8%":          `the legal rate of 2027: "1.8%" is not a percentage between 0 and 100 with at most four decimals`,
		"2027=-1":            `the legal rate of 2027: "-1" is not a percentage between 0 and 100 with at most four decimals`,
		"2027=101":           `the legal rate of 2027: "101" is not a percentage between 0 and 100 with at most four decimals`,
		"2027=1/2":           `the legal rate of 2027: "1/2" is not a percentage between 0 and 100 with at most four decimals`,
		"2028=1.8":           `the legal rate of 2028: that of 2027 is missing`,
		"2027=1.8,2029=1.8":  `the legal rate of 2029: that of 2028 is missing`,
		"1999=2.5":           `the legal rate of 1999: the table begins in 2000`,
		"2027=1.8;2028=1.9":  `the legal rate of 2027: "1.8;2028=1.9" is not a percentage between 0 and 100 with at most four decimals`,
		"2027=1.8,2027=many": `the legal rate of 2027: "many" is not a percentage between 0 and 100 with at most four decimals`,
	} {
		if table, err := rules.LegalInterest().With(list); err == nil || err.Error() != want || table != nil {
			t.Errorf("%q: %v\nwant %s", list, err, want)
		}
	}
}

// Each day has the rate of its own year; the figures are those of ministries'
// calculators: whole years, then 31 days of 2025 and 30 of 2026.
func TestLegalInterestAcrossYears(t *testing.T) {
	s := setOf([]rules.Component{part("TAX", 100000)}, rules.Rule{Anchor: rules.Date, Date: day("2022-12-31"), After: days(0), Effect: legal("TAX")})
	for today, want := range map[string]int64{
		"2022-12-31": 0,
		"2023-12-31": 5000,
		"2024-12-30": 5000 + 2500,            // 365 of the 366 days of 2024
		"2024-12-31": 5000 + 2500 + 7,        // the leap day counts: 6.85 cents more
		"2025-12-31": 5000 + 2500 + 7 + 2000, // 9506.85
	} {
		a := at(t, s, rules.Moment{Today: day(today), Notified: calendar.Unknown})
		if got := int64(a.Total) - 100000; got != want {
			t.Errorf("until %s: %d cents, want %d", today, got, want)
		}
	}
	table, err := rules.LegalInterest().With("2027=3.2")
	if err != nil {
		t.Fatal(err)
	}
	m := rules.Moment{Today: day("2027-12-31"), Notified: calendar.Unknown}
	as, with := at(t, s, m), rules.Amount{}
	m.Legal = table
	with = at(t, s, m)
	if with.Total-as.Total != 1600 {
		t.Errorf("a rate of 1.6 points more makes %d cents in a year", with.Total-as.Total)
	}
}

func TestPointsMoreThanTheRate(t *testing.T) {
	plus := legal("TAX")
	plus.Plus = rate("3")
	s := setOf([]rules.Component{part("TAX", 100000)}, rules.Rule{Anchor: rules.Date, Date: day("2024-12-31"), After: days(0), Effect: plus})
	if a := at(t, s, rules.Moment{Today: day("2025-12-31"), Notified: calendar.Unknown}); a.Total != 105000 {
		t.Errorf("2 and 3 per cent make %d", a.Total)
	}
	plus.Legal, plus.Annual = false, rate("0.5")
	s.Rules[0].Effect = plus
	if a := at(t, s, rules.Moment{Today: day("2025-12-31"), Notified: calendar.Unknown}); a.Total != 103500 {
		t.Errorf("0.5 and 3 per cent make %d", a.Total)
	}
}
