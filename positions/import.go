package positions

// Imported says what became of one position of [Store.ImportPositions].
type Imported struct {
	// AlreadyThere: the organization has a position of this iupd, and what is
	// owed by it is what the import says. It was left as it is.
	AlreadyThere bool
	// Draft: it is AlreadyThere as a DRAFT, and stays one.
	Draft bool
	// Published: it was there as a DRAFT, just as the import says, and became
	// payable as the import says.
	Published bool
	// Refused says why the position was not stored: a [Conflict] that points at
	// what is taken, or [Invalid] for what no document can hold. nil: it was
	// created, published, or was already there.
	Refused *Error
}

// Created reports whether the import stored the position as a new one.
func (i Imported) Created() bool { return !i.AlreadyThere && !i.Published && i.Refused == nil }
