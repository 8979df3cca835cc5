package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// breaks are statements that the release before would not survive, or that make its
// payments wait (docs/upgrades.md). What a statement does to a table that its own
// file makes is nobody's business.
var breaks = []struct {
	why       string
	statement *regexp.Regexp
}{
	{"takes away what is read", regexp.MustCompile(`\b(DROP (TABLE|COLUMN|VIEW|TYPE|FUNCTION|SEQUENCE)|DROP DEFAULT|TRUNCATE)\b`)},
	{"gives another name to what is read", regexp.MustCompile(`\bRENAME\b`)},
	{"changes a type, and rewrites the table under a lock", regexp.MustCompile(`\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b`)},
	{"refuses what is written", regexp.MustCompile(`\b(SET NOT NULL|ADD (CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)|CREATE (CONSTRAINT )?TRIGGER|CREATE RULE)\b`)},
	{"lets in what cannot be read", regexp.MustCompile(`\bDROP NOT NULL\b`)},
	{"touches every row in one transaction", regexp.MustCompile(`^(UPDATE|DELETE)\b`)},
}

var (
	created     = regexp.MustCompile(`\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	indexed     = regexp.MustCompile(`\bCREATE (UNIQUE )?INDEX (?:IF NOT EXISTS )?\w+ ON (?:ONLY )?(\w+)`)
	altered     = regexp.MustCompile(`^ALTER TABLE (?:IF EXISTS |ONLY )*(\w+)`)
	addedColumn = regexp.MustCompile(`\bADD (?:COLUMN )?(?:IF NOT EXISTS )?\w+ [^,]*\bNOT NULL\b[^,]*`)
)

// wrong is what is wrong with a migration; nothing when the release before goes on
// working. Only PostgreSQL's tables are shared with those who pay meanwhile: another
// process never has the same file.
func wrong(migration string, shared bool) (found []string) {
	up, _, _ := strings.Cut(migration, "-- +goose Down")
	text := regexp.MustCompile(`--[^\n]*`).ReplaceAllString(up, "")
	own := map[string]bool{}
	for statement := range strings.SplitSeq(text, ";") {
		statement = strings.ToUpper(strings.Join(strings.Fields(statement), " "))
		if m := created.FindStringSubmatch(statement); m != nil {
			own[m[1]] = true
		}
		if m := altered.FindStringSubmatch(statement); m != nil && own[m[1]] {
			continue
		}
		for _, b := range breaks {
			if b.statement.MatchString(statement) {
				found = append(found, b.why+": "+statement)
			}
		}
		if m := addedColumn.FindString(statement); m != "" && !strings.Contains(m, "DEFAULT") {
			found = append(found, "adds a column that the release before does not fill: "+statement)
		}
		if m := indexed.FindStringSubmatch(statement); m != nil && !own[m[2]] {
			switch {
			case m[1] != "":
				found = append(found, "refuses what is written: "+statement)
			case shared:
				found = append(found, "keeps writers waiting while an index is built: "+statement)
			}
		}
	}
	return found
}

func TestMigrationsLeaveTheReleaseBeforeWorking(t *testing.T) {
	recorded := regexp.MustCompile(`(?m)^migrations (\d+)$`).FindStringSubmatch(text(t, "previous-release"))
	if recorded == nil {
		t.Fatal("deploy/previous-release does not say how many migrations the release before has")
	}
	known, err := strconv.Atoi(recorded[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"postgres", "sqlite"} {
		files, err := filepath.Glob(filepath.Join(root, "positions", store, "migrations", "*.sql"))
		if err != nil || len(files) < known {
			t.Fatalf("%s: %d migrations, %v", store, len(files), err)
		}
		for _, file := range files {
			number, _, _ := strings.Cut(filepath.Base(file), "_")
			if n, err := strconv.Atoi(number); err != nil {
				t.Errorf("%s: %v", file, err)
			} else if n <= known {
				continue
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, what := range wrong(string(b), store == "postgres") {
				t.Errorf("%s: %s", file, what)
			}
		}
	}
}

func TestTheRuleOfMigrationsTellsStatementsApart(t *testing.T) {
	for statement, shared := range map[string]bool{
		"ALTER TABLE receipts DROP COLUMN flagged":                        true,
		"DROP TABLE attempts":                                             true,
		"alter table receipts\n  rename column body to content":           true,
		"ALTER TABLE answers RENAME TO replies":                           true,
		"ALTER TABLE answers ALTER COLUMN amount TYPE numeric":            true,
		"ALTER TABLE answers ALTER amount SET DATA TYPE numeric":          true,
		"ALTER TABLE answers ALTER COLUMN send SET NOT NULL":              true,
		"ALTER TABLE answers ALTER COLUMN amount DROP NOT NULL":           true,
		"ALTER TABLE answers ALTER COLUMN amount DROP DEFAULT":            true,
		"ALTER TABLE answers ADD COLUMN x text NOT NULL":                  true,
		"ALTER TABLE answers ADD x text NOT NULL, ADD y text DEFAULT ''":  true,
		"ALTER TABLE answers ADD CONSTRAINT c CHECK (amount > 0)":         true,
		"CREATE UNIQUE INDEX i ON answers (nav)":                          false,
		"CREATE INDEX i ON answers (nav)":                                 true,
		"UPDATE answers SET amount = 0":                                   true,
		"CREATE TABLE t (a text); CREATE INDEX i ON answers (nav)":        true,
		"CREATE TRIGGER t BEFORE INSERT ON answers EXECUTE FUNCTION no()": true,
	} {
		if found := wrong("-- +goose Up\n"+statement+";", shared); len(found) == 0 {
			t.Errorf("passes: %s", statement)
		}
	}
	for statement, shared := range map[string]bool{
		"CREATE TABLE t (a text NOT NULL); CREATE UNIQUE INDEX i ON t (a); ALTER TABLE t RENAME COLUMN a TO b": true,
		"ALTER TABLE receipts ADD COLUMN anonymized_at timestamptz -- RENAME, DROP TABLE":                      true,
		"ALTER TABLE answers ADD COLUMN x text NOT NULL DEFAULT ''":                                            true,
		"CREATE INDEX i ON answers (nav)":                                                                      false,
		"SET LOCAL lock_timeout = '100ms'; LOCK TABLE receipts IN SHARE UPDATE EXCLUSIVE MODE":                 true,
	} {
		if found := wrong("-- +goose Up\n"+statement+";", shared); len(found) != 0 {
			t.Errorf("%s: %v", statement, found)
		}
	}
}
