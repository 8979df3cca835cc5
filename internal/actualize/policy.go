package actualize

import (
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// degraded is the fee when SEND gave no answer in time, by the organization's
// policy and the last answer SEND ever gave, which may be "no cost" and may be
// missing. No document of SEND says what to answer then; nothing authorises
// refusing the payment, which is why refusing is never the default.
//
// A frozen price is what it is under every policy: only the date of its
// notification was in question.
//
// Where the last answer is a relay's "not payable", it stands under every policy
// until the relay says otherwise: who said it is the creditor's own system, the
// notice was paid or withdrawn, both of which last, and money collected in spite
// of it would have to be given back. A fee has a policy, this has not.
func degraded(org *registry.Organization, policy positions.SendUnavailable, last *positions.Price) (fee, error) {
	switch {
	case frozen(org, last):
		return feeOf(last, positions.SourceFinal), nil
	case last == nil && policy == positions.OnUnavailableRefuse:
		return fee{source: positions.SourceNone}, ErrNoPrice
	case last == nil:
		return fee{source: positions.SourceNone}, nil
	case policy == positions.OnUnavailableBase && last.NoCost == "":
		return fee{source: positions.SourceBase, price: last}, nil
	default:
		return fee{amount: last.TotalPrice, source: positions.SourceLastKnown, price: last}, nil
	}
}
