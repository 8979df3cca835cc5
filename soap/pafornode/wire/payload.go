// Package wire holds the types of paForNode that gowsdl generates from the
// contract, made digestible first by internal/normalise.
//
// They are looser than the schema: they check neither order nor cardinality
// nor facets, and encoding/xml accepts with them what must be refused. The
// service does not use them. They are the reference that the codec of package
// pafornode is compared with, and they speak through the SOAP client of
// gowsdl, which is somebody else's view of the same contract.
package wire

import "encoding/xml"

// Payload writes one of the generated messages as paForNode wants it: with a
// prefix on the wrapper, so that the children, which have none, are in no
// namespace. Marshalled by itself, a message would put its children into the
// namespace of the wrapper.
type Payload struct {
	Name  string // of the wrapper: "paGetPaymentV2Request"
	Value any    // *PaGetPaymentV2Request
}

// MarshalXML implements [xml.Marshaler].
func (p Payload) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	return e.EncodeElement(p.Value, xml.StartElement{
		Name: xml.Name{Local: "pafn:" + p.Name},
		Attr: []xml.Attr{{
			Name:  xml.Name{Local: "xmlns:pafn"},
			Value: "http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd",
		}},
	})
}
