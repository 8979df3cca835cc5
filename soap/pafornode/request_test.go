package pafornode

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestARequestIsReadAsItWasWritten(t *testing.T) {
	for _, v := range vectors(t, "req") {
		if v.verdict != "accepted" || v.detail != "" {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			want, err := DecodeRequest(v.message)
			if err != nil {
				t.Fatal(err)
			}
			written := string(AppendRequest(nil, &want))
			if err := validate(t, written); err != nil {
				t.Fatal(err)
			}
			got, err := DecodeRequest(written)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAReceiptKeepsWhatItDoesNotUnderstand(t *testing.T) {
	got := map[string]Receipt{}
	for _, v := range vectors(t, "req") {
		if r, err := DecodeRequest(v.message); err == nil && r.Receipt != nil {
			got[v.name] = *r.Receipt
		}
	}
	broken := got["req_sendrt_values_that_break_their_type"]
	if broken.Outcome != "ok" || broken.ApplicationDate != "20/11/2026" || broken.HasFee || broken.Transfers[0].HasAmount {
		t.Errorf("kept %+v", broken)
	}
	if !broken.Transfers[1].HasAmount || broken.Transfers[1].Amount != 1_600 || broken.PaymentAmount != 12_200 {
		t.Errorf("kept %+v", broken.Transfers)
	}
	if v1 := got["req_sendrt_unknown_and_repeated_elements"]; v1.PaymentNote != "nota" || v1.IDPSP != "PROVPSPXXX" {
		t.Errorf("kept %+v", v1)
	}
	for name, standIn := range map[string]bool{
		"req_sendrtv2_standin_spelled_as_in_the_sanp": true,
		"req_sendrt_standin_after_the_receipt":        true,
		"req_sendrtv2_all_fields":                     true,
		"req_sendrt_all_fields":                       false,
	} {
		if r, ok := got[name]; !ok || r.StandIn != standIn {
			t.Errorf("%s: standIn %v", name, r.StandIn)
		}
	}
}

func TestAReceiptOutOfAllProportionIsBounded(t *testing.T) {
	i := slices.IndexFunc(vectors(t, "req"), func(v vector) bool { return v.name == "req_sendrt_all_fields" })
	message := vectors(t, "req")[i].message
	start, end := strings.Index(message, "<transfer>"), strings.Index(message, "</transferList>")
	entry := "<mapEntry><key>k</key><value>v</value></mapEntry>"
	message = message[:start] + strings.Repeat(message[start:end], 100) + message[end:]
	message = strings.Replace(message, "<metadata>", "<metadata>"+strings.Repeat(entry, 100), 1)
	message = strings.Replace(message, "<idPSP>", strings.Repeat("<mai/>", 100)+"<idPSP>", 1)
	r, err := DecodeRequest(message)
	if err != nil {
		t.Fatal(err)
	}
	if n, m, f := len(r.Receipt.Transfers), len(r.Receipt.Metadata), len(r.Receipt.Flags); n != 20 || m != 20 || f != 32 {
		t.Errorf("kept %d transfers, %d metadata, %d flags", n, m, f)
	}
	if r.Receipt.IDPSP == "" || r.Receipt.PaymentAmount != 12_200 {
		t.Error("lost what came after the flood")
	}
}
