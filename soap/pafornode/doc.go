// Package pafornode is the language of paForNode, the SOAP interface by which
// the Nodo pagoPA asks a creditor what a notice costs and tells it that the
// notice was paid.
//
// It holds the contract (our WSDL and XSD, [WSDL] and [XSD]) and a codec
// written for it. [DecodeRequest] reads what the Nodo sends; [AppendVerifyOK],
// [AppendPaymentOK], [AppendReceiptOK], [AppendKO] and [AppendSOAPFault] write
// what a creditor answers. The other side of the conversation,
// [AppendRequest] and [DecodeResponse], serves the client command and the
// tests.
//
// # Reading
//
// A request is hostile until proven otherwise. The scanner goes once over one
// string, knows namespaces whatever the prefixes, and refuses what a payment
// endpoint has no use for: DTDs, processing instructions, other encodings than
// UTF-8, deep nesting. Above it, verify, activation and demand are held to the
// schema to the letter. Receipts are not: a refused receipt is lost money, so
// only what identifies the payment is indispensable there and everything else
// is kept as it came and flagged ([Receipt]).
//
// The strings of a decoded message are parts of the body it was read from and
// keep it in memory; clone those that are to live long.
//
// # Writing
//
// What is written is always valid against the schema. A value that the schema
// cannot carry is mended rather than refused: text is cut at its limit,
// optional fields that break their facet are left out, required ones get a
// stand-in. Only what cannot be mended without asking the citizen something
// else (amounts, beneficiaries, stamps) turns the answer into a refusal; see
// [Payment.Check]. Bodies are pure ASCII, everything else being written as
// character references, because intermediaries of the Nodo re-encode them.
//
// Sources: the published paForNode WSDL and XSD of pagoPA (SANP 3.9 to 3.13,
// which are alike), the SANP and the SOAP 1.1 note.
package pafornode

//go:generate go run ./internal/normalise -contract contract -out .
