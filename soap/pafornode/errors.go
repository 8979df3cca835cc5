package pafornode

// EnvelopeError says that a document is not a message of paForNode at all: not
// well-formed XML, not SOAP 1.1, a DTD, an empty Body, an unknown wrapper. It
// is to be answered with a SOAP Fault (Client) and HTTP 500.
type EnvelopeError struct {
	// Reason is one phrase in English without values of the message.
	Reason string
}

func (e *EnvelopeError) Error() string { return "not a paForNode message: " + e.Reason }

// ContentError says that a well-formed message with a known wrapper breaks the
// schema. It is to be answered with a KO (PAA_SINTASSI_*) and HTTP 200.
type ContentError struct {
	Operation Operation
	IDPA      string // the creditor asked, when it could be read, else ""
	Path      string // of the element, from the wrapper on: "paGetPaymentReq/qrCode/noticeNumber"
	Problem   string // what is wrong with it, without its value
}

func (e *ContentError) Error() string { return e.Path + ": " + e.Problem }

// SOAPFaultError is a SOAP 1.1 Fault that came instead of an answer.
type SOAPFaultError struct {
	Code string // faultcode without its prefix: "Client", "Server"
	Text string // faultstring
}

func (e *SOAPFaultError) Error() string { return "SOAP Fault " + e.Code + ": " + e.Text }
