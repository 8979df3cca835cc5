// Package bulkload reads debt positions from a file and stores them: a migration
// from another system, or the yearly emission of a tax.
//
// A [Source] cuts the file into items, one for each position: a line of NDJSON,
// or the neighbouring rows of one iupd in CSV (csv.go, columns.go). CSV becomes
// the same JSON body that NDJSON and the REST API have, and all of them are
// judged by the API's own reader, so there is one set of rules. [Run] reads
// batches of items on all processors and stores them in the order of the file,
// each batch in one commit (run.go). What is refused is told with its original
// text, in a form that can be corrected and loaded again (rejected.go).
//
// Nothing grows with the file: a line, a batch and the batches under way are
// bounded. Nothing has to be remembered to go on after an interruption: a
// position that is there already is recognized by its iupd.
package bulkload
