package pafornode

import (
	"sync"
	"testing"

	"github.com/attualizza/attualizza/soap/pafornode/schematest"
)

// oracle is our schema, compiled by an XSD processor that is not ours.
var oracle = sync.OnceValues(func() (*schematest.Schema, error) {
	return schematest.Compile(stored("paForNode.xsd"), stored("common-types.xsd"))
})

// validate returns what the schema has against a whole message.
func validate(tb testing.TB, message string) error {
	tb.Helper()
	schema, err := oracle()
	if err != nil {
		tb.Fatal(err)
	}
	return schema.Validate([]byte(message))
}

func TestTheSchemaCompiles(t *testing.T) {
	if _, err := oracle(); err != nil {
		t.Fatal(err)
	}
}
