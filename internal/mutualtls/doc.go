// Package mutualtls is TLS on a door whose callers must prove who they are: the
// Nodo calls with a certificate of pagoPA's, and nobody else is let in (SANP,
// "Modalità di integrazione": mutual authentication of the stations).
//
// The files are read again when they change, so that a certificate is renewed
// without a restart. A change that cannot be used is told and not made: the door
// goes on with what it had.
package mutualtls
