// Package deliveries carries out what has to leave after a payment: the receipt
// to the organization's own system, and the payment event to SEND.
//
// A delivery is written to the store with the receipt or the payment that it is
// about ([positions.Delivery]). A [Courier] finds those that are due and puts one
// job in for each queue, that is for each kind and notice; the job takes the
// queue's deliveries one by one, in order. The order of steps makes each one
// happen at least once, whoever dies in between:
//
//   - dispatch: what is due is put off for a while and its job put in; if the
//     process dies before, it falls due again;
//   - claim: the job takes the first delivery of its queue for a minute, so that
//     nobody else makes the same attempt;
//   - attempt: with its own time limit;
//   - settle: delivered, to be tried again, or given up.
//
// Each organization has a queue of jobs of its own: a receiver that hangs keeps
// its own workers busy and nobody else's. SEND has one for all.
package deliveries
