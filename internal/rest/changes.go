package rest

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// changesBetween lists the members in which two positions differ, at JSON
// pointers, by the names of this API. Items of lists are compared by their
// place; what only one position has is one change, whole.
func changesBetween(before, after PaymentPosition) ([]FieldChange, error) {
	was, err := tree(before)
	if err != nil {
		return nil, err
	}
	is, err := tree(after)
	if err != nil {
		return nil, err
	}
	return compare([]FieldChange{}, "", was, is)
}

// tree is a body as plain maps and lists. Numbers stay text: a float would
// change big amounts.
func tree(body PaymentPosition) (t any, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&t)
	return t, err
}

// absent is the value of a member that is not there; null is a value.
type absent struct{}

func compare(changes []FieldChange, at string, was, is any) ([]FieldChange, error) {
	var err error
	switch was := was.(type) {
	case map[string]any:
		is, ok := is.(map[string]any)
		if !ok {
			break
		}
		names := maps.Clone(was)
		maps.Copy(names, is)
		delete(names, "lastUpdatedDate") // every change moves it
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if changes, err = compare(changes, at+"/"+escapePointer(name), member(was, name), member(is, name)); err != nil {
				return nil, err
			}
		}
		return changes, nil
	case []any:
		is, ok := is.([]any)
		if !ok {
			break
		}
		for i := range max(len(was), len(is)) {
			if changes, err = compare(changes, at+"/"+strconv.Itoa(i), item(was, i), item(is, i)); err != nil {
				return nil, err
			}
		}
		return changes, nil
	}
	if reflect.DeepEqual(was, is) {
		return changes, nil
	}
	change := FieldChange{Pointer: at}
	if change.Before, err = written(was); err != nil {
		return nil, err
	}
	change.After, err = written(is)
	return append(changes, change), err
}

func member(object map[string]any, name string) any {
	if v, ok := object[name]; ok {
		return v
	}
	return absent{}
}

func item(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return absent{}
}

// written is a value as an answer shows it; one that is absent has no text.
func written(v any) (json.RawMessage, error) {
	if _, none := v.(absent); none {
		return nil, nil
	}
	return json.Marshal(v)
}
