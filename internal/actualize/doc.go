// Package actualize answers the one question of the service: what does this
// notice cost right now, and why?
//
// [Actualizer.Quote] loads the notice with its last known price in one round
// trip, asks SEND for today's price when that is due, and adds it up into a
// [Quote]. It always comes back within the budget of its context: when SEND is
// slow, wrong or down, the organization's policy decides what the fee is, and
// the quote says so in its Source. The SOAP operations, REST's quote and an
// operator's question weeks later all go through it.
//
// The files, in the order in which an activation passes through them: quote.go
// (the question and its answer), price.go (where the fee comes from), fresh.go
// (how long it may be used again), flight.go (one request to SEND for all who
// ask), unsaved.go (a price that the store did not take yet), policy.go (what to
// do without one), paidelsewhere.go (what was paid of it with another notice),
// recorder.go (the answer becomes evidence).
package actualize
