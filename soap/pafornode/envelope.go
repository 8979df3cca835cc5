package pafornode

// openEnvelope reads up to the wrapper, the only child of Body, and returns
// its name. Header entries are passed over: paForNode defines none, and
// nothing in one could change an answer.
func (d *decoder) openEnvelope(document string) name {
	d.begin(document)
	if d.advance(); d.at != tokenStart {
		d.broken("no element")
		return name{}
	}
	switch root := d.top().name; {
	case root.local != "Envelope":
		d.broken("the root element is not a SOAP Envelope")
	case root.space != EnvelopeNamespace:
		d.broken("not a SOAP 1.1 Envelope")
	}
	d.advance()
	if d.inEnvelope("Header") {
		d.skip()
		d.advance()
	}
	if !d.inEnvelope("Body") {
		d.broken("the Envelope has no Body where it must stand")
	}
	if d.advance(); d.at == tokenEnd {
		d.broken("the Body is empty")
	}
	if d.reason != "" {
		return name{}
	}
	return d.top().name
}

func (d *decoder) inEnvelope(local string) bool {
	return d.at == tokenStart && d.reason == "" &&
		d.top().name.local == local && d.top().name.space == EnvelopeNamespace
}

// closeEnvelope reads from the end of the wrapper to the end of the document.
func (d *decoder) closeEnvelope() {
	if d.at == tokenStart {
		d.broken("the Body holds more than one element")
	}
	d.advance()
	if d.at == tokenStart {
		d.broken("an element after the Body")
	}
	d.advance()
}

// drain reads on to the end of the wrapper after a breach of the schema, to
// learn whether the document is at least well formed. It returns the idPA it
// meets on the way.
func (d *decoder) drain() (idPA string) {
	for d.depth > 2 {
		t := d.next()
		if t == tokenBroken {
			return ""
		}
		if t == tokenStart && idPA == "" && d.depth == 4 && d.top().name.local == "idPA" && d.top().name.space == "" {
			if v, ok := d.simpleContent(); ok && text35.good(v) {
				idPA = v
			}
		}
	}
	d.advance()
	return idPA
}

// result closes the envelope and returns what is wrong with the message: an
// [*EnvelopeError] before all, then a [*ContentError].
func (d *decoder) result(idPA string) error {
	if d.problem != "" {
		if found := d.drain(); idPA == "" {
			idPA = found
		}
	}
	d.closeEnvelope()
	switch {
	case d.reason != "":
		return &EnvelopeError{Reason: d.reason}
	case d.problem != "":
		return &ContentError{Operation: d.operation, IDPA: idPA, Path: d.path, Problem: d.problem}
	}
	return nil
}
