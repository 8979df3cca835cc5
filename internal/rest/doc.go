// Package rest is the REST API for debt-position systems and for the operator
// who registers organizations. It translates; what a position may do is decided
// in package positions, what a notice costs in package actualize.
//
// api.yaml is the source: the routes, parameters and models of api.gen.go are
// generated from it, and who may call an operation is read from its x-access at
// start, so that the document and the service cannot disagree. A route that the
// document does not open to somebody is open to nobody.
//
// echo v4 stays inside this package; the rest of the program sees an
// [net/http.Handler]. A request passes, in this order: its id and log line
// (requests.go), the key and its limits (guard.go, keys.go, limits.go), the
// signature where one is due (integrity.go), the body (body.go), what a retry gets
// (idempotency.go), the tag of the answer (conditional.go), and the operation
// (organizations.go, apikeys.go, debtpositions.go, notices.go, receipts.go,
// missingreceipts.go, service.go; amountupdate.go, login.go and
// notificationprice.go for the façades). Every refusal ends in problem.go.
package rest
