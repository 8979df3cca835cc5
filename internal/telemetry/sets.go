package telemetry

import "sync"

// Sets keep the options of a measurement for each combination of its attributes, made
// once, so that measuring allocates nothing: O is a metric.AddOption or a
// metric.RecordOption. They are never forgotten: whoever uses them bounds the keys, by
// fault codes, routes or registered organizations. The zero value is ready, and safe
// for concurrent use.
type Sets[K comparable, O any] struct {
	mu   sync.RWMutex
	made map[K][]O
}

// Of returns the options of a combination, which make makes when it is the first time.
func (s *Sets[K, O]) Of(key K, make func(K) O) []O {
	s.mu.RLock()
	options := s.made[key]
	s.mu.RUnlock()
	if options != nil {
		return options
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = map[K][]O{}
	}
	if s.made[key] == nil {
		s.made[key] = []O{make(key)}
	}
	return s.made[key]
}
