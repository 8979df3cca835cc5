// Package sendclient is the way out to SEND, the platform of public
// notifications: it asks what a notice's notification costs right now.
//
// [Client.Price] is called while a citizen waits for the amount of a notice, so
// everything here is arranged around two promises: it never takes longer than
// its limit, and trouble with one organization's credential never reaches
// another's. Each credential has its own guard, passed in this order:
//
//   - hold-off: after a 401 or 403 SEND's gateway repeats its denial for 60 s
//     whatever is sent, and a 429 says when to come back; until then the answer
//     is given here, without a request;
//   - bulkhead: at most 32 requests at once, the next one is refused;
//   - voucher: taken from memory, see below;
//   - circuit breaker: opens when SEND fails or hangs, tries again by itself;
//   - deadline: the shorter of [Config.Timeout] and the caller's.
//
// A price request is never hedged, because SEND records each one as an update
// of the debt position. It is repeated once, and only when the connection was
// refused or reset before a byte of the answer, within the first 200 ms.
//
// # Vouchers
//
// Most API keys also want a PDND voucher, a bearer token of about ten minutes.
// Vouchers are renewed in the background at half of their life while somebody
// uses them; the payment path waits for one only the very first time, and
// [Client.Warm] avoids even that. Replicas share them through a [VoucherStore].
//
// # Relays
//
// An organization may have its price asked of its act-management system in
// SEND's place ([Credential.Relay]), by either of two contracts ([RelayKind]).
// The same guards are passed in the same order; breaker and hold-off are those
// of this organization with this relay, whoever else uses it. A legacy relay
// wants a login first: its token is kept for the organization, one asker obtains
// it for all, and one that is refused is replaced once within the same limit.
//
// # Payments
//
// [Client.ReportPayment] tells SEND that a notice was paid, so that it sends no
// more paper. Nobody waits for it: it has a longer limit, a bulkhead and a
// hold-off of its own, respects the hold-off of prices and moves none of their
// guards.
//
// # Answers and failures
//
// What SEND says is an [Answer], "this notification costs nothing" (its 404)
// included, and so is a relay's "this notice must not be paid" ([NotPayable]).
// What they do not say is an [Error], whose Kind tells the cases apart; none of
// them is a reason to refuse a payment.
//
// Sources: SEND's OpenAPI api-external-b2b-pa (price v2.3), the sources of
// pn-delivery and pn-auth-fleet for the error codes and the gateway's
// behaviour, PDND's guide for vouchers; for the relays, p4pa-doc's
// openapi/consumed and MyPay's client of the same contract.
package sendclient
