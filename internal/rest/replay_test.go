package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// exchange is one request to GPD's API and what the answer to it must be. Those
// of a file are played in order, in a house of their own; ${name} stands for
// what an earlier one captured.
type exchange struct {
	It string // what it shows
	// Send is method and path, with the query.
	Send    string
	Key     string // of house.keys; writer when left out, none for "-"
	Headers map[string]string
	Body    any    // JSON
	Raw     string // instead of Body: what need not be JSON
	// Lenient marks a request that GPD takes and api.yaml does not promise to.
	Lenient bool
	// Advance moves the clock before the request.
	Advance time.Duration
	// SEND is the status that SEND answers from here on, with a price when it is
	// 200; 0: as before.
	SEND int `yaml:"SEND"`

	Status int
	// Answer is what the body must hold: see [mismatches]. Members that it does not
	// name may have any value.
	Answer any
	// Capture keeps a header, or the value at a JSON pointer, under a name.
	Capture map[string]string
}

// recorded is when the exchanges begin, so that their dates never become past.
var recorded = time.Date(2027, 3, 2, 9, 0, 0, 0, time.UTC)

func readExchanges(t *testing.T, path string) []exchange {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	var all []exchange
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d exchanges, %v", path, len(all), err)
	}
	return all
}

// TestGPDsExchanges replays what GPD's published definition says that GPD does,
// against us, on both stores.
func TestGPDsExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/gpd/*.yaml")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there are no exchanges")
	}
	definition := readDefinition(t)
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			for _, file := range files {
				all := readExchanges(t, file)
				t.Run(filepath.Base(file), func(t *testing.T) {
					h := openHouseOn(t, open).furnish(t)
					h.clock.Store(int64(time.Until(recorded)))
					captured := map[string]string{}
					for _, x := range all {
						if ok := t.Run(x.It, func(t *testing.T) { h.replay(t, x, captured, definition) }); !ok {
							t.FailNow() // the rest builds on it
						}
					}
				})
			}
			definition.holdToCoverage(t)
		})
	}
}

func (h *house) replay(t *testing.T, x exchange, captured map[string]string, definition *definition) {
	t.Helper()
	h.clock.Add(int64(x.Advance))
	switch x.SEND {
	case 0:
	case 200:
		h.send.Store(sendAnswers(200, sendPrice))
	default:
		h.send.Store(sendAnswers(x.SEND, `{}`))
	}
	method, path, ok := strings.Cut(insert(t, x.Send, captured), " ")
	if !ok {
		t.Fatalf("send: %q is not a method and a path", x.Send)
	}
	c := call{method: method, path: path, key: x.Key, body: insert(t, x.Raw, captured), lenient: x.Lenient, header: http.Header{}}
	switch x.Key {
	case "":
		c.key = "writer"
	case "-":
		c.key = ""
	}
	if x.Body != nil {
		body, err := json.Marshal(x.Body)
		must(t, err)
		c.body = insert(t, string(body), captured)
	}
	for name, value := range x.Headers {
		c.header.Set(name, insert(t, value, captured))
	}
	a := h.do(t, c)
	if a.status != x.Status {
		t.Fatalf("%s: status %d, want %d: %s", x.Send, a.status, x.Status, a.body)
	}
	var got any
	if len(bytes.TrimSpace(a.body)) > 0 {
		d := json.NewDecoder(bytes.NewReader(a.body))
		d.UseNumber()
		must(t, d.Decode(&got))
	}
	if x.Answer != nil {
		want, err := json.Marshal(x.Answer)
		must(t, err)
		d := json.NewDecoder(strings.NewReader(insert(t, string(want), captured)))
		d.UseNumber()
		var expected any
		must(t, d.Decode(&expected))
		for _, difference := range mismatches("", expected, got) {
			t.Errorf("%s: %s", x.Send, difference)
		}
	}
	if err := definition.judge(method, path, a); err != nil {
		t.Errorf("%s: %v\n%s", x.Send, err, a.body)
	}
	for name, from := range x.Capture {
		value := a.header.Get(from)
		if strings.HasPrefix(from, "/") {
			found, there := at(got, from)
			if !there {
				t.Fatalf("%s: nothing at %s to capture in %s", x.Send, from, a.body)
			}
			value = fmt.Sprint(found)
		}
		if value == "" {
			t.Fatalf("%s: no %s to capture", x.Send, from)
		}
		captured[name] = value
	}
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

// insert fills in what was captured. In a JSON text the values need no escaping:
// they are ids, numbers and tags without their quotes.
func insert(t *testing.T, text string, captured map[string]string) string {
	t.Helper()
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		value, ok := captured[variable.FindStringSubmatch(v)[1]]
		if !ok {
			t.Fatalf("%s was not captured", v)
		}
		return value
	})
}

// at returns the value at a JSON pointer.
func at(v any, pointer string) (any, bool) {
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch in := v.(type) {
		case map[string]any:
			member, ok := in[step]
			if !ok {
				return nil, false
			}
			v = member
		case []any:
			var i int
			if _, err := fmt.Sscanf(step, "%d", &i); err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// mismatches lists where an answer is not what is wanted: objects hold at least
// the members named, lists have as many items, other values are equal. Instead
// of a value there may be
//
//	<date>    an instant, RFC 3339 in UTC
//	<text>    a text that is not empty
//	<number>  a whole number
//	<absent>  no such member
func mismatches(where string, want, got any) (all []string) {
	wrong := func(format string, args ...any) []string {
		if where == "" {
			where = "the body"
		}
		return append(all, where+": "+fmt.Sprintf(format, args...))
	}
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return wrong("%v is no object", got)
		}
		for name, value := range want {
			member, there := object[name]
			switch {
			case value == "<absent>" && there:
				all = append(all, fmt.Sprintf("%s/%s: is there, %v", where, name, member))
			case value == "<absent>":
			case !there:
				all = append(all, fmt.Sprintf("%s/%s: is not there", where, name))
			default:
				all = append(all, mismatches(where+"/"+name, value, member)...)
			}
		}
		return all
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return wrong("%v is no list of %d", got, len(want))
		}
		for i := range want {
			all = append(all, mismatches(fmt.Sprintf("%s/%d", where, i), want[i], list[i])...)
		}
		return all
	}
	text, isText := got.(string)
	switch want {
	case "<date>":
		if when, err := time.Parse(time.RFC3339, text); err != nil || when.Location() != time.UTC {
			return wrong("%v is no instant in UTC", got)
		}
	case "<text>":
		if !isText || text == "" {
			return wrong("%v is no text", got)
		}
	case "<number>":
		if n, ok := got.(json.Number); !ok || strings.ContainsAny(n.String(), ".eE") {
			return wrong("%v is no whole number", got)
		}
	default:
		if want != got {
			return wrong("is %v, want %v", got, want)
		}
	}
	return nil
}

func TestTheReplayerSeesWhatDiffers(t *testing.T) {
	read := func(text string) (v any) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		must(t, d.Decode(&v))
		return v
	}
	const got = `{"a": 1, "b": [{"c": "x"}, {"c": ""}], "d": "2031-01-31T10:00:00.5Z", "e": null, "f": true}`
	for want, differ := range map[string]bool{
		`{"a": 1, "b": [{"c": "x"}, {}], "f": true}`:        false,
		`{"a": "<number>", "d": "<date>", "g": "<absent>"}`: false,
		`{"b": [{"c": "<text>"}, {"c": ""}], "e": null}`:    false,
		`{"a": 2}`:                     true,
		`{"a": "1"}`:                   true,
		`{"a": "<absent>"}`:            true,
		`{"e": "<absent>"}`:            true,
		`{"b": [{}]}`:                  true,
		`{"b": [{}, {"c": "<text>"}]}`: true,
		`{"d": "<number>"}`:            true,
		`{"a": "<date>"}`:              true,
		`{"g": "<text>"}`:              true,
		`{"a": {"b": 1}}`:              true,
		`[]`:                           true,
		`{"f": "true"}`:                true,
	} {
		if found := mismatches("", read(want), read(got)); len(found) > 0 != differ {
			t.Errorf("%s: %q", want, found)
		}
	}
}
