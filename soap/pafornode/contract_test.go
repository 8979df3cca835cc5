package pafornode

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hooklift/gowsdl/soap"

	"github.com/attualizza/attualizza/soap/pafornode/wire"
)

func TestTheContractIsServedWithTheAddressItWasAskedAt(t *testing.T) {
	const address = `https://ente.example:8443/soap/paForNode?a=1&b="2"`
	var d struct {
		Import struct {
			Location string `xml:"schemaLocation,attr"`
		} `xml:"types>schema>import"`
		Address struct {
			Location string `xml:"location,attr"`
		} `xml:"service>port>address"`
	}
	if err := xml.Unmarshal(WSDL(address), &d); err != nil {
		t.Fatal(err)
	}
	if d.Address.Location != address {
		t.Errorf("address %q", d.Address.Location)
	}
	if string(WSDL("a")) == string(WSDL("b")) {
		t.Error("the address of one caller is given to another")
	}
	// From import to import, as a client does that was given the WSDL.
	at, location := "http://127.0.0.1:8080/soap/paForNode?wsdl", d.Import.Location
	for _, want := range []string{"paForNode.xsd", "common-types.xsd"} {
		base, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		next, err := base.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		if next.Path != "/soap/paForNode" || next.Query().Get("xsd") != want {
			t.Fatalf("%s imports %s", at, next)
		}
		schema, ok := XSD(next.Query().Get("xsd"))
		if !ok {
			t.Fatalf("%s is not served", next)
		}
		var s struct {
			Import struct {
				Location string `xml:"schemaLocation,attr"`
			} `xml:"import"`
		}
		if err := xml.Unmarshal(schema, &s); err != nil {
			t.Fatal(err)
		}
		at, location = next.String(), s.Import.Location
	}
	if location != "" {
		t.Errorf("the common types import %s", location)
	}
	for _, name := range []string{"", "paForNode.wsdl", "../errors.go", "contract/paForNode.xsd"} {
		if _, ok := XSD(name); ok {
			t.Errorf("%q is served as a schema", name)
		}
	}
}

// The client of gowsdl is somebody else's view of the same contract.
func TestAStrangersClientIsUnderstoodAndUnderstands(t *testing.T) {
	want := Request{
		Operation: GetPaymentV2, IDPA: "77777777777", IDBrokerPA: "15376371009", IDStation: "15376371009_01",
		QRCode: QRCode{"77777777777", "301000000000012345"}, Amount: 12_200, HasAmount: true, PaymentNote: "è <&>",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, err := DecodeRequest(string(message))
		if err != nil {
			t.Errorf("%v: %s", err, message)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		if _, err := w.Write(AppendPaymentOK(nil, GetPaymentV2, fine())); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()

	text := func(s string) *wire.StText35 { v := wire.StText35(s); return &v }
	amount, note := wire.StAmount("122.00"), wire.StText210(want.PaymentNote)
	code, number := wire.StFiscalCodePA(want.QRCode.FiscalCode), wire.StNoticeNumber(want.QRCode.NoticeNumber)
	request := &wire.PaGetPaymentV2Request{
		IdPA: text(want.IDPA), IdBrokerPA: text(want.IDBrokerPA), IdStation: text(want.IDStation),
		QrCode: &wire.CtQrCode{FiscalCode: &code, NoticeNumber: &number}, Amount: &amount, PaymentNote: &note,
	}
	var answer wire.PaGetPaymentV2Response
	err := soap.NewClient(server.URL).CallContext(t.Context(), "paGetPaymentV2",
		wire.Payload{Name: "paGetPaymentV2Request", Value: request}, &answer)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(answer.Data.TransferList.Transfer); n != 3 || *answer.Data.PaymentAmount != "122.00" || !*answer.Data.LastPayment {
		t.Errorf("understood %d transfers, %v", n, *answer.Data.PaymentAmount)
	}
	if stamp := answer.Data.TransferList.Transfer[1].RichiestaMarcaDaBollo; stamp == nil || *stamp.ProvinciaResidenza != "RM" {
		t.Errorf("understood the stamp as %+v", stamp)
	}
}
