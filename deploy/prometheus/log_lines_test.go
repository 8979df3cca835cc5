package prometheus_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A line of the log stands in double quotes in an alert and in a panel, in backquotes
// in a page of the runbook. Only words stand so, and what is no line of the log is a
// command, a name, or has other signs in it.
var (
	inDoubleQuotes = regexp.MustCompile(`(?:^|[\s(])"([^"]+)"`)
	inBackquotes   = regexp.MustCompile("`([^`]+)`")
	fenced         = regexp.MustCompile("(?s)```.*?```")
	words          = regexp.MustCompile(`^[A-Za-z][\w',;:-]*(?: [\w',;:-]+)+$`)
	command        = regexp.MustCompile(`^(?:attualizza|ss) `)
)

// linesIn are the lines of the log that a text quotes.
func linesIn(text string, quotes *regexp.Regexp) (lines []string) {
	text = strings.Join(strings.Fields(text), " ")
	for _, m := range quotes.FindAllStringSubmatch(text, -1) {
		if words.MatchString(m[1]) && !command.MatchString(m[1]) {
			lines = append(lines, m[1])
		}
	}
	return lines
}

// written are the texts that the program can write, and those that it writes with
// something after them.
type written struct{ texts, beginnings []string }

func (w *written) says(line string) bool {
	for _, text := range w.texts {
		if strings.Contains(text, line) {
			return true
		}
	}
	for _, beginning := range w.beginnings {
		if strings.HasPrefix(line, beginning) {
			return true
		}
	}
	return false
}

func (w *written) read(path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	said := func(n ast.Node) (string, bool) {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(literal.Value)
		return text, err == nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := said(n); ok {
			w.texts = append(w.texts, text)
		}
		if sum, ok := n.(*ast.BinaryExpr); ok {
			if text, ok := said(sum.X); ok && words.MatchString(strings.TrimSpace(text)) {
				w.beginnings = append(w.beginnings, text)
			}
		}
		return true
	})
	return nil
}

// sources reads the program's. The dashboards quote its log and are no part of it.
func sources(t *testing.T) *written {
	t.Helper()
	w := &written{}
	for _, folder := range []string{"cmd", "internal", "soap", "sendclient", "cache", "positions"} {
		err := filepath.WalkDir("../../"+folder, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "dashboards":
				return fs.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			return w.read(path)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestEveryLineOfTheLogThatIsQuotedIsOneThatTheProgramWrites(t *testing.T) {
	program := sources(t)
	quoted := map[string]int{}
	check := func(where, text string, quotes *regexp.Regexp) {
		t.Helper()
		for _, line := range linesIn(text, quotes) {
			quoted[strings.SplitN(where, " ", 2)[0]]++
			if !program.says(line) {
				t.Errorf("%s quotes %q, which the program does not write", where, line)
			}
		}
	}
	for _, r := range rules(t) {
		check("alert "+r.Alert, r.Annotations["summary"]+"\n"+r.Annotations["description"], inDoubleQuotes)
	}
	pages, err := filepath.Glob("../../docs/runbook/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		prose := fenced.ReplaceAllString(string(text), "")
		check("page "+filepath.Base(page), prose, inBackquotes)
		check("page "+filepath.Base(page), inBackquotes.ReplaceAllString(prose, ""), inDoubleQuotes)
	}
	sheets, err := filepath.Glob("../grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, sheet := range sheets {
		text, err := os.ReadFile(sheet)
		if err != nil {
			t.Fatal(err)
		}
		var drawn struct {
			Panels []struct{ Title, Description string }
		}
		if err := json.Unmarshal(text, &drawn); err != nil {
			t.Fatal(sheet, err)
		}
		for _, p := range drawn.Panels {
			check("panel "+p.Title, p.Description, inDoubleQuotes)
		}
	}
	if quoted["alert"] < 5 || quoted["page"] < 8 || quoted["panel"] < 1 {
		t.Errorf("quotations found: %v", quoted)
	}
}
