package rest

import (
	"fmt"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// ReadPosition reads the body of a CreateDebtPosition as the API does, for who
// has positions from elsewhere than a request. The position is a DRAFT of the
// organization, valid by [positions.Position.Validate]; now becomes the instant
// of its options. The error is a [positions.Error] that tells everything wrong
// with the body, at JSON pointers.
func ReadPosition(body []byte, organization string, now time.Time) (*positions.Position, error) {
	var in PaymentPositionInput
	problems, err := decodeBody(body, &in)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, invalid("the body is not valid", alsoWrong(problems, &in, organization))
	}
	return in.position(organization, now)
}

// Warnings lists what the API accepts of a position and warns of, as it is
// probably a slip: check digits of notice numbers and IBANs, and amount rules. nil:
// nothing.
func Warnings(p *positions.Position) (warnings []positions.Problem) {
	for i := range p.Options {
		for _, w := range warningsOf(&p.Options[i], fmt.Sprintf("/paymentOption/%d", i), p.OrganizationFiscalCode) {
			warnings = append(warnings, positions.Problem{Pointer: w.Pointer, Detail: w.Detail})
		}
	}
	return warnings
}
