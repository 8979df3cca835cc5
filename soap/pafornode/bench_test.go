package pafornode

import (
	"encoding/xml"
	"testing"

	"github.com/attualizza/attualizza/soap/pafornode/wire"
)

// activation is a paGetPaymentV2 as the Nodo sends it, about 0.9 KB.
func activation(tb testing.TB) string {
	for _, v := range vectors(tb, "req") {
		if v.name == "req_getpaymentv2_as_the_nodo_sends_it" {
			return v.message
		}
	}
	tb.Fatal("no message")
	return ""
}

func BenchmarkDecodeRequest(b *testing.B) {
	message := activation(b)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRequest(message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRequestByEncodingXML(b *testing.B) {
	message := []byte(activation(b))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		var w wireRequest
		if err := xml.Unmarshal(message, &w); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeReceipt(b *testing.B) {
	for _, v := range vectors(b, "req") {
		if v.name == "req_sendrtv2_all_fields" {
			b.SetBytes(int64(len(v.message)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeRequest(v.message); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

func BenchmarkAppendPaymentOK(b *testing.B) {
	p := fine()
	buf := AppendPaymentOK(nil, GetPaymentV2, p)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPaymentOK(buf[:0], GetPaymentV2, p)
	}
}

func BenchmarkAppendPaymentOKByEncodingXML(b *testing.B) {
	type envelope struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    struct {
			Response *wire.PaGetPaymentV2Response `xml:"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd paGetPaymentV2Response"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	answer := AppendPaymentOK(nil, GetPaymentV2, fine())
	var e envelope
	if err := xml.Unmarshal(answer, &e); err != nil {
		b.Fatal(err)
	}
	payload := wire.Payload{Name: "paGetPaymentV2Response", Value: e.Body.Response}
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := xml.Marshal(payload); err != nil {
			b.Fatal(err)
		}
	}
}
