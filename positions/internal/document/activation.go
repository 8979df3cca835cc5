package document

// Activation is the condition on a row of answers that it told an activation's
// amount, in SQL that both engines read.
const Activation = `outcome = 'OK' AND operation IN ('paGetPayment', 'paGetPaymentV2')`
