// Package deliveries carries out what has to leave after a payment: the receipt
// to the organization's own system, and the payment event to SEND.
//
// A delivery is written to the store with the receipt or the payment that it is
// about ([positions.Delivery]), and stays there: the jobs say only that there is
// something to do. Deliveries of one kind of one organization are a lane; a
// [Courier] finds the lanes in which something is due and puts in a few jobs for
// each, which take its deliveries one by one, those about one notice in order. The
// order of steps makes each one happen at least once, whoever dies in between:
//
//   - dispatch: a job is put in; nothing is hidden by that, so that the next look
//     finds whatever the job did not come to;
//   - claim: the job takes a delivery for a minute, so that nobody else makes the
//     same attempt;
//   - attempt: with its own time limit;
//   - settle: delivered, to be tried again, or given up.
//
// A receiver that hangs or fails slows nobody else: a lane has a few places, one
// until its receiver is known to work, and is left alone for a while when it does
// not answer. A job gives its place back after seconds, so that lanes take turns.
package deliveries
