package document

import "github.com/attualizza/attualizza/positions"

// Evidence encodes what is behind an answer; nil for what is not there.
func Evidence(a *positions.Answer) (send, price []byte, err error) {
	if a.Send != nil {
		if send, err = marshal(a.Send); err != nil {
			return nil, nil, err
		}
	}
	if a.Price != nil {
		if price, err = marshal(a.Price); err != nil {
			return nil, nil, err
		}
	}
	return send, price, nil
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
