package rest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/positions"
)

// What is read from elsewhere is what a request would have created.
func TestReadPositionReadsAsTheAPIDoes(t *testing.T) {
	h := openHouse(t).furnish(t)
	good := positionJSON("P-1", "01000000000000177")
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: good})
	created, err := h.store.Position(t.Context(), ente, "P-1")
	must(t, err)
	read, err := ReadPosition([]byte(good), ente, created.InsertedAt)
	must(t, err)
	read.Version, read.InsertedAt, read.UpdatedAt = created.Version, created.InsertedAt, created.UpdatedAt
	for i := range read.Options { // the store rounds no instants inside of a position
		read.Options[i].InsertedAt, read.Options[i].UpdatedAt = created.Options[i].InsertedAt, created.Options[i].UpdatedAt
	}
	if diff := cmp.Diff(created, read); diff != "" {
		t.Errorf("what was created and what was read differ (-created +read):\n%s", diff)
	}
}

func TestReadPositionTellsAllThatIsWrong(t *testing.T) {
	good := positionJSON("P-1", "01000000000000177")
	for name, c := range map[string]struct{ body, pointers string }{
		"a type and a rule":    {strings.NewReplacer(`"amount": 12000`, `"amount": "12000"`, `"type": "F"`, `"type": "X"`).Replace(good), "/paymentOption/0/amount /type"},
		"rules alone":          {strings.Replace(good, "01000000000000177", "0100", 1), "/paymentOption/0/nav"},
		"no JSON":              {"hello", ""},
		"a mistyped extension": {strings.Replace(good, "sendBound", "sendBond", 1), "/paymentOption/0/sendBond"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadPosition([]byte(c.body), ente, time.Now())
			var refusal *positions.Error
			if !errors.As(err, &refusal) || refusal.Code != positions.Invalid {
				t.Fatalf("it is not refused as invalid: %v", err)
			}
			var pointers []string
			for _, p := range refusal.Problems {
				pointers = append(pointers, p.Pointer)
			}
			if got := strings.Join(pointers, " "); got != c.pointers {
				t.Errorf("problems at %q, want %q: %v", got, c.pointers, refusal.Problems)
			}
		})
	}
}

func BenchmarkReadPosition(b *testing.B) {
	body, now := []byte(positionJSON("P-1", "01000000000000177")), time.Now()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := ReadPosition(body, ente, now); err != nil {
			b.Fatal(err)
		}
	}
}
