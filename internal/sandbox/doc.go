// Package sandbox simulates, on one listener, what a payment-position system
// meets when it asks SEND for the cost of a notification: PDND's token
// endpoint, SEND's gateway and its authorizer, the price API v2.3, the
// payment event and the streams of events; and an act-management system that stands between, by the two
// contracts of Piattaforma Unitaria.
//
// It exists so that testers can rehearse the outcomes that are hard to obtain
// from SEND's own test environment, and it tries to be no kinder than the real
// thing: a voucher is verified, a denial sticks for a minute, a notification
// moves only as the workflow lets it, and a price is never stored but computed
// from the timeline, by SEND's formula.
//
// Time passes by moving a notification's history into the past ([Sandbox.Elapse]),
// never by moving the clock: the system under test keeps its own clock, and a
// date that should be past must be past for it too.
//
// Rules follow SEND's public definitions (api-external-b2b-pa of pn-delivery)
// and its published code; PDND's follow its public guide.
package sandbox
