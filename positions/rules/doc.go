// Package rules turns the parts of a debt into what is owed on a day: reductions
// within a term, surcharges and interest after it, and when nothing can be paid
// any more. The rules are data that a debt-position system sends with a notice
// (docs/amount-rules.md); no two deeds need the same.
//
// Everything here is pure: no clock, no store, no floating point. A [RuleSet] is
// evaluated on a [Moment], as often as one likes, with the same result. SEND's
// notification fee is no part of it: it is added later and in no base.
package rules
