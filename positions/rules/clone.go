package rules

import "slices"

// Clone returns a deep copy of rules.
func Clone(list []Rule) []Rule {
	list = slices.Clone(list)
	for i := range list {
		r := &list[i]
		r.From, r.After, r.Until = r.From.clone(), r.After.clone(), r.Until.clone()
		r.Effect.Components = slices.Clone(r.Effect.Components)
	}
	return list
}

func (t *Term) clone() *Term {
	if t == nil {
		return nil
	}
	copied := *t
	return &copied
}
