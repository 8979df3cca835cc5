package actualize

import (
	"errors"

	"github.com/attualizza/attualizza/positions"
)

// The fault codes that what went wrong with a quote can become, beside those of
// a notice's own state ([positions.Refusal]). Source: SANP, "Gestione degli
// errori", faults of the EC.
const (
	FaultSystem    = "PAA_SYSTEM_ERROR"
	FaultSemantics = "PAA_SEMANTICA"
)

// Fault returns the fault code that the Nodo is given for what
// [Actualizer.Quote] returned, "" when the notice can be paid.
func Fault(q *Quote, err error) string {
	switch {
	case err == nil:
		return string(q.Refusal)
	case positions.CodeOf(err) == positions.NotFound:
		return string(positions.RefusedUnknown)
	case errors.Is(err, ErrAmountTooLarge):
		return FaultSemantics
	default:
		return FaultSystem
	}
}
