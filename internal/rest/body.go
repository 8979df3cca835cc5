package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

const (
	maxDepth = 32   // nesting of a body; ours need five levels
	maxItems = 1000 // of one list; ours have at most a hundred
)

// bodyBinder reads the bodies of the generated code. It is stricter than
// encoding/json, which takes AMOUNT for amount, keeps the last of two equal
// members, mends broken text and stops at the first wrong type; and it says
// everything that is wrong, at JSON pointers.
type bodyBinder struct{}

// Bind implements [echo.Binder] for bodies only.
func (bodyBinder) Bind(into any, c echo.Context) error {
	r := c.Request()
	if media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || media != echo.MIMEApplicationJSON {
		return positions.Errorf(notJSON, "send Content-Type application/json")
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	problems, err := decodeBody(data, into)
	if err != nil || len(problems) == 0 {
		return err
	}
	return invalid("the body is not valid", alsoWrong(problems, into, c.Param("organizationFiscalCode")))
}

// unreadable is a body that broke off, or one above the limit.
func unreadable(err error) error {
	var refusal *positions.Error
	if refusal = refusalOf(err); refusal.Code != positions.Internal {
		return refusal
	}
	return &positions.Error{Code: positions.Invalid, Message: "the body broke off", Err: err}
}

// alsoWrong adds what the rules of the domain say about a body whose types are
// wrong already, so that its sender hears everything at once. A value that
// could not be read is not blamed twice.
func alsoWrong(problems []positions.Problem, body any, organization string) []positions.Problem {
	var more []positions.Problem
	switch b := body.(type) {
	case *PaymentPositionInput:
		_, err := b.position(organization, time.Time{})
		var refusal *positions.Error
		if errors.As(err, &refusal) {
			more = refusal.Problems
		}
	case *OrganizationInput:
		more = b.organization(organization).Validate()
	case *APIKeyInput:
		more = b.problems()
	}
	return mergeProblems(problems, more)
}

// mergeProblems appends those of more whose pointer nobody complained about.
func mergeProblems(problems, more []positions.Problem) []positions.Problem {
	blamed := make(map[string]bool, len(problems))
	for _, p := range problems {
		blamed[p.Pointer] = true
	}
	for _, p := range more {
		if !blamed[p.Pointer] {
			problems = append(problems, p)
		}
	}
	return problems
}

// decodeBody reads a JSON object into a struct of api.gen.go. The error is for
// what is not JSON at all; problems are for values that are not what they
// should be.
func decodeBody(data []byte, into any) ([]positions.Problem, error) {
	refuse := func(format string, args ...any) ([]positions.Problem, error) {
		return nil, positions.Errorf(positions.Invalid, format, args...)
	}
	if !utf8.Valid(data) {
		return refuse("the body is not valid UTF-8")
	}
	if tooDeep(data) {
		return refuse("the body is nested deeper than %d levels", maxDepth)
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return refuse("the body is not JSON, from byte %d on", syntax.Offset)
		}
		return refuse("the body is not JSON")
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' {
		return refuse("the body must be a JSON object")
	}
	var d decoder
	d.value(raw, reflect.ValueOf(into).Elem(), "")
	return d.problems, nil
}

// tooDeep counts brackets outside of strings, before anything recurses.
func tooDeep(data []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case inString && b == '\\':
			i++
		case b == '"':
			inString = !inString
		case inString:
		case b == '{', b == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case b == '}', b == ']':
			depth--
		}
	}
	return false
}

// decoder fills values of the generated types from JSON that is known to be
// well-formed.
type decoder struct {
	problems []positions.Problem
}

func (d *decoder) add(at, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, positions.Problem{Pointer: at, Detail: fmt.Sprintf(format, args...)})
	}
}

// value reads one value. null is absence, save for the types that tell the two
// apart.
func (d *decoder) value(raw json.RawMessage, v reflect.Value, at string) {
	if d.ours(raw, v, at) || raw[0] == 'n' {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(raw, v.Elem(), at)
	case reflect.Struct:
		if raw[0] != '{' {
			d.add(at, "must be an object")
			return
		}
		d.object(raw, v, at)
	case reflect.Slice:
		if raw[0] != '[' {
			d.add(at, "must be a list")
			return
		}
		d.list(raw, v, at)
	case reflect.String:
		if text, ok := d.text(raw, at); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		if raw[0] != 't' && raw[0] != 'f' {
			d.add(at, "must be true or false")
			return
		}
		v.SetBool(raw[0] == 't')
	case reflect.Int64, reflect.Int32, reflect.Int:
		n, err := strconv.ParseInt(string(raw), 10, v.Type().Bits())
		if err != nil {
			d.add(at, "must be a whole number, without quotes, point or exponent")
			return
		}
		v.SetInt(n)
	default:
		panic("rest: a body has a member of type " + v.Type().String()) // a defect that every test of the operation shows
	}
}

