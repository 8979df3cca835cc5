// Package schematest holds whole paForNode messages to a schema, with an XSD
// processor that is not ours: the oracle of every test that sees a message.
//
// The schema is the repository's own, or the one that pagoPA publishes, where a
// copy of it is at hand (it carries no licence, so none is kept here).
package schematest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/lestrrat-go/helium"
	"github.com/lestrrat-go/helium/xsd"
)

// As much of the SOAP 1.1 envelope as is needed to judge a whole message.
//
//go:embed envelope.xsd
var envelope []byte

// Schema is a compiled schema of paForNode with the envelope around it. It is
// safe for concurrent use.
type Schema struct{ compiled *xsd.Schema }

var schemaLocation = regexp.MustCompile(`schemaLocation="[^"]*"`)

// Compile compiles the schema of the payload and the common types that it
// imports, wherever it says that they are.
func Compile(payload, common []byte) (*Schema, error) {
	dir, err := os.MkdirTemp("", "paForNode")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// The processor follows imports within one directory only.
	payload = schemaLocation.ReplaceAll(payload, []byte(`schemaLocation="common-types.xsd"`))
	for name, content := range map[string][]byte{"envelope.xsd": envelope, "paForNode.xsd": payload, "common-types.xsd": common} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	compiled, err := xsd.NewCompiler().FS(helium.PermissiveFS()).CompileFile(context.Background(), filepath.Join(dir, "envelope.xsd"))
	if err != nil {
		return nil, err
	}
	return &Schema{compiled}, nil
}

// Validate returns what the schema has against a message, nil for nothing.
func (s *Schema) Validate(message []byte) error {
	doc, err := helium.NewParser().Parse(context.Background(), message)
	if err != nil {
		return err
	}
	var said complaints
	if err := xsd.NewValidator(s.compiled).ErrorHandler(&said).Validate(context.Background(), doc); err != nil {
		return errors.New(err.Error() + ": " + strings.Join(said, "; "))
	}
	return nil
}

type complaints []string

func (c *complaints) Handle(_ context.Context, err error) { *c = append(*c, err.Error()) }

// Published compiles the schema that pagoPA publishes, from the directory named
// by ATTUALIZZA_REFERENCE (a checkout of pagopa/pagopa-api, or its folders wsdl
// and xsd-common) or, without it, from shared/reference beside a directory
// above the working one. It returns a nil schema when there is neither, and an
// error when the variable leads nowhere.
func Published() (schema *Schema, directory string, err error) {
	directory, found, err := reference()
	if err != nil || !found {
		return nil, directory, err
	}
	payload, err := os.ReadFile(filepath.Join(directory, payloadPath))
	if err != nil {
		return nil, directory, err
	}
	common, err := os.ReadFile(filepath.Join(directory, "xsd-common", "sac-common-types-1.0.xsd"))
	if err != nil {
		return nil, directory, err
	}
	schema, err = Compile(payload, common)
	return schema, directory, err
}

const payloadPath = "wsdl/xsd/paForNode.xsd"

func reference() (directory string, found bool, err error) {
	has := func(dir string) bool { _, err := os.Stat(filepath.Join(dir, payloadPath)); return err == nil }
	if given := os.Getenv("ATTUALIZZA_REFERENCE"); given != "" {
		if !has(given) {
			return given, false, fmt.Errorf("ATTUALIZZA_REFERENCE: %s holds no %s", given, payloadPath)
		}
		return given, true, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", false, err
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if near := filepath.Join(parent, "shared", "reference"); has(near) {
			return near, true, nil
		}
	}
	return "", false, nil
}
