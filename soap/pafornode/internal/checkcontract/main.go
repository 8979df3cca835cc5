// Command checkcontract shows that our schema of paForNode and the one that
// pagoPA publishes accept and refuse the same messages, and that our WSDL
// offers the same service.
//
// Our files are written from the facts of the interface, since the published
// ones come without a licence; this is the proof that nothing was lost. Both
// schemas are compiled by the same XSD processor and asked about the same
// messages: full samples of the twelve wrappers, every one-step removal,
// repetition and swap of their elements, every interesting value in every
// leaf, and random combinations of all that. One disagreement fails the check.
//
//	go run ./soap/pafornode/internal/checkcontract -reference DIR
//
// DIR is a checkout of pagopa/pagopa-api, or just its wsdl and xsd-common
// folders.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/lestrrat-go/helium"
	"github.com/lestrrat-go/helium/xsd"

	"github.com/attualizza/attualizza/soap/pafornode"
	"github.com/attualizza/attualizza/soap/pafornode/internal/variants"
)

func main() {
	reference := flag.String("reference", "", "directory with wsdl/ and xsd-common/ of pagopa/pagopa-api (required)")
	random := flag.Int("random", 2000, "random variants per wrapper")
	seed := flag.Uint64("seed", 1, "seed of the random variants")
	flag.Parse()
	if *reference == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(os.Stdout, *reference, *random, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "checkcontract:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, reference string, random int, seed uint64) error {
	dir, err := os.MkdirTemp("", "checkcontract")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours, theirs, err := files(reference)
	if err != nil {
		return err
	}
	for _, f := range append(ours, theirs...) {
		fmt.Fprintf(out, "%x  %s\n", sha256.Sum256(f.content), f.label)
	}
	own, err := compile(filepath.Join(dir, "ours"), ours)
	if err != nil {
		return fmt.Errorf("our schema: %w", err)
	}
	published, err := compile(filepath.Join(dir, "published"), theirs)
	if err != nil {
		return fmt.Errorf("the published schema: %w", err)
	}
	if err := compareServices(out, ours[0].content, theirs[0].content); err != nil {
		return err
	}
	return compareSchemas(out, own, published, variants.Wrappers(), random, seed)
}

// A file is one of the three of a contract: WSDL, payload schema, common types.
type file struct {
	label, name string
	content     []byte
}

// files reads both contracts. The published schemas lie in folders of their
// own and import each other by relative paths, which the XSD processor does
// not follow out of a folder: they are put side by side.
func files(reference string) (ours, theirs []file, err error) {
	payload, _ := pafornode.XSD("paForNode.xsd")
	common, _ := pafornode.XSD("common-types.xsd")
	ours = []file{
		{"ours       paForNode.wsdl", "paForNode.wsdl", pafornode.WSDL("http://localhost:8080/soap/paForNode")},
		{"ours       paForNode.xsd", "paForNode.xsd", payload},
		{"ours       common-types.xsd", "common-types.xsd", common},
	}
	for i := range ours { // served with ?xsd=, here the files lie side by side
		ours[i].content = []byte(strings.ReplaceAll(string(ours[i].content), "?xsd=", ""))
	}
	for _, path := range []string{"wsdl/paForNode.wsdl", "wsdl/xsd/paForNode.xsd", "xsd-common/sac-common-types-1.0.xsd"} {
		b, err := os.ReadFile(filepath.Join(reference, path))
		if err != nil {
			return nil, nil, err
		}
		theirs = append(theirs, file{"published  " + path, filepath.Base(path), b})
	}
	return ours, theirs, nil
}

func compile(dir string, files []file) (*xsd.Schema, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	for _, f := range files {
		content := strings.ReplaceAll(string(f.content), "../../xsd-common/", "")
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return xsd.NewCompiler().FS(helium.PermissiveFS()).
		CompileFile(context.Background(), filepath.Join(dir, "paForNode.xsd"))
}

// compareSchemas asks both schemas about the same messages and fails when they
// disagree on one.
func compareSchemas(out io.Writer, own, published *xsd.Schema, wrappers []string, random int, seed uint64) error {
	dice := rand.New(rand.NewPCG(seed, 0))
	var total, accepted, disagreed int
	ctx := context.Background()
	fmt.Fprintf(out, "\n%-32s %9s %9s %9s %9s\n", "wrapper", "messages", "accepted", "refused", "disagree")
	for _, wrapper := range wrappers {
		sample, err := variants.Parse(variants.Sample(wrapper))
		if err != nil {
			return err
		}
		messages := variants.Every(sample)
		for range random {
			n := sample.Clone()
			for range 1 + dice.IntN(4) {
				variants.Vary(n, dice.IntN)
			}
			messages = append(messages, n.String())
		}
		var yes, differ int
		for _, m := range messages {
			doc, err := helium.NewParser().Parse(ctx, []byte(m))
			if err != nil {
				return fmt.Errorf("a variant is not well formed: %w: %s", err, m)
			}
			a := xsd.NewValidator(own).Validate(ctx, doc) == nil
			b := xsd.NewValidator(published).Validate(ctx, doc) == nil
			if a {
				yes++
			}
			if a != b {
				if differ++; disagreed+differ <= 5 {
					fmt.Fprintf(out, "ours accepts: %v, the published one: %v: %s\n", a, b, m)
				}
			}
		}
		fmt.Fprintf(out, "%-32s %9d %9d %9d %9d\n", wrapper, len(messages), yes, len(messages)-yes, differ)
		total, accepted, disagreed = total+len(messages), accepted+yes, disagreed+differ
	}
	fmt.Fprintf(out, "%-32s %9d %9d %9d %9d\n", "all", total, accepted, total-accepted, disagreed)
	if disagreed > 0 {
		return errors.New("the schemas disagree")
	}
	return nil
}
