package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// knowParameters refuses a query parameter that the operation does not know and
// that looks like one that it does: without it, a list would be of everything,
// or a position stay a draft. As in GPD any other that is unknown is ignored.
func (s *server) knowParameters(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		op := s.operation(c)
		if op == nil || c.Request().URL.RawQuery == "" {
			return next(c)
		}
		var problems []positions.Problem
		for _, name := range slices.Sorted(maps.Keys(c.QueryParams())) {
			if right := op.meant(name); right != "" {
				problems = append(problems, positions.Problem{Pointer: name, Detail: fmt.Sprintf("is not known here; is it %s?", right)})
			}
		}
		if len(problems) == 0 {
			return next(c)
		}
		return invalid("parameter "+problems[0].Pointer+" "+problems[0].Detail, problems)
	}
}

// operation is the one that a request asks for, nil when there is none.
func (s *server) operation(c echo.Context) *operation {
	return s.contract.operations[c.Request().Method+" "+c.Path()]
}

// shortestTypo is how long a parameter's name must be for a letter more or less
// to be taken for a typo of it.
const shortestTypo = 4

// meant is the query parameter that an unknown one probably is, "" when it is
// known or like none.
func (op *operation) meant(name string) string {
	found := ""
	for i := range op.known {
		p := &op.known[i]
		switch {
		case p.In != "query":
		case p.Name == name:
			return ""
		case len(p.Name) < shortestTypo && !strings.EqualFold(p.Name, name):
		case found == "" && similar(name, p.Name):
			found = p.Name
		}
	}
	return found
}

// parameterError is how the generated code names a parameter that it could not
// read; it also quotes Go.
var parameterError = regexp.MustCompile(`(?:parameter|argument|for) (\S+?)(?: is required|,|:|$)`)

// worded puts what api.yaml says of a parameter in the place of an error of the
// generated code about it.
func (s *server) worded(err error, c echo.Context) error {
	var fromEcho *echo.HTTPError
	var refusal *positions.Error
	if errors.As(err, &refusal) || !errors.As(err, &fromEcho) || fromEcho.Code != http.StatusBadRequest {
		return err
	}
	if m := parameterError.FindStringSubmatch(fmt.Sprint(fromEcho.Message)); m != nil {
		if op := s.operation(c); op != nil {
			if p := op.parameter(m[1]); p != nil {
				return invalidParameter(p.Name, p.wrong(given(c, p)))
			}
		}
	}
	return &positions.Error{Code: positions.Invalid, Message: "the request cannot be read", Err: err}
}

// parameter finds one by its name.
func (op *operation) parameter(name string) *parameter {
	for i := range op.known {
		if op.known[i].Name == name {
			return &op.known[i]
		}
	}
	return nil
}

// given is how often a request gives a parameter.
func given(c echo.Context, p *parameter) int {
	switch p.In {
	case "query":
		return len(c.QueryParams()[p.Name])
	case "header":
		return len(c.Request().Header.Values(p.Name))
	}
	return 1
}

// wrong tells what a parameter that could not be read should have been.
func (p *parameter) wrong(times int) string {
	switch schema := &p.Schema; {
	case times == 0:
		return "is needed"
	case times > 1:
		return "is given more than once"
	case len(schema.Enum) > 0:
		return "must be one of " + strings.Join(schema.Enum, ", ")
	case schema.Type == "integer" && schema.Minimum != "" && schema.Maximum != "":
		return fmt.Sprintf("must be a whole number from %s to %s", schema.Minimum, schema.Maximum)
	case schema.Type == "integer":
		return "must be a whole number"
	case schema.Type == "number":
		return "must be a number"
	case schema.Type == "boolean":
		return "must be true or false"
	case schema.Format == "date":
		return `must be a day such as "2027-01-31"`
	case schema.Format == "date-time":
		return `must be an instant such as "2027-01-31T22:59:59Z"`
	}
	return "must be text, properly escaped"
}
