// Package soap is the Nodo pagoPA's door: the paForNode endpoint of a
// technological partner, SOAP 1.1 over HTTP.
//
// [Handler] starts the budget of a request when it arrives, decodes it, checks
// who it is for and translates between the Nodo's operations and package
// actualize. It decides nothing about amounts. A refusal is HTTP 200 with
// outcome KO; a receipt never gets a KO for a fault of ours, because a KO is
// final and the money would be lost: it gets HTTP 503 and the Nodo sends it
// again.
//
// Sources: SANP "API SOAP" of the EC, "Gestione degli errori" and "Best
// practice"; the contract itself is in package pafornode.
package soap
