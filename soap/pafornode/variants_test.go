package pafornode

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/soap/pafornode/internal/variants"
)

// varied draws a message with the given wrapper and up to four changes. For a
// response, fault decides whether it begins with one.
func varied(t *rapid.T, wrapper string, fault bool) string {
	n, err := variants.Parse(variants.Sample(wrapper))
	if err != nil {
		t.Fatal(err)
	}
	if !fault {
		n.Children = slices.DeleteFunc(n.Children, func(c *variants.Node) bool { return c.Name == "fault" })
	}
	// rapid draws small numbers more often than others; the values to choose
	// from are all worth the same.
	dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		variants.Vary(n, dice.IntN)
	}
	return variants.Enveloped(n.String())
}

func TestTheSamplesAreComplete(t *testing.T) {
	for _, wrapper := range variants.Wrappers() {
		if err := validate(t, variants.Enveloped(variants.Sample(wrapper))); err != nil {
			t.Errorf("%s: %v", wrapper, err)
		}
	}
}

// A changed wrapper name is the only change that makes of a message no message.
func assertJudgedAsBySchema(t *rapid.T, tb testing.TB, message string, accepted bool, err error) {
	var envelope *EnvelopeError
	if errors.As(err, &envelope) && !strings.Contains(envelope.Reason, "the Body holds no re") &&
		envelope.Reason != "elements nested too deep" {
		t.Fatalf("a well-formed message is not XML: %v: %s", err, message)
	}
	if invalid := validate(tb, message); accepted != (invalid == nil) {
		t.Fatalf("accepted: %v (%v); by the schema: %v\n%s", accepted, err, invalid, message)
	}
}

func TestRequestsAreHeldToTheSchemaToTheLetter(t *testing.T) {
	for _, wrapper := range []string{"paVerifyPaymentNoticeReq", "paGetPaymentReq", "paGetPaymentV2Request", "paDemandPaymentNoticeRequest"} {
		t.Run(wrapper, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				message := varied(rt, wrapper, false)
				_, err := DecodeRequest(message)
				assertJudgedAsBySchema(rt, t, message, err == nil, err)
				assertReadAlike(t, message)
			})
		})
	}
}

// A receipt is without flags exactly when the schema accepts it, but for an
// empty receiptId, which the schema lets pass.
func TestReceiptsAreFlaggedWhereTheSchemaWouldRefuseThem(t *testing.T) {
	for _, wrapper := range []string{"paSendRTReq", "paSendRTV2Request"} {
		t.Run(wrapper, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				message := varied(rt, wrapper, false)
				r, err := DecodeRequest(message)
				if err != nil && strings.Contains(err.Error(), "receiptId: is empty") ||
					err != nil && strings.Contains(err.Error(), "receiptId: is longer") ||
					err == nil && strings.Count(message, "<standIn>") != 1 {
					return
				}
				assertJudgedAsBySchema(rt, t, message, err == nil && len(r.Receipt.Flags) == 0, err)
				assertReadAlike(t, message)
			})
		})
	}
}

// What the Nodo refuses beyond the schema.
var beyondTheSchema = []string{
	"fault: stands in an OK", "fault: is missing in a KO", "stands in a KO", "is not the sum of the transfers",
	"/paymentList: is missing", "/paymentDescription: is missing", "Res/fiscalCodePA: is missing", "Response/fiscalCodePA: is missing",
	"Res/companyName: is missing", "Response/companyName: is missing", "/data: is missing",
}

func TestResponsesAreHeldToTheSchemaToTheLetter(t *testing.T) {
	for _, wrapper := range []string{"paVerifyPaymentNoticeRes", "paGetPaymentRes", "paGetPaymentV2Response", "paSendRTRes", "paDemandPaymentNoticeResponse"} {
		t.Run(wrapper, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				message := varied(rt, wrapper, rapid.Bool().Draw(rt, "fault"))
				_, err := DecodeResponse(message)
				for _, rule := range beyondTheSchema {
					if err != nil && strings.Contains(err.Error(), rule) {
						return
					}
				}
				assertJudgedAsBySchema(rt, t, message, err == nil, err)
			})
		})
	}
}
