package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// maxItems bounds one list of a body: more would turn a small body into much
// memory. Ours have at most a hundred.
const maxItems = 1000

// decoder fills values of the generated types from text that is known to be
// well-formed JSON, and collects what is wrong with them.
type decoder struct {
	path     []step
	problems []positions.Problem
}

// step is a member, or an item when name is empty.
type step struct {
	name  string
	index int
}

func (d *decoder) enter(name string, index int) { d.path = append(d.path, step{name, index}) }
func (d *decoder) leave()                       { d.path = d.path[:len(d.path)-1] }

// full reports whether enough problems were found to tell.
func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

// add complains about the value that the decoder is at.
func (d *decoder) add(format string, args ...any) {
	if d.full() {
		return
	}
	var pointer strings.Builder
	for _, s := range d.path {
		pointer.WriteByte('/')
		if s.name == "" {
			pointer.WriteString(strconv.Itoa(s.index))
		} else {
			pointer.WriteString(escapePointer(s.name))
		}
	}
	d.problems = append(d.problems, positions.Problem{Pointer: pointer.String(), Detail: fmt.Sprintf(format, args...)})
}

// value reads one value. null is absence, save for the types that tell the two
// apart.
func (d *decoder) value(raw []byte, v reflect.Value) {
	if d.ours(raw, v) || raw[0] == 'n' {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(raw, v.Elem())
	case reflect.Struct:
		if raw[0] != '{' {
			d.add("must be an object")
			return
		}
		d.object(raw, v)
	case reflect.Slice:
		if raw[0] != '[' {
			d.add("must be a list")
			return
		}
		d.list(raw, v)
	case reflect.String:
		if text, ok := d.text(raw); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		if raw[0] != 't' && raw[0] != 'f' {
			d.add("must be true or false")
			return
		}
		v.SetBool(raw[0] == 't')
	case reflect.Int64, reflect.Int32, reflect.Int:
		n, err := strconv.ParseInt(string(raw), 10, v.Type().Bits())
		if err != nil {
			d.add("must be a whole number, without quotes, point or exponent")
			return
		}
		v.SetInt(n)
	default:
		panic("rest: a body has a member of type " + v.Type().String()) // a defect that every test of the operation shows
	}
}

// ours reads the types that have a form of their own.
func (d *decoder) ours(raw []byte, v reflect.Value) bool {
	switch into := v.Addr().Interface().(type) {
	case *time.Time:
		if raw[0] == 'n' {
			return true
		}
		if text, ok := d.text(raw); ok {
			t, ok := parseInstant(text)
			if !ok {
				d.add(`must be an instant such as "2027-01-31T22:59:59Z"`)
				return true
			}
			*into = t
		}
	case *positions.Duration:
		if raw[0] != 'n' && into.UnmarshalJSON(raw) != nil {
			d.add(`must be a duration such as "15m"`)
		}
	case *SecretField:
		into.present = true
		if raw[0] == 'n' {
			return true
		}
		if text, ok := d.text(raw); ok {
			into.text = &text
			if text == "" {
				d.add("must not be empty: null deletes a secret")
			}
		}
	case *PublicKeysField:
		if raw[0] != 'n' && !into.read(raw) {
			d.add("must be a JWK set or a list of JWKs")
		}
	case *FeeField:
		text, ok := string(raw), true
		if raw[0] == '"' {
			text, ok = d.text(raw)
		}
		if ok && raw[0] != 'n' {
			cents, err := strconv.ParseUint(text, 10, 64)
			if err != nil || cents > uint64(money.Max) {
				d.add("must be a number of cents, at most %d", money.Max)
				return true
			}
			into.cents = money.Cents(cents)
		}
	case *calendar.Day:
		d.day(raw, into)
	case *rules.Rate:
		parseNumber(d, raw, into, rules.ParseRate)
	case *AnnualRateField:
		parseNumber(d, raw, into, parseAnnualRate)
	default:
		return false
	}
	return true
}

// day reads a calendar day; null leaves it unknown.
func (d *decoder) day(raw []byte, into *calendar.Day) {
	if raw[0] == 'n' {
		return
	}
	if text, ok := d.text(raw); ok {
		day, err := calendar.Parse(text)
		if err != nil {
			d.add(`must be a day such as "2026-12-28"`)
			return
		}
		*into = day
	}
}

// parseNumber reads a number that is written as text. A JSON number is taken too,
// by its digits: a float would round it.
func parseNumber[T any](d *decoder, raw []byte, into *T, parse func(string) (T, error)) {
	text, ok := string(raw), true
	if raw[0] == '"' {
		text, ok = d.text(raw)
	}
	if !ok {
		return
	}
	number, err := parse(text)
	if err != nil {
		d.add("%v", err)
		return
	}
	*into = number
}

// text reads a string; the body as a whole is valid UTF-8 already.
func (d *decoder) text(raw []byte) (string, bool) {
	if raw[0] != '"' {
		d.add("must be text, in quotes")
		return "", false
	}
	text, ok := unquote(raw)
	switch {
	case !ok:
		d.add("has half of a surrogate pair") // encoding/json would mend it silently
	case strings.ContainsRune(text, 0):
		d.add("must not contain U+0000")
		ok = false
	}
	return text, ok
}

