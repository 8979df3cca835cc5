package pafornode

// The namespaces of the messages. Only the envelope and the wrapper element
// are qualified; everything below the wrapper is in no namespace.
const (
	Namespace         = "http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd"
	EnvelopeNamespace = "http://schemas.xmlsoap.org/soap/envelope/"
)

// Operation is one of the six operations of paForNode.
type Operation uint8

// The operations. The zero Operation is none of them.
const (
	_                   Operation = iota
	VerifyPaymentNotice           // what does this notice cost?
	GetPayment                    // somebody is about to pay it, version 1
	GetPaymentV2                  // the same, version 2: stamps and company names per transfer
	SendRT                        // it was paid: the receipt, version 1
	SendRTV2                      // the same, version 2
	DemandPaymentNotice           // make a notice for a service of the catalogue
)

// names lists, for each operation, its name (which is also its SOAPAction) and
// the wrappers of its request and response. The suffixes really do differ.
var names = [...]struct{ operation, request, response string }{
	VerifyPaymentNotice: {"paVerifyPaymentNotice", "paVerifyPaymentNoticeReq", "paVerifyPaymentNoticeRes"},
	GetPayment:          {"paGetPayment", "paGetPaymentReq", "paGetPaymentRes"},
	GetPaymentV2:        {"paGetPaymentV2", "paGetPaymentV2Request", "paGetPaymentV2Response"},
	SendRT:              {"paSendRT", "paSendRTReq", "paSendRTRes"},
	SendRTV2:            {"paSendRTV2", "paSendRTV2Request", "paSendRTV2Response"},
	DemandPaymentNotice: {"paDemandPaymentNotice", "paDemandPaymentNoticeRequest", "paDemandPaymentNoticeResponse"},
}

// Operations returns the six operations.
func Operations() []Operation {
	return []Operation{VerifyPaymentNotice, GetPayment, GetPaymentV2, SendRT, SendRTV2, DemandPaymentNotice}
}

// String returns the operation's name in the WSDL, which is also its
// SOAPAction, or "unknown".
func (o Operation) String() string {
	if n := o.names().operation; n != "" {
		return n
	}
	return "unknown"
}

// RequestName and ResponseName return the local names of the operation's
// wrapper elements, in [Namespace]; empty for an unknown operation.
func (o Operation) RequestName() string { return o.names().request }

// ResponseName is described at [Operation.RequestName].
func (o Operation) ResponseName() string { return o.names().response }

// IsReceipt tells whether the operation brings a receipt, in either version.
func (o Operation) IsReceipt() bool { return o == SendRT || o == SendRTV2 }

func (o Operation) names() struct{ operation, request, response string } {
	if int(o) >= len(names) {
		return names[0]
	}
	return names[o]
}
