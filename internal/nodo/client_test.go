package nodo

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/soap/pafornode"
)

var verify = &pafornode.Request{
	Operation: pafornode.VerifyPaymentNotice, IDPA: "77777777777", IDBrokerPA: "15376371009", IDStation: "15376371009_01",
	QRCode: pafornode.QRCode{FiscalCode: "77777777777", NoticeNumber: "301000000000000148"},
}

var activation = &pafornode.Request{
	Operation: pafornode.GetPaymentV2, IDPA: verify.IDPA, IDBrokerPA: verify.IDBrokerPA, IDStation: verify.IDStation, QRCode: verify.QRCode,
}

func goodVerify() string {
	return string(pafornode.AppendVerifyOK(nil, &pafornode.VerifyOK{
		Amount: 12200, DueDate: "2026-12-31", PaymentDescription: "Verbale", FiscalCodePA: "77777777777", CompanyName: "Comune di Prova",
	}))
}

func goodPayment() string {
	return string(pafornode.AppendPaymentOK(nil, pafornode.GetPaymentV2, &pafornode.Payment{
		CreditorReferenceID: "01000000000000148", Amount: 12200, DueDate: "2026-12-31", Description: "Verbale", CompanyName: "Comune",
		Debtor: pafornode.Subject{EntityType: "F", EntityCode: "ANONIMO", FullName: "Prova"},
		Transfers: []pafornode.Transfer{
			{IDTransfer: 1, Amount: 12000, FiscalCodePA: "77777777777", IBAN: "IT60X0542811101000000123456", RemittanceInformation: "a", TransferCategory: "b"},
			{IDTransfer: 2, Amount: 200, FiscalCodePA: "88888888888", IBAN: "IT60X0542811101000000123456", RemittanceInformation: "a", TransferCategory: "b"},
		},
	}))
}

func TestTheAnswerIsJudgedAsTheNodoDoes(t *testing.T) {
	for name, c := range map[string]struct {
		request *pafornode.Request
		status  int
		media   string
		body    string
		problem string // part of it; "": none
	}{
		"a good verify":                     {verify, 200, "text/xml; charset=utf-8", goodVerify(), ""},
		"a good activation":                 {activation, 200, "text/xml", goodPayment(), ""},
		"a clean refusal":                   {verify, 200, "text/xml", string(pafornode.AppendKO(nil, pafornode.VerifyPaymentNotice, &pafornode.Fault{Code: "PAA_PAGAMENTO_SCADUTO", String: "a", ID: "b"})), ""},
		"a refusal by HTTP status":          {verify, 404, "text/xml", string(pafornode.AppendKO(nil, pafornode.VerifyPaymentNotice, &pafornode.Fault{Code: "PAA_X", String: "a", ID: "b"})), "HTTP status 404"},
		"HTML":                              {verify, 200, "text/html", "<html></html>", "Content-Type"},
		"not valid":                         {verify, 200, "text/xml", strings.Replace(goodVerify(), "122.00", "122.0", 1), "not valid"},
		"fields in another order":           {verify, 200, "text/xml", strings.Replace(goodVerify(), "<outcome>OK</outcome>", "", 1), "not valid"},
		"the answer to something else":      {verify, 200, "text/xml", goodPayment(), "answers paVerifyPaymentNotice with paGetPaymentV2"},
		"any amount welcome":                {verify, 200, "text/xml", strings.Replace(goodVerify(), ">EQ<", ">ANY<", 1), "only EQ"},
		"no company name":                   {verify, 200, "text/xml", strings.Replace(goodVerify(), "<companyName>Comune di Prova</companyName>", "", 1), "companyName: is missing"},
		"transfers that do not add up":      {activation, 200, "text/xml", strings.Replace(goodPayment(), "<paymentAmount>122.00", "<paymentAmount>123.00", 1), "not the sum of the transfers"},
		"a transfer id twice":               {activation, 200, "text/xml", strings.Replace(goodPayment(), "<idTransfer>2", "<idTransfer>1", 1), "there twice"},
		"OK without data":                   {activation, 200, "text/xml", string(pafornode.AppendReceiptOK(nil, pafornode.SendRTV2)), "answers paGetPaymentV2 with paSendRTV2"},
		"KO without a fault":                {verify, 200, "text/xml", strings.Replace(string(pafornode.AppendKO(nil, pafornode.VerifyPaymentNotice, &pafornode.Fault{Code: "a", String: "a", ID: "b"})), "<fault><faultCode>a</faultCode><faultString>a</faultString><id>b</id></fault>", "", 1), "is missing in a KO"},
		"a SOAP Fault":                      {verify, 500, "text/xml", string(pafornode.AppendSOAPFault(nil, "no")), "SOAP Fault"},
		"a receipt that must be sent again": {&pafornode.Request{Operation: pafornode.SendRT, Receipt: &pafornode.Receipt{}}, 503, "", "", "sent again"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if action := r.Header.Get("SOAPAction"); action != `"`+c.request.Operation.String()+`"` {
					t.Errorf("SOAPAction %s", action)
				}
				w.Header()["Content-Type"] = []string{c.media}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}))
			defer server.Close()
			client := Client{Endpoint: server.URL}
			reply, err := client.Send(t.Context(), c.request)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(reply.Problems, "; ")
			if (c.problem == "") != (said == "") || !strings.Contains(said, c.problem) {
				t.Fatalf("problems %q, want %q", said, c.problem)
			}
		})
	}
}

func TestNoAnswerIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	client := Client{Endpoint: server.URL}
	if reply, err := client.Send(t.Context(), verify); err == nil || !strings.Contains(err.Error(), "no answer after") {
		t.Fatalf("%+v, %v", reply, err)
	}
}

func TestTheReceiptTellsWhatTheActivationAnswered(t *testing.T) {
	answer, err := pafornode.DecodeResponse(goodPayment())
	if err != nil {
		t.Fatal(err)
	}
	request := ReceiptFor(activation, answer.Payment, time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC))
	got, err := pafornode.DecodeRequest(string(pafornode.AppendRequest(nil, request)))
	if err != nil {
		t.Fatal(err)
	}
	r := got.Receipt
	if got.Operation != pafornode.SendRTV2 || r.PaymentAmount != 12200 || len(r.Flags) != 0 || len(r.Transfers) != 2 || r.ApplicationDate != "2026-11-21" {
		t.Fatalf("%+v", r)
	}
}