// ours reads the types that have a form of their own.
func (d *decoder) ours(raw json.RawMessage, v reflect.Value, at string) bool {
	switch into := v.Addr().Interface().(type) {
	case *time.Time:
		if raw[0] == 'n' {
			return true
		}
		if text, ok := d.text(raw, at); ok {
			t, ok := parseInstant(text)
			if !ok {
				d.add(at, `must be an instant such as "2027-01-31T22:59:59Z"`)
				return true
			}
			*into = t
		}
	case *positions.Duration:
		if raw[0] != 'n' && into.UnmarshalJSON(raw) != nil {
			d.add(at, `must be a duration such as "15m"`)
		}
	case *SecretField:
		into.present = true
		if raw[0] == 'n' {
			return true
		}
		if text, ok := d.text(raw, at); ok {
			into.text = &text
			if text == "" {
				d.add(at, "must not be empty: null deletes a secret")
			}
		}
	case *NotYetField:
		// An empty list asks for nothing, and so does null.
		empty := raw[0] == '[' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
		into.present = raw[0] != 'n' && !empty
	default:
		return false
	}
	return true
}

func (d *decoder) text(raw json.RawMessage, at string) (string, bool) {
	var text string
	switch {
	case raw[0] != '"':
		d.add(at, "must be text, in quotes")
	case json.Unmarshal(raw, &text) != nil || strings.ContainsRune(text, 0):
		d.add(at, "must not contain U+0000")
	case strings.ContainsRune(text, utf8.RuneError) && !bytes.ContainsRune(raw, utf8.RuneError) && !bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`)):
		d.add(at, "has half of a surrogate pair") // encoding/json would mend it silently
	default:
		return text, true
	}
	return "", false
}

// list reads at most maxItems: more would turn a small body into much memory.
func (d *decoder) list(raw json.RawMessage, v reflect.Value, at string) {
	items := json.NewDecoder(bytes.NewReader(raw))
	_, _ = items.Token() // the opening bracket: raw is a well-formed list
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for i := 0; items.More(); i++ {
		here := at + "/" + strconv.Itoa(i)
		var item json.RawMessage
		if i == maxItems || items.Decode(&item) != nil {
			d.add(at, "has more than %d items", maxItems)
			return
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if item[0] == 'n' {
			d.add(here, "must not be null")
		} else {
			d.value(item, element, here)
		}
		v.Set(reflect.Append(v, element))
	}
}

func (d *decoder) object(raw json.RawMessage, v reflect.Value, at string) {
	fields := fieldsOf(v.Type())
	seen := make(map[string]bool, len(fields.byName))
	members := json.NewDecoder(bytes.NewReader(raw))
	_, _ = members.Token() // the opening bracket: raw is a well-formed object
	for members.More() {
		token, err := members.Token()
		var item json.RawMessage
		if err == nil {
			err = members.Decode(&item)
		}
		if err != nil {
			d.add(at, "cannot be read")
			return
		}
		name, _ := token.(string)
		f, ok := fields.byName[name]
		switch {
		case !ok:
			if hint := fields.mistyped(name); hint != "" {
				d.add(at+"/"+escapePointer(name), "%s", hint)
			}
		case seen[name]:
			d.add(at+"/"+name, "is there twice")
		default:
			seen[name] = true
			d.value(item, v.Field(f.index), at+"/"+name)
			if item[0] == 'n' && f.required {
				d.add(at+"/"+name, "is needed, and null")
			}
		}
	}
	for _, name := range fields.required {
		if !seen[name] {
			d.add(at+"/"+name, "is needed")
		}
	}
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// fields are the members that a struct of api.gen.go knows.
type fields struct {
	byName   map[string]field
	required []string
	names    []string
	gpd      bool // a body of GPD's, in which members of other versions are ignored
}

type field struct {
	index    int
	required bool
}

var fieldCache sync.Map // of reflect.Type to *fields; as many as there are body types

func fieldsOf(t reflect.Type) *fields {
	if f, ok := fieldCache.Load(t); ok {
		return f.(*fields)
	}
	f := &fields{byName: map[string]field{}}
	switch t {
	case reflect.TypeFor[PaymentPositionInput](), reflect.TypeFor[PaymentOptionInput](), reflect.TypeFor[TransferInput](),
		reflect.TypeFor[Stamp](), reflect.TypeFor[Metadata]():
		f.gpd = true
	}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		required := !strings.Contains(options, "omitempty")
		f.byName[name] = field{index: i, required: required}
		f.names = append(f.names, name)
		if required {
			f.required = append(f.required, name)
		}
	}
	actual, _ := fieldCache.LoadOrStore(t, f)
	return actual.(*fields)
}