// unquote returns the text of a JSON string. It is not ok when an escape stands
// for half of a character.
func unquote(raw []byte) (text string, ok bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", false
	}
	mended := strings.Count(text, string(utf8.RuneError)) -
		bytes.Count(raw, []byte(string(utf8.RuneError))) - bytes.Count(bytes.ToLower(raw), []byte(`\ufffd`))
	return text, mended <= 0
}

func (d *decoder) list(raw []byte, v reflect.Value) {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for i, next := 0, 1; ; i++ {
		at := skipSpace(raw, next)
		if raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
		if raw[at] == ']' {
			return
		}
		if i == maxItems {
			d.add("has more than %d items", maxItems)
			return
		}
		next = skipValue(raw, at)
		d.enter("", i)
		element := reflect.New(v.Type().Elem()).Elem()
		if raw[at] == 'n' {
			d.add("must not be null")
		} else {
			d.value(raw[at:next], element)
		}
		v.Set(reflect.Append(v, element))
		d.leave()
	}
}

func (d *decoder) object(raw []byte, v reflect.Value) {
	fields := fieldsOf(v.Type())
	var seen uint64 // by index of the field
	for next := 1; ; {
		at := skipSpace(raw, next)
		if raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
		if raw[at] == '}' {
			break
		}
		end := skipValue(raw, at)
		name, _ := unquote(raw[at:end])
		at = skipSpace(raw, skipSpace(raw, end)+1) // past the colon
		next = skipValue(raw, at)
		item := raw[at:next]

		f, known := fields.byName[name]
		d.enter(name, 0)
		switch {
		case !known:
			if !d.full() {
				if hint := fields.mistyped(name); hint != "" {
					d.add("%s", hint)
				}
			}
		case seen&(1<<f.index) != 0:
			d.add("is there twice")
		default:
			seen |= 1 << f.index
			d.value(item, v.Field(f.index))
			if item[0] == 'n' && f.required && !f.nullable {
				d.add("is needed, and null")
			}
		}
		d.leave()
	}
	for _, f := range fields.required {
		if seen&(1<<f.index) == 0 {
			d.enter(f.name, 0)
			d.add("is needed")
			d.leave()
		}
	}
}

// skipSpace returns the first position from i on that is not white space.
func skipSpace(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns where the value that begins at i ends. It relies on the
// text being well-formed.
func skipValue(data []byte, i int) int {
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default: // of a number or a word, or between values
			if depth > 0 {
				continue
			}
			for i+1 < len(data) && !bytes.ContainsRune([]byte(",]} \t\n\r"), rune(data[i+1])) {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(data)
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// fields are the members that a struct of api.gen.go knows, at most 64.
type fields struct {
	byName   map[string]field
	required []field
	names    []string
	gpd      bool // a body of GPD's, in which members of other versions are ignored
	closed   bool // an order or a rule, of which nothing may be ignored: "untill" would block, or reduce, for ever
}

type field struct {
	name     string
	index    int
	required bool
	nullable bool // by api.yaml, null says something of its own
}

var fieldCache sync.Map // of reflect.Type to *fields; as many as there are body types

func fieldsOf(t reflect.Type) *fields {
	if f, ok := fieldCache.Load(t); ok {
		return f.(*fields)
	}
	f := &fields{byName: map[string]field{}}
	switch t {
	case reflect.TypeFor[PaymentPositionInput](), reflect.TypeFor[PaymentOptionInput](), reflect.TypeFor[TransferInput](),
		reflect.TypeFor[Stamp](), reflect.TypeFor[Metadata](),
		reflect.TypeFor[PayPaymentOption](), reflect.TypeFor[AlreadyPaidPaymentOption](), reflect.TypeFor[NotificationFeeUpdate](),
		reflect.TypeFor[PaymentPositionsInput](), reflect.TypeFor[IupdsInput](), reflect.TypeFor[IbanChangeInput]():
		f.gpd = true
	case reflect.TypeFor[ReasonInput](), reflect.TypeFor[BlockInput](), reflect.TypeFor[HandoverInput](),
		reflect.TypeFor[AmountInput](), reflect.TypeFor[TransferAmountInput](), reflect.TypeFor[ComponentAmountInput](),
		reflect.TypeFor[PostponementInput](), reflect.TypeFor[PostponedTerm](),
		reflect.TypeFor[Component](), reflect.TypeFor[AmountRule](), reflect.TypeFor[Term](), reflect.TypeFor[AmountEffect]():
		f.closed = true
	}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		member := field{name: name, index: i, required: !strings.Contains(options, "omitempty"), nullable: t.Field(i).Type.Kind() == reflect.Pointer}
		f.byName[name] = member
		f.names = append(f.names, name)
		if member.required {
			f.required = append(f.required, member)
		}
	}
	actual, _ := fieldCache.LoadOrStore(t, f)
	return actual.(*fields)
}
