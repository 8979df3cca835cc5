package pafornode

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// messages is where the message files live; other packages use them too.
const messages = "../../testdata/soap"

// vector is a message file. Its first line is a comment that says what is to
// be made of it:
//
//	<!-- expect: accepted -->
//	<!-- expect: accepted, flags: PATH: PROBLEM | PATH: PROBLEM -->
//	<!-- expect: content, PATH: PROBLEM -->
//	<!-- expect: envelope, REASON -->
type vector struct {
	name, verdict, detail, message string
}

// vectors reads the message files of a kind, "req" or "res".
func vectors(tb testing.TB, kind string) []vector {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(messages, kind+"_*.xml"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no message files: %v", err)
	}
	var all []vector
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		first, message, _ := strings.Cut(string(b), "\n")
		first, ok := strings.CutPrefix(first, "<!-- expect: ")
		expect, closed := strings.CutSuffix(first, " -->")
		if !ok || !closed {
			tb.Fatalf("%s does not say what to expect", path)
		}
		verdict, detail, _ := strings.Cut(expect, ", ")
		all = append(all, vector{strings.TrimSuffix(filepath.Base(path), ".xml"), verdict, detail, message})
	}
	return all
}

// verdict puts the outcome of decoding into the words of the message files.
func verdict(err error, flags []string) (kind, detail string) {
	var envelope *EnvelopeError
	var content *ContentError
	var fault *SOAPFaultError
	switch {
	case errors.As(err, &envelope):
		return "envelope", envelope.Reason
	case errors.As(err, &content):
		return "content", content.Error()
	case errors.As(err, &fault):
		return "fault", fault.Error()
	case err != nil:
		return "error", err.Error()
	case len(flags) > 0:
		return "accepted", "flags: " + strings.Join(flags, " | ")
	}
	return "accepted", ""
}

func TestRequestFilesAreJudgedAsTheySay(t *testing.T) {
	for _, v := range vectors(t, "req") {
		t.Run(v.name, func(t *testing.T) {
			r, err := DecodeRequest(v.message)
			var flags []string
			if r.Receipt != nil {
				flags = r.Receipt.Flags
			}
			kind, detail := verdict(err, flags)
			if kind != v.verdict || detail != v.detail {
				t.Fatalf("is %q, %q\nwant %q, %q", kind, detail, v.verdict, v.detail)
			}
		})
	}
}

func TestResponseFilesAreJudgedAsTheySay(t *testing.T) {
	for _, v := range vectors(t, "res") {
		t.Run(v.name, func(t *testing.T) {
			_, err := DecodeResponse(v.message)
			kind, detail := verdict(err, nil)
			if kind != v.verdict || detail != v.detail {
				t.Fatalf("is %q, %q\nwant %q, %q", kind, detail, v.verdict, v.detail)
			}
		})
	}
}
