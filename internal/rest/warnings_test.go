package rest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
)

func TestAFeeThatNobodyCanBeAskedForIsWarnedOf(t *testing.T) {
	h := openHouse(t).furnish(t)
	organization := func(section string) call {
		return call{method: "PUT", path: base, key: "admin", body: `{"companyName":"Comune","brokerCode":"99999999990","stations":[{"stationCode":"S_01"}]` + section + `}`}
	}
	body := positionJSON("P-1", "01000000000000177")
	path := base + "/debtpositions/P-1"
	read := call{method: "GET", path: path, key: "reader"}
	const missing = `{"detail":"the organization has no credential for SEND (send.apiKey): the fee cannot be asked; register it","pointer":"/paymentOption/0/sendBound"}`
	const pointer = `"/paymentOption/0/sendBound"`
	h.play(t, []scenario{
		{"with a credential nothing is said", call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: body}, 201, nil, []string{pointer}},
		{"the organization loses it", organization(""), 200, nil, nil},
		{"reading warns", read, 200, []string{missing}, nil},
		{"so does the list", call{method: "GET", path: base + "/debtpositions", key: "reader"}, 200, []string{missing}, nil},
		{"so does replacing", call{method: "PUT", path: path + "?toPublish=true", key: "writer", body: body}, 200, []string{missing}, nil},
		{"so does creating", call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-2", "01000000000000278")}, 201, []string{missing}, nil},
		{"not of a notice that is not bound", call{method: "POST", path: base + "/debtpositions", key: "writer", body: strings.Replace(positionJSON("P-3", "01000000000000379"), `"sendBound": true`, `"sendBound": false`, 1)}, 201, nil, []string{pointer}},
		{"a section without its key is none", organization(`,"send":{"apiKey":null}`), 200, nil, nil},
		{"and warned of", read, 200, []string{missing}, nil},
		{"an organization that asks a relay", organization(`,"send":{"route":"RELAY"},"relay":{"kind":"NATIVE","url":"https://r.example","token":"t"}`), 200, nil, nil},
		{"has its credential there", read, 200, nil, []string{pointer}},
	})
	o, err := h.store.Organization(t.Context(), ente)
	must(t, err)
	o.Sealed = nil
	_, err = h.store.PutOrganization(t.Context(), o)
	must(t, err)
	must(t, h.directory.Reload(t.Context()))
	h.play(t, []scenario{{"unless it is missing there", read, 200, []string{"no credential for its relay (relay.token)", pointer}, nil}})
}

func TestACredentialThatCannotBeOpenedIsWarnedOf(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", "01000000000000177")})
	box, err := secrets.New(bytes.Repeat([]byte{8}, secrets.KeySize))
	must(t, err)
	other := registry.New(h.store, box, h.cfg.Logger, nil)
	must(t, other.Reload(t.Context()))
	h.url = h.again(t, func(c *Config) { c.Directory = other })
	h.play(t, []scenario{{"under another master key", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 200, []string{"cannot be opened", `"/paymentOption/0/sendBound"`}, nil}})
}

func TestWrongCheckDigitsAreWarnedOfWithTheRightOnes(t *testing.T) {
	h := openHouse(t).furnish(t)
	right, err := positions.NewNoticeNumber(1, 42)
	must(t, err)
	h.play(t, []scenario{
		{"wrong ones", call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", string(right[1:16])+"00")}, 201, []string{"should be " + right.CheckDigits(), `"/paymentOption/0/nav"`}, nil},
		{"right ones", call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-2", right.IUV())}, 201, nil, []string{"warnings"}},
	})
}
