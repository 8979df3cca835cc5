package pafornode

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/soap/pafornode/internal/variants"
)

// FuzzDecodeRequest compares the codec with two readers that are not ours.
// What it accepts, encoding/xml with the generated types must read with the
// same fields, and the schema must find valid.
func FuzzDecodeRequest(f *testing.F) {
	for _, v := range vectors(f, "req") {
		f.Add(v.message)
	}
	for _, wrapper := range variants.Wrappers() {
		f.Add(variants.Enveloped(variants.Sample(wrapper)))
	}
	f.Fuzz(func(t *testing.T, message string) { assertReadAlike(t, message) })
}

// assertReadAlike fails when the codec accepts a message that another reader
// refuses or reads otherwise.
func assertReadAlike(t *testing.T, message string) {
	t.Helper()
	own, err := DecodeRequest(message)
	if err != nil {
		return
	}
	if err := tokenised(message); err != nil {
		t.Fatalf("accepted, but encoding/xml says %v: %s", err, message)
	}
	if own.Receipt != nil && len(own.Receipt.Flags) > 0 {
		return // kept in spite of what is wrong with it
	}
	byWire, err := decodeByWire(t, message)
	if err != nil {
		t.Fatalf("accepted, but the generated types say %v: %s", err, message)
	}
	beyond := own.Receipt != nil && standsOutsideTheSchema(message)
	if beyond && byWire.Receipt != nil {
		byWire.Receipt.StandIn = own.Receipt.StandIn
	}
	if diff := cmp.Diff(byWire, own); diff != "" {
		t.Fatalf("the generated types read it otherwise: %s: %s", diff, message)
	}
	if beyond {
		return
	}
	if err := validate(t, message); err != nil {
		t.Fatalf("accepted, but the schema says %v: %s", err, message)
	}
}

// standsOutsideTheSchema tells whether standIn is where or as the schema does
// not have it, which is accepted without a flag.
func standsOutsideTheSchema(message string) bool {
	receiptEnd := strings.LastIndex(message, "</receipt")
	return strings.Contains(message, "standin") || strings.LastIndex(message, "standIn") > receiptEnd ||
		strings.Index(message, "standIn") < strings.Index(message, "<receipt")
}
