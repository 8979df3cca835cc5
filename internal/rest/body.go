package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// maxDepth bounds the nesting of a body; ours need five levels.
const maxDepth = 32

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
	if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return positions.Errorf(notJSON, "send the body without Content-Encoding")
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
		more = problemsOf(err)
	case *PaymentPositionsInput:
		_, err := b.each(organization, time.Time{})
		more = problemsOf(err)
	case *PayPaymentOption:
		payment := b.payment()
		more = payment.Validate(false)
	case *OrganizationInput:
		more = b.organization(organization).Validate()
	case *APIKeyInput:
		more = b.problems()
	case interface {
		problems(organization string, now time.Time) []positions.Problem
	}:
		more = b.problems(organization, time.Time{})
	}
	return mergeProblems(problems, notOfUnread(more, problems))
}

// inRules is what of a pointer names the parts of an option, or one of its rules.
var inRules = regexp.MustCompile(`^(.*/paymentOption/\d+)/(components|amountRules/\d+)(/|$)`)

// notOfUnread leaves out what the domain says about a rule of which something could
// not be read: it judged another rule. Parts that could not be read leave nothing
// to say about any rule of their option.
func notOfUnread(problems, unread []positions.Problem) []positions.Problem {
	var skip []string
	for _, p := range unread {
		if m := inRules.FindStringSubmatch(p.Pointer); m != nil && m[2] == "components" {
			skip = append(skip, m[1]+"/components", m[1]+"/amountRules")
		} else if m != nil {
			skip = append(skip, m[1]+"/"+m[2])
		}
	}
	return slices.DeleteFunc(problems, func(p positions.Problem) bool {
		return slices.ContainsFunc(skip, func(at string) bool { return p.Pointer == at || strings.HasPrefix(p.Pointer, at+"/") })
	})
}

// problemsOf returns what a refusal points at.
func problemsOf(err error) []positions.Problem {
	var refusal *positions.Error
	if errors.As(err, &refusal) {
		return refusal.Problems
	}
	return nil
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
	// A sender should not, but some do; GPD's parser skips it too (RFC 8259, 8.1).
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return refuse("the body is not valid UTF-8")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return refuse("the body is empty")
	}
	if tooDeep(data) {
		return refuse("the body is nested deeper than %d levels", maxDepth)
	}
	if !json.Valid(data) {
		var syntax *json.SyntaxError
		if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
			return refuse("the body is not JSON, from byte %d on", syntax.Offset)
		}
		return refuse("the body is not JSON")
	}
	raw := bytes.TrimSpace(data)
	if raw[0] != '{' {
		return refuse("the body must be a JSON object")
	}
	var d decoder
	d.value(raw, reflect.ValueOf(into).Elem())
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
