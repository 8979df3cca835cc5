package nodo

import (
	"fmt"

	"github.com/attualizza/attualizza/soap/pafornode"
)

// semanticProblems are what the Nodo refuses in an answer that
// [pafornode.DecodeResponse] accepts. The PSP is then told
// PPT_STAZIONE_INT_PA_ERRORE_RESPONSE. Source: SANP "API SOAP" (options) and
// the Nodo's own test suite.
func semanticProblems(r *pafornode.Response) []string {
	var found []string
	if r.Verify != nil && r.Options != "EQ" {
		found = append(found, "options is "+r.Options+", only EQ is accepted")
	}
	if r.Payment == nil {
		return found
	}
	seen := map[int]bool{}
	for i := range r.Payment.Transfers {
		id := r.Payment.Transfers[i].IDTransfer
		if seen[id] {
			found = append(found, fmt.Sprintf("idTransfer %d is there twice", id))
		}
		seen[id] = true
	}
	return found
}
