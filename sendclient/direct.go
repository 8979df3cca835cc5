package sendclient

import (
	"context"
	"net/http"
)

// pricePath is the current version of the price API. The unversioned path
// answers the price without VAT and without the sender's fee.
const pricePath = "/delivery/v2.3/price/"

// direct asks SEND itself.
func (c *Client) direct(ctx, caller context.Context, cred *Credential, voucher, paTaxID, noticeCode string) (Answer, *Error) {
	m := &message{
		method: http.MethodGet, url: c.baseURL + pricePath + paTaxID + "/" + noticeCode,
		header: http.Header{"X-Api-Key": {cred.APIKey}, "Accept": {"application/json"}},
	}
	if voucher != "" {
		m.header.Set("Authorization", "Bearer "+voucher)
	}
	answer, failure := c.exchange(ctx, caller, m, read)
	if failure == nil && answer.NoCost == "" && !answer.Price.addsUp() {
		c.log.Warn("SEND's total is not what its components give; the total counts",
			"notice", noticeCode, "iun", answer.Price.IUN, "requestId", answer.Exchange.RequestID)
	}
	return answer, failure
}
