// Package streams follows what SEND tells of notifications while nobody pays, so
// that a payment finds a price that is known already: of each organization that is
// a sender and wants it (send.streams), one replica reads SEND's stream of events,
// and every event that can change a price has that price asked for again.
//
// Who reads is settled by a lease in the store: it is 15 s long and renewed every
// 5 s, a leader that cannot renew it stops 3 s before it ends, and the others try
// for it every 5 s. A leader that is gone is so replaced within 22 s.
//
// Events are handed over to a [Queue] before the stream moves on, and SEND tells
// again what was not acknowledged: each is carried out at least once, by
// [Follower.Handle] on any replica, in any order. That is harmless, because an
// event says only since when a price may be out of date; what it is now, SEND is
// asked.
//
// An event also shows that SEND knows a notice. Where it did not when the notice was
// paid, it is told of the payment again, before a letter leaves for nothing.
//
// Sources: SEND's OpenAPI api-external-b2b-pa (delivery-progresses v2.9), pn-stream
// for the pauses, SEND's "Focus sull'attualizzazione" for what a price hangs on.
package streams
