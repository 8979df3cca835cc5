package sandbox

import (
	"fmt"
	"net/http"
)

// servePrice answers GET /delivery/v2.3/price/{paTaxId}/{noticeCode} in the
// order of the real chain: authorizer, gateway, application.
func (s *Sandbox) servePrice(w http.ResponseWriter, r *http.Request) {
	key := noticeKey{r.PathValue("paTaxId"), r.PathValue("noticeCode")}
	call := s.begin(w, r, EndpointPrice)
	defer call.end()
	wellFormed := taxIDPattern.MatchString(key.creditor) && noticePattern.MatchString(key.notice)
	if wellFormed {
		call.about(key)
	}
	fault := s.faults.take(EndpointPrice, key, true)
	if fault == nil {
		fault = s.cannedFault(key)
	}
	if !call.strike(fault) {
		return
	}
	owner, refusal := s.authorize(r)
	call.KeyName = owner.Name
	if refusal != nil {
		call.write(*refusal)
		return
	}
	if !wellFormed {
		call.write(parametersAnswer(wrongParameters(key), s.clock()))
		return
	}
	call.meet(key, func() answer {
		price, code := s.Price(key.creditor, key.notice)
		if code != "" {
			return problemAnswer(http.StatusNotFound, code, "none", s.clock())
		}
		return jsonAnswer(http.StatusOK, price)
	})
}

func wrongParameters(key noticeKey) string {
	if !taxIDPattern.MatchString(key.creditor) {
		return fmt.Sprintf("[paTaxId must match %s]", taxIDPattern)
	}
	return fmt.Sprintf("[noticeCode must match %s]", noticePattern)
}
