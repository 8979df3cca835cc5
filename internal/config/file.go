package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// File is the path of a YAML file of settings. As the type of a flag it adds
// the file's values to the others when the flag is given.
type File string

const (
	maxFile  = 1 << 20 // bytes; a configuration has two dozen lines
	maxDepth = 16
)

// BeforeResolve is called by kong when the flag is on the command line.
func (File) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(File))
	f, err := readFile(path)
	if err == nil {
		err = f.refuseUnknownKeys(variables(k.Model))
	}
	if err != nil {
		return fmt.Errorf("--config %s: %w", path, err)
	}
	ctx.AddResolver(f)
	return nil
}

// settings are the values of a file by key, all in lower case with dots:
// "nodo.listen".
type settings struct {
	path   string
	values map[string]setting
}

type setting struct {
	text string
	line int
	list bool
}

// fileKey is a variable's name in the file.
func fileKey(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, prefix), "_", "."))
}

func (s *settings) refuseUnknownKeys(variables []string) error {
	known := map[string]bool{}
	for _, v := range variables {
		known[fileKey(v)] = true
	}
	var unknown []string
	for key := range s.values {
		if !known[key] {
			unknown = append(unknown, fmt.Sprintf("line %d: %s: no such key", s.values[key].line, key))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("%s; --help lists the variables they come from", strings.Join(unknown, "; "))
}

// Validate was done when the file was read.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve returns the file's value for a flag whose variable is not set.
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, variable := range flag.Tag.Envs {
		value, ok := s.values[fileKey(variable)]
		if !ok || !strings.HasPrefix(variable, prefix) || os.Getenv(variable) != "" {
			continue
		}
		origin := fmt.Sprintf("%s line %d: %s", s.path, value.line, fileKey(variable))
		if value.list && !flag.IsSlice() {
			return nil, fmt.Errorf("%s: takes one value, not a list", origin)
		}
		return value.text, check(flag, value.text, origin)
	}
	return nil, nil
}

func readFile(path string) (*settings, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("larger than %v", Size(maxFile))
	}
	s := &settings{path: path, values: map[string]setting{}}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF): // an empty file sets nothing
		return s, nil
	case err != nil:
		return nil, oneLine(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	return s, s.flatten("", document.Content[0], 0)
}

// flatten turns nested maps into dotted keys; the two may be mixed.
func (s *settings) flatten(key string, n *yaml.Node, depth int) error {
	switch {
	case depth > maxDepth:
		return fmt.Errorf("line %d: nested too deep", n.Line)
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i]
			if name.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: a key must be a word", name.Line)
			}
			full := name.Value
			if key != "" {
				full = key + "." + name.Value
			}
			if err := s.flatten(full, n.Content[i+1], depth+1); err != nil {
				return err
			}
		}
		return nil
	case key == "" && n.Tag == "!!null": // only comments
		return nil
	case key == "":
		return fmt.Errorf("line %d: must be a map of keys to values", n.Line)
	}
	value := setting{line: n.Line}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		value.text = n.Value // as written: 1800ms, 256 and 4MiB need no quotes
	case n.Kind == yaml.ScalarNode:
		return fmt.Errorf(`line %d: %s: has no value; write "" for an empty one`, n.Line, key)
	case n.Kind == yaml.SequenceNode:
		var texts []string
		for _, element := range n.Content {
			if element.Kind != yaml.ScalarNode || element.Tag == "!!null" || strings.Contains(element.Value, ",") {
				return fmt.Errorf("line %d: %s: not a list of plain values", element.Line, key)
			}
			texts = append(texts, element.Value)
		}
		value.text, value.list = strings.Join(texts, ","), true
	default:
		return fmt.Errorf("line %d: %s: anchors and aliases are not understood here", n.Line, key)
	}
	if first, twice := s.values[key]; twice {
		return fmt.Errorf("line %d: %s: set already on line %d", n.Line, key, first.line)
	}
	s.values[key] = value
	return nil
}

// withoutPath spares a second mention of the path.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// oneLine flattens the messages of the YAML parser.
func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
