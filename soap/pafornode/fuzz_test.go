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
	f.Fuzz(func(t *testing.T, message string) {
		own, err := DecodeRequest(message)
		if err != nil {
			return
		}
		if err := tokenised(message); err != nil {
			t.Fatalf("accepted, but encoding/xml says %v", err)
		}
		if own.Receipt != nil && len(own.Receipt.Flags) > 0 {
			return // kept in spite of what is wrong with it
		}
		byWire, err := decodeByWire(t, message)
		if err != nil {
			t.Fatalf("accepted, but the generated types say %v", err)
		}
		if own.Receipt != nil && byWire.Receipt != nil && standsOutsideTheSchema(message) {
			byWire.Receipt.StandIn = own.Receipt.StandIn
		}
		if diff := cmp.Diff(byWire, own); diff != "" {
			t.Fatalf("the generated types read it otherwise: %s", diff)
		}
		if own.Receipt != nil && standsOutsideTheSchema(message) {
			return
		}
		if err := validate(t, message); err != nil && !isLimitOfTheProcessor(err) {
			t.Fatalf("accepted, but the schema says %v", err)
		}
	})
}

// standsOutsideTheSchema tells whether standIn is where or as the schema does
// not have it, which is accepted without a flag.
func standsOutsideTheSchema(message string) bool {
	receiptEnd := strings.LastIndex(message, "</receipt")
	return strings.Contains(message, "standin") || strings.LastIndex(message, "standIn") > receiptEnd ||
		strings.Index(message, "standIn") < strings.Index(message, "<receipt")
}

func isLimitOfTheProcessor(err error) bool { return false }
