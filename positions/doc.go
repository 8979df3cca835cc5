// Package positions holds the debt position: what a creditor is owed, through
// which notices it can be paid, in which state it is and what was said about it.
//
// The vocabulary is GPD's (pagopa/pagopa-debt-position): a [Position] offers
// one or more payment options, each with its own notice number (NAV) and
// transfers. Stored amounts never contain SEND's notification fee: the fee is
// part of the last known [Price] of a notice and is added when somebody asks.
//
// The package also holds the rules that more than one room needs: notice
// numbers, states, what makes a notice payable, where the fee goes, what a
// receipt does to a position. It does no I/O. [Store] is implemented by the
// packages postgres and sqlite, which are held to one conformance suite,
// package storetest.
package positions
