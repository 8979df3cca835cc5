package positions

// Imported says what became of one position of [Store.ImportPositions].
type Imported struct {
	// AlreadyThere: the organization has a position of this iupd, and what is
	// owed by it is what the import says. It was left as it is.
	AlreadyThere bool
	// Refused says why the position was not stored: a [Conflict] that points at
	// what is taken, or [Invalid] for what no document can hold. nil: it was
	// created, or was already there.
	Refused *Error
}

// Created reports whether the import stored the position.
func (i Imported) Created() bool { return !i.AlreadyThere && i.Refused == nil }
