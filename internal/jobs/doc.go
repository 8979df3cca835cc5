// Package jobs runs what happens beside the payments on River
// (https://riverqueue.com), whose tables live in the service's own database: a
// job that was put in is carried out at least once, by one replica at a time,
// also when the one that began it dies.
//
// The package hides which database it is. The rooms write River workers; what
// survives their jobs (deliveries, cursors, reconciliations) is in the stores.
package jobs
