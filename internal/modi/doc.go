// Package modi verifies what the security patterns of the Italian
// interoperability model (ModI, AgID's "Linee guida sull'interoperabilità
// tecnica", annex 2) put on a REST request: the voucher that PDND issued to the
// caller (ID_AUTH_REST_01, [Vouchers]) and the caller's signature over the body
// (INTEGRITY_REST_02, [Signatures]).
//
// Both are JWTs of asymmetric algorithms that are named here, never by the token.
// What is wrong with one is a [Rejection], whose words may be told to its bearer:
// they hold nothing of the token.
package modi
