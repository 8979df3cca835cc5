package pafornode

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lestrrat-go/helium"
	"github.com/lestrrat-go/helium/xsd"
)

// oracle compiles our schema, and a schema of the envelope around it, with an
// XSD processor that is not ours.
var oracle = sync.OnceValues(func() (*xsd.Schema, error) {
	dir, err := os.MkdirTemp("", "pafornode-oracle")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, path := range []string{"contract/paForNode.xsd", "contract/common-types.xsd", "testdata/envelope.xsd"} {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o600); err != nil {
			return nil, err
		}
	}
	return xsd.NewCompiler().FS(helium.PermissiveFS()).CompileFile(context.Background(), filepath.Join(dir, "envelope.xsd"))
})

// validate returns what the schema has against a whole message.
func validate(tb testing.TB, message string) error {
	tb.Helper()
	schema, err := oracle()
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := helium.NewParser().Parse(context.Background(), []byte(message))
	if err != nil {
		return err
	}
	var complaints complaints
	if err := xsd.NewValidator(schema).ErrorHandler(&complaints).Validate(context.Background(), doc); err != nil {
		return errors.New(err.Error() + ": " + strings.Join(complaints, "; "))
	}
	return nil
}

type complaints []string

func (c *complaints) Handle(_ context.Context, err error) { *c = append(*c, err.Error()) }

func TestTheSchemaCompiles(t *testing.T) {
	if _, err := oracle(); err != nil {
		t.Fatal(err)
	}
}
