package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestBadInput(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"what is no message gets a SOAP fault, what breaks the schema its own":  malformed,
		"an oversized body is refused, with or without an announced length":     oversized,
		"a slow body is given up within the budget and harms nobody else":       slowBody,
		"many idle and half-sent connections harm nobody":                       idleConnections,
		"the contract can be read at the endpoint":                              servedContract,
		"an invalid position is refused whole, with everything that is wrong":   invalidPositions,
		"an invalid organization is refused whole, with everything that is off": invalidOrganizations,
	})
}

func malformed(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	verify := string(pafornode.AppendRequest(nil, e.request(pafornode.VerifyPaymentNotice, d.nav)))
	activate := string(pafornode.AppendRequest(nil, e.request(pafornode.GetPaymentV2, d.nav)))
	receipt := string(pafornode.AppendRequest(nil, e.receipt(t, d, pafornode.GetPaymentV2)))
	declaration, envelope, _ := strings.Cut(verify, "?>")
	for _, c := range []struct {
		name, message string
		status        int
		says          string
	}{
		{"nothing", "", 500, "Client</faultcode>"},
		{"no XML", debtorName + ", " + debtorCode, 500, "Client</faultcode>"},
		{"half a message", verify[:len(verify)/2], 500, "Client</faultcode>"},
		{"two messages", verify + verify, 500, "Client</faultcode>"},
		{"a document type", declaration + `?><!DOCTYPE x [<!ENTITY a "a">]>` + envelope, 500, "Client</faultcode>"},
		{"SOAP 1.2", strings.ReplaceAll(verify, "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), 500, "Client</faultcode>"},
		{"an unknown wrapper", strings.ReplaceAll(verify, "paVerifyPaymentNoticeReq", "paaVerificaRPT"), 500, "Client</faultcode>"},
		{"a missing field", strings.Replace(verify, "<idStation>"+demoStation+"</idStation>", "", 1), 200, "PAA_SINTASSI_EXTRAXSD"},
		{"a repeated field", strings.Replace(activate, "<idPA>", "<idPA>"+e.fiscalCode+"</idPA><idPA>", 1), 200, "PAA_SINTASSI_EXTRAXSD"},
		{"letters in the notice number", strings.Replace(activate, string(d.nav), "30200000000000AAAA", 1), 200, "PAA_SINTASSI_EXTRAXSD"},
		{"a receipt without its receipt", receipt[:strings.Index(receipt, "<receipt>")] + receipt[strings.Index(receipt, "</receipt>")+len("</receipt>"):], 200, "PAA_SINTASSI_EXTRAXSD"},
	} {
		status, answer := h.post(t, c.message)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s: HTTP %d %s; want %d and %s", c.name, status, answer, c.status, c.says)
		}
	}
	request, err := http.NewRequest(http.MethodDelete, h.endpoint(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := h.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: HTTP %d", response.StatusCode)
	}
	if all := e.kept(t, d.nav); len(all) != 0 {
		t.Errorf("kept are %+v", all)
	}
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
}

func oversized(t *testing.T, h *house) {
	for name, length := range map[string]int64{"announced": soap.MaxBody + 1, "unannounced": -1} {
		request, err := http.NewRequest(http.MethodPost, h.endpoint(), io.LimitReader(spaces{}, soap.MaxBody+1))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = length
		response, err := h.client.Do(request)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: HTTP %d", name, response.StatusCode)
		}
	}
}

// spaces never end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func slowBody(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	message := pafornode.AppendRequest(nil, e.request(pafornode.VerifyPaymentNotice, d.nav))
	began := time.Now()
	var slow []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", h.address("nodo"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: nodo\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", soap.Path, len(message), message[:len(message)/2])
		slow = append(slow, conn)
	}
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	for _, conn := range slow {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("a slow body was not answered: %v", err)
			continue
		}
		response.Body.Close()
		if took := time.Since(began); response.StatusCode != http.StatusRequestTimeout || took > 2*time.Second {
			t.Errorf("a slow body got HTTP %d after %s", response.StatusCode, took)
		}
	}
}

