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

// Unacceptable is an asker's reason not to take a notice that could be paid
// otherwise, for example because its version of the operation cannot carry it.
type Unacceptable string

func (u Unacceptable) Error() string { return string(u) }

// Fault returns the fault code that the Nodo is given for what
// [Actualizer.Quote] returned, "" when the notice can be paid.
func Fault(q *Quote, err error) string {
	switch {
	case err == nil:
		return string(q.Refusal)
	case positions.CodeOf(err) == positions.NotFound:
		return string(positions.RefusedUnknown)
	case errors.Is(err, ErrAmountTooLarge), errors.As(err, new(Unacceptable)):
		return FaultSemantics
	default:
		return FaultSystem
	}
}
