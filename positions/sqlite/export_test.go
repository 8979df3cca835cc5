package sqlite

// ReconciliationSums is the query of the method of that name.
const ReconciliationSums = reconciliationSums
