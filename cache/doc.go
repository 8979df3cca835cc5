// Package cache keeps for a while what costs a request to obtain again: in
// this process, and in a Redis that replicas share.
//
// Both tiers may be absent or fail, and nothing breaks: a [Cache] without Redis
// works for its process alone, and a Redis that hangs costs at most 50 ms a few
// times, after which it is skipped for some seconds and then tried again.
// Losing the cache costs speed, never correctness; what must survive belongs in
// the store.
//
// [Cache.Lock] and [Cache.Await] let replicas share one request for the same
// key: the winner of the lock asks, puts the value and unlocks; the losers wait
// for the value. Without Redis every asker wins.
package cache
