package document

import (
	fastjson "github.com/go-json-experiment/json"

	"github.com/attualizza/attualizza/positions"
)

// Evidence encodes what is behind an answer; nil for what is not there.
func Evidence(a *positions.Answer) (send, price []byte, err error) {
	if a.Send != nil {
		if send, err = evidence(a.Send); err != nil {
			return nil, nil, err
		}
	}
	if a.Price != nil {
		if price, err = evidence(a.Price); err != nil {
			return nil, nil, err
		}
	}
	return send, price, nil
}

// evidence is written on the way of an answer, hence by the faster module.
func evidence(v any) ([]byte, error) {
	b, err := fastjson.Marshal(v, ours)
	if err != nil {
		return nil, positions.Errorf(positions.Invalid, "cannot be stored: %w", err)
	}
	return b, nil
}

// ReadEvidence is the inverse of [Evidence].
func ReadEvidence(a *positions.Answer, send, price []byte) error {
	if len(send) > 0 {
		a.Send = new(positions.SendExchange)
	}
	if len(price) > 0 {
		a.Price = new(positions.Price)
	}
	if err := Read(send, a.Send); err != nil {
		return err
	}
	return Read(price, a.Price)
}
