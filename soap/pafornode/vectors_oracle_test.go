package pafornode

import (
	"strings"
	"testing"
)

// The tolerance for receipts is the one place where a message may be accepted
// without flags and yet differ from the schema.
var laterThanTheSchema = map[string]bool{
	"req_sendrtv2_standin_spelled_as_in_the_sanp": true,
	"req_sendrt_standin_after_the_receipt":        true,
}

// Beyond the schema: what the Nodo refuses in an answer though it is valid.
var stricterThanTheSchema = map[string]bool{
	"req_sendrt_empty_receipt_id":        true,
	"res_verify_ok_without_company_name": true,
	"res_verify_ok_with_nothing":         true,
	"res_verify_ok_with_fault":           true,
	"res_verify_ko_without_fault":        true,
	"res_getpaymentv2_sum_differs":       true,
	"req_refused_processing_instruction": true,
	"req_refused_17_attributes":          true,
	"req_refused_nested_17_deep":         true,
	"req_refused_iso_8859_1":             true,
	"req_refused_utf16":                  true,
	"req_refused_xml_1_1":                true,
	"req_refused_no_envelope":            true,
	"req_refused_doctype":                true,
	"req_refused_external_entity":        true,
	"req_refused_response_as_request":    true,
	"res_request_as_response":            true,
}

func TestTheSchemaAgreesWithTheFiles(t *testing.T) {
	for _, v := range append(vectors(t, "req"), vectors(t, "res")...) {
		t.Run(v.name, func(t *testing.T) {
			err := validate(t, v.message)
			fault := v.verdict == "fault" && strings.Contains(v.message, "<detail>")
			valid := v.verdict == "accepted" && v.detail == "" && !laterThanTheSchema[v.name]
			if valid && err != nil {
				t.Errorf("accepted, but the schema refuses it: %v", err)
			}
			if !valid && !fault && err == nil && !stricterThanTheSchema[v.name] {
				t.Error("refused or flagged, but the schema accepts it")
			}
		})
	}
}