func idleConnections(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	for i := range 600 {
		conn, err := net.Dial("tcp", h.address("nodo"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%3 == 0 {
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: nodo\r\nContent-", soap.Path)
		}
	}
	for range 20 {
		reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
		wants(t, reply, d.amount+200)
		slowest.note("among 600 idle connections", reply.Took)
		if reply.Took > time.Second {
			t.Errorf("answered after %s", reply.Took)
		}
	}
}

func servedContract(t *testing.T, h *house) {
	for query, want := range map[string]string{"?wsdl": h.endpoint(), "?xsd=paForNode.xsd": "paGetPaymentV2Request", "?xsd=common-types.xsd": "ctMetadata"} {
		status, body := h.get(t, "nodo", soap.Path+query)
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: HTTP %d without %s", query, status, want)
		}
	}
}

func invalidPositions(t *testing.T, h *house) {
	e := h.ente(t)
	good := e.publish(t, digital)
	for _, c := range []struct {
		name    string
		change  func(position, option object)
		status  int
		pointer string
	}{
		{"transfers that do not add up", func(_, o object) { o["transfer"] = []object{transfer("1", 9999)} }, 400, "/paymentOption/0"},
		{"no debtor", func(p, _ object) { delete(p, "fullName") }, 400, "/fullName"},
		{"a fraction of a cent", func(_, o object) { o["amount"] = 10000.5 }, 400, "/paymentOption/0/amount"},
		{"a debt of nothing", func(_, o object) { o["amount"] = 0 }, 400, "/paymentOption/0/amount"},
		{"no account", func(_, o object) { delete(o["transfer"].([]object)[0], "iban") }, 400, "/paymentOption/0/transfer/0"},
		{"a mistyped extension", func(_, o object) { o["sendBuond"] = true }, 400, "/paymentOption/0/sendBuond"},
		{"a notice number taken", func(_, o object) { o["nav"], o["iuv"] = good.nav, good.nav.IUV() }, 409, ""},
		{"the reserved metadata", func(_, o object) {
			o["paymentOptionMetadata"] = []object{{"key": positions.NotificationFeeKey, "value": "1"}}
		}, 409, ""},
	} {
		d, position := e.position(t, digital, c.change)
		status, problem, err := e.callREST(http.MethodPost, "/debtpositions?toPublish=true", e.key, position, nil)
		found := c.pointer == ""
		if problem.Errors != nil {
			for _, p := range *problem.Errors {
				found = found || strings.HasPrefix(p.Pointer, c.pointer)
			}
		}
		if err != nil || status != c.status || !found || problem.Status != status || problem.Title == "" || problem.Detail == "" {
			t.Errorf("%s: %d %s, %v; want %d at %s", c.name, status, show(problem), err, c.status, c.pointer)
		}
		if text := show(problem); strings.Contains(text, debtorName) || strings.Contains(text, debtorCode) {
			t.Errorf("%s: the problem is personal: %s", c.name, text)
		}
		e.mustREST(t, http.MethodGet, "/debtpositions/"+d.iupd, e.key, nil, http.StatusNotFound, nil)
	}
	status, problem, err := e.callREST(http.MethodPost, "/debtpositions", e.key, object{"iupd": strings.Repeat("x", 5<<20)}, nil)
	if err != nil || status != http.StatusRequestEntityTooLarge {
		t.Errorf("5 MiB: %d %s %v", status, show(problem), err)
	}
}

func invalidOrganizations(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	for name, change := range map[string]func(object){
		"no station":            func(b object) { b["stations"] = []object{} },
		"an unknown policy":     policy("onSendUnavailable", "PERHAPS"),
		"no time":               policy("priceFreshFor", "soon"),
		"a day that is none":    policy("patronSaint", "31-12"),
		"a voucher without key": func(b object) { b["send"].(object)["pdnd"] = object{"mode": "REQUIRED", "clientId": "c"} },
		"a key that is none": func(b object) {
			b["send"].(object)["pdnd"] = object{"mode": "REQUIRED", "clientId": "c", "keyId": "k", "purposeId": "p", "privateKey": "-----BEGIN NOTHING-----"}
		},
		"plain http to another machine": func(b object) {
			b["delivery"] = object{"url": "http://gestionale.example/receipts", "secret": webhookSecret}
		},
		"receipts that nothing would sign": func(b object) { b["delivery"] = object{"url": "https://gestionale.example/receipts"} },
	} {
		broken := *e
		broken.body = object{
			"companyName": "Comune di Altro", "brokerCode": demoBroker, "stations": []object{{"stationCode": demoStation, "broadcast": false}},
			"send": object{"route": "DIRECT"}, "policy": object{},
		}
		change(broken.body)
		status, problem, err := broken.callREST(http.MethodPut, "", h.adminKey, broken.body, nil)
		if err != nil || status != http.StatusBadRequest || problem.Errors == nil || len(*problem.Errors) == 0 {
			t.Errorf("%s: %d %s %v", name, status, show(problem), err)
		}
	}
	e.mustREST(t, http.MethodPut, "", e.key, e.body, http.StatusForbidden, nil) // only the operator registers
	var kept object
	e.mustREST(t, http.MethodGet, "", h.adminKey, nil, http.StatusOK, &kept)
	if kept["companyName"] != "Comune di Prova" || strings.Contains(show(kept), e.sendKey) {
		t.Errorf("it is registered as %s", show(kept))
	}
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
}
