package schematest_test

import (
	"bytes"
	"testing"

	"github.com/attualizza/attualizza/soap/pafornode"
	"github.com/attualizza/attualizza/soap/pafornode/schematest"
)

func schemas(t *testing.T) map[string]*schematest.Schema {
	t.Helper()
	payload, _ := pafornode.XSD("paForNode.xsd")
	common, _ := pafornode.XSD("common-types.xsd")
	ours, err := schematest.Compile(payload, common)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*schematest.Schema{"ours": ours}
	published, from, err := schematest.Published()
	if err != nil {
		t.Fatal(err)
	}
	if published == nil {
		t.Log("pagoPA's own schema is not at hand: judged by ours alone")
	} else {
		t.Log("judged by pagoPA's own schema too, from", from)
		found["pagoPA's"] = published
	}
	return found
}

func TestAnAnswerIsValidAndADamagedOneIsNot(t *testing.T) {
	answer := pafornode.AppendKO(nil, pafornode.GetPaymentV2, &pafornode.Fault{Code: "PAA_SYSTEM_ERROR", String: "Errore generico.", ID: "77777777777"})
	for name, schema := range schemas(t) {
		if err := schema.Validate(answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for what, damaged := range map[string][]byte{
			"no XML":              answer[:len(answer)-1],
			"an unknown wrapper":  bytes.ReplaceAll(answer, []byte("paGetPaymentV2Response"), []byte("paGetPaymentV3Response")),
			"an unknown outcome":  bytes.ReplaceAll(answer, []byte(">KO<"), []byte(">NO<")),
			"an unknown envelope": bytes.ReplaceAll(answer, []byte("schemas.xmlsoap.org/soap/envelope/"), []byte("www.w3.org/2003/05/soap-envelope")),
		} {
			if bytes.Equal(damaged, answer) {
				t.Fatalf("%s: nothing was damaged", what)
			}
			if schema.Validate(damaged) == nil {
				t.Errorf("%s accepts %s", name, what)
			}
		}
	}
}

func TestAReferenceThatLeadsNowhereIsAnError(t *testing.T) {
	t.Setenv("ATTUALIZZA_REFERENCE", t.TempDir())
	if _, _, err := schematest.Published(); err == nil {
		t.Error("a directory without schemas was accepted")
	}
}
