package soap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

const (
	ente    = "77777777777"
	broker  = "15376371009"
	station = "15376371009_01"
	notice  = "301000000000000148"
)

// organizations is a registry's source.
type organizations []positions.Organization

func (o organizations) Organizations(context.Context) ([]positions.Organization, int64, error) {
	return o, 1, nil
}
func (organizations) OrganizationsRevision(context.Context) (int64, error) { return 1, nil }

// desk stands in for the rooms behind the door; what each does is the test's.
type desk struct {
	quote   func(ctx context.Context, nav positions.NoticeNumber) (*actualize.Quote, error)
	receipt func(ctx context.Context, r *positions.Receipt) (bool, error)

	mu       sync.Mutex
	recorded []positions.Answer
	receipts []*positions.Receipt
}

func (d *desk) Quote(ctx context.Context, _ *registry.Organization, nav positions.NoticeNumber, accept ...func(*positions.Notice) error) (*actualize.Quote, error) {
	q, err := d.quote(ctx, nav)
	for _, judge := range accept {
		if err == nil && q.Refusal == positions.Payable {
			err = judge(q.Notice)
		}
	}
	return q, err
}

func (d *desk) Record(_ context.Context, a positions.Answer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recorded = append(d.recorded, a)
	return true
}

func (d *desk) SaveReceipt(ctx context.Context, r *positions.Receipt) (bool, error) {
	d.mu.Lock()
	d.receipts = append(d.receipts, r)
	d.mu.Unlock()
	if d.receipt == nil {
		return false, nil
	}
	return d.receipt(ctx, r)
}

// payable is the quote of a valid notice of 120.00 with a fee of 2.00.
func payable() *actualize.Quote {
	option := positions.PaymentOption{
		NAV: notice, IUV: notice[1:], Amount: 12000, Description: "Verbale 1", SendBound: true,
		Metadata: []positions.Metadata{{Key: "capitolo", Value: "7"}},
		Transfers: []positions.Transfer{
			{ID: 1, Amount: 12000, RemittanceInformation: "Verbale", Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456", PostalIBAN: "IT27A0760112345000000123456"},
		},
	}
	transfers := append([]positions.Transfer(nil), option.Transfers...)
	transfers[0].Amount += 200
	return &actualize.Quote{
		Notice: &positions.Notice{Option: option, Position: positions.Position{
			OrganizationFiscalCode: ente, CompanyName: "Comune di Prova", OfficeName: "Tributi", Version: 3,
			Debtor: positions.Debtor{Type: "F", FiscalCode: "RSSMRA80A01H501U", FullName: "Maria Rossi"},
		}},
		BaseAmount: 12000, AmountByRules: 12000, NotificationFee: 200, Amount: 12200,
		Source: positions.SourceLive, DueDate: "2026-12-31", Transfers: transfers,
	}
}

// outdated is a directory whose store does not answer.
type outdated struct{ *registry.Registry }

func (outdated) Current() bool { return false }

type door struct {
	*httptest.Server
	desk *desk
	logs *strings.Builder
}

func open(t *testing.T, change func(*Config, *positions.Organization)) *door {
	t.Helper()
	d := &desk{quote: func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) { return payable(), nil }}
	logs := &strings.Builder{}
	org := positions.Organization{FiscalCode: ente, BrokerCode: broker, Stations: []positions.Station{{Code: station}}, Policy: positions.DefaultPolicy(), UpdatedAt: time.Now()}
	other := positions.Organization{FiscalCode: "88888888888", BrokerCode: broker, Stations: []positions.Station{{Code: "15376371009_02"}}, Policy: positions.DefaultPolicy(), UpdatedAt: time.Now()}
	cfg := Config{Quoter: d, Recorder: d, Receipts: d, Budget: 1800 * time.Millisecond, MaxInFlight: 8, Logger: slog.New(slog.NewJSONHandler(logs, nil))}
	if change != nil {
		change(&cfg, &org)
	}
	_, outOfDate := cfg.Directory.(outdated)
	r := registry.New(organizations{org, other}, nil, slog.New(slog.DiscardHandler), nil)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Directory = r
	if outOfDate {
		cfg.Directory = outdated{r}
	}
	server := httptest.NewServer(New(cfg))
	t.Cleanup(server.Close)
	return &door{Server: server, desk: d, logs: logs}
}

func (d *door) post(t *testing.T, body string) (int, string) {
	t.Helper()
	response, err := http.Post(d.URL+Path, "text/xml", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func (d *door) ask(t *testing.T, op pafornode.Operation, change func(*pafornode.Request)) (int, *pafornode.Response) {
	t.Helper()
	q := &pafornode.Request{
		Operation: op, IDPA: ente, IDBrokerPA: broker, IDStation: station, QRCode: pafornode.QRCode{FiscalCode: ente, NoticeNumber: notice},
		IDServizio: "00001", IDSoggettoServizio: "00002", DatiSpecificiServizioRequest: "PGEvPg==",
	}
	if op.IsReceipt() {
		q.Receipt = &pafornode.Receipt{
			ReceiptID: "r1", NoticeNumber: notice, FiscalCode: ente, Outcome: "OK", CreditorReferenceID: notice[1:], PaymentAmount: 12200,
			Description: "Verbale", CompanyName: "Comune", Debtor: pafornode.Subject{EntityType: "F", EntityCode: "RSSMRA80A01H501U", FullName: "Maria Rossi"},
			Transfers: []pafornode.ReceiptTransfer{{IDTransfer: 1, Amount: 12200, HasAmount: true, FiscalCodePA: ente, IBAN: "IT60X0542811101000000123456", RemittanceInformation: "a", TransferCategory: "b"}},
			IDPSP:     "P", PSPCompanyName: "PSP", IDChannel: "C", ChannelDescription: "prova", PaymentDateTime: "2026-11-20T10:00:00",
			Metadata: []pafornode.MapEntry{{Key: "NOTIFICATION_FEE", Value: "200"}},
		}
	}
	if change != nil {
		change(q)
	}
	status, body := d.post(t, string(pafornode.AppendRequest(nil, q)))
	if status == http.StatusServiceUnavailable {
		return status, nil
	}
	answer, err := pafornode.DecodeResponse(body)
	if err != nil {
		t.Fatalf("%d, not valid: %v\n%s", status, err, body)
	}
	if answer.Operation != op {
		t.Fatalf("%s was answered with %s", op, answer.Operation)
	}
	return status, answer
}

func TestAVerifyAndAnActivationTellTheAmountWithTheFee(t *testing.T) {
	d := open(t, nil)
	if status, a := d.ask(t, pafornode.VerifyPaymentNotice, nil); status != 200 || a.Outcome != "OK" || a.Verify.Amount != 12200 ||
		a.Verify.DueDate != "2026-12-31" || !a.Verify.AllCCP || a.Options != "EQ" || a.Verify.FiscalCodePA != ente {
		t.Fatalf("%d %+v %+v", status, a, a.Verify)
	}
	for _, op := range []pafornode.Operation{pafornode.GetPayment, pafornode.GetPaymentV2} {
		_, a := d.ask(t, op, nil)
		p := a.Payment
		if p == nil || p.Amount != 12200 || p.Transfers[0].Amount != 12200 || p.CreditorReferenceID != notice[1:] {
			t.Fatalf("%s: %+v %+v", op, a, p)
		}
		want := []pafornode.MapEntry{{Key: "NOTIFICATION_FEE", Value: "200"}, {Key: "capitolo", Value: "7"}}
		if fmt.Sprint(p.Metadata) != fmt.Sprint(want) {
			t.Fatalf("%s: metadata %v", op, p.Metadata)
		}
	}
	if n := len(d.desk.recorded); n != 3 {
		t.Fatalf("%d answers recorded", n)
	}
	for _, a := range d.desk.recorded {
		if a.Outcome != "OK" || a.Amount != 12200 || a.BaseAmount != 12000 || a.NotificationFee != 200 || a.Source != positions.SourceLive || a.PositionVersion != 3 || a.StationCode != station {
			t.Fatalf("recorded %+v", a)
		}
	}
}

func TestTheFeesMetadataFollowsThePolicy(t *testing.T) {
	for unit, want := range map[positions.FeeMetadata]string{
		positions.FeeInCents: "[{NOTIFICATION_FEE 200} {capitolo 7}]", positions.FeeInEuro: "[{NOTIFICATION_FEE 2.00} {capitolo 7}]", positions.FeeOff: "[{capitolo 7}]",
	} {
		d := open(t, func(_ *Config, o *positions.Organization) { o.Policy.NotificationFeeMetadata = unit })
		if _, a := d.ask(t, pafornode.GetPaymentV2, nil); fmt.Sprint(a.Payment.Metadata) != want {
			t.Errorf("%s: %v", unit, a.Payment.Metadata)
		}
	}
	d := open(t, nil)
	d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) {
		q := payable()
		q.Notice.Option.SendBound, q.Source, q.NotificationFee, q.Amount, q.Transfers = false, positions.SourceNotBound, 0, 12000, q.Notice.Option.Transfers
		return q, nil
	}
	if _, a := d.ask(t, pafornode.GetPaymentV2, nil); fmt.Sprint(a.Payment.Metadata) != "[{capitolo 7}]" {
		t.Errorf("not SEND-bound: %v", a.Payment.Metadata)
	}
}

func TestTheAccountFollowsTheTransferType(t *testing.T) {
	const bank, postal = "IT60X0542811101000000123456", "IT27A0760112345000000123456"
	d := open(t, nil)
	for _, c := range []struct {
		op                           pafornode.Operation
		transferType, note, iban, md string
	}{
		{pafornode.GetPaymentV2, "", "", bank, "[]"},
		{pafornode.GetPaymentV2, "PAGOPA", "", bank, "[{IBANAPPOGGIO " + postal + "}]"},
		{pafornode.GetPayment, "PAGOPA", "", bank, "[]"},
		{pafornode.GetPaymentV2, "POSTAL", "", postal, "[]"},
		{pafornode.GetPaymentV2, "POSTAL", "cart-1", postal, "[{IBANAPPOGGIO " + bank + "}]"},
	} {
		_, a := d.ask(t, c.op, func(q *pafornode.Request) { q.TransferType, q.PaymentNote = c.transferType, c.note })
		if tr := a.Payment.Transfers[0]; tr.IBAN != c.iban || fmt.Sprint(tr.Metadata) != c.md {
			t.Errorf("%s %q %q: %s %v", c.op, c.transferType, c.note, tr.IBAN, tr.Metadata)
		}
	}
}

func TestWhoARequestIsForIsCheckedInTheGuidesOrder(t *testing.T) {
	d := open(t, nil)
	d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) {
		t.Error("the notice was looked up")
		return nil, errors.New("no")
	}
	for name, c := range map[string]struct {
		change func(*pafornode.Request)
		fault  string
	}{
		"unknown broker":                        {func(q *pafornode.Request) { q.IDBrokerPA, q.IDStation, q.IDPA = "1", "2", "3" }, "PAA_ID_INTERMEDIARIO_ERRATO"},
		"unknown station":                       {func(q *pafornode.Request) { q.IDStation, q.IDPA = "2", "3" }, "PAA_STAZIONE_INT_ERRATA"},
		"unknown organization":                  {func(q *pafornode.Request) { q.IDPA = "3" }, "PAA_ID_DOMINIO_ERRATO"},
		"an organization not on this station":   {func(q *pafornode.Request) { q.IDPA = "88888888888"; q.QRCode.FiscalCode = "88888888888" }, "PAA_ID_DOMINIO_ERRATO"},
		"the notice of another organization":    {func(q *pafornode.Request) { q.QRCode.FiscalCode = "88888888888" }, "PAA_ID_DOMINIO_ERRATO"},
		"the stand-in manager's probe":          {func(q *pafornode.Request) { q.QRCode.NoticeNumber = "000000000000000000" }, "PAA_PAGAMENTO_SCONOSCIUTO"},
		"the probe, from another one's station": {func(q *pafornode.Request) { q.QRCode.NoticeNumber, q.IDStation = "000000000000000000", "x" }, "PAA_STAZIONE_INT_ERRATA"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, op := range []pafornode.Operation{pafornode.VerifyPaymentNotice, pafornode.GetPayment, pafornode.GetPaymentV2} {
				status, a := d.ask(t, op, c.change)
				if status != 200 || a.Outcome != "KO" || a.Fault.Code != c.fault || a.Fault.String == "" || a.Fault.Description == "" {
					t.Errorf("%s: %d %+v", op, status, a.Fault)
				}
			}
		})
	}
	if len(d.desk.recorded) != 0 {
		t.Errorf("%d answers recorded for nobody's notice", len(d.desk.recorded))
	}
}

func TestEveryRefusalHasItsFaultAndIsRecorded(t *testing.T) {
	d := open(t, nil)
	for name, c := range map[string]struct {
		quote func() (*actualize.Quote, error)
		fault string
	}{
		"unknown":       {func() (*actualize.Quote, error) { return nil, positions.Errorf(positions.NotFound, "no such notice") }, "PAA_PAGAMENTO_SCONOSCIUTO"},
		"store down":    {func() (*actualize.Quote, error) { return nil, positions.Errorf(positions.Unavailable, "down") }, "PAA_SYSTEM_ERROR"},
		"budget gone":   {func() (*actualize.Quote, error) { return nil, context.DeadlineExceeded }, "PAA_SYSTEM_ERROR"},
		"no price":      {func() (*actualize.Quote, error) { return payable(), actualize.ErrNoPrice }, "PAA_SYSTEM_ERROR"},
		"too large":     {func() (*actualize.Quote, error) { return payable(), actualize.ErrAmountTooLarge }, "PAA_SEMANTICA"},
		"expired":       {refusal(positions.RefusedExpired), "PAA_PAGAMENTO_SCADUTO"},
		"cancelled":     {refusal(positions.RefusedCancelled), "PAA_PAGAMENTO_ANNULLATO"},
		"paid":          {refusal(positions.RefusedDuplicate), "PAA_PAGAMENTO_DUPLICATO"},
		"blocked":       {refusal(positions.RefusedInProgress), "PAA_PAGAMENTO_IN_CORSO"},
		"draft":         {refusal(positions.RefusedUnknown), "PAA_PAGAMENTO_SCONOSCIUTO"},
		"a defect":      {func() (*actualize.Quote, error) { panic("defect") }, "PAA_SYSTEM_ERROR"},
		"a bad amount":  {func() (*actualize.Quote, error) { q := payable(); q.Amount = 0; return q, nil }, "PAA_SYSTEM_ERROR"},
		"a stamp in V1": {func() (*actualize.Quote, error) { return stamped(), nil }, "PAA_SEMANTICA"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(d.desk.recorded)
			d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) { return c.quote() }
			status, a := d.ask(t, pafornode.GetPayment, nil)
			if status != 200 || a.Outcome != "KO" || a.Fault.Code != c.fault || a.Fault.ID != ente {
				t.Fatalf("%d %+v", status, a.Fault)
			}
			if name == "a defect" {
				return // what was said is not known to be an answer
			}
			if len(d.desk.recorded) != before+1 || d.desk.recorded[before].Fault != c.fault || d.desk.recorded[before].Amount != 0 {
				t.Fatalf("recorded %+v", d.desk.recorded[before:])
			}
		})
	}
}

func refusal(r positions.Refusal) func() (*actualize.Quote, error) {
	return func() (*actualize.Quote, error) {
		q := payable()
		q.Refusal = r
		return q, nil
	}
}

func stamped() *actualize.Quote {
	q := payable()
	stamp := positions.Transfer{ID: 2, Amount: 1600, RemittanceInformation: "Bollo", Category: "9/0", Stamp: &positions.Stamp{HashDocument: "x2QSBJ4ZZyEnMlC8f2cAv+qRo8CgbUIFlhlq9CbdXfE=", Type: "01", ProvincialResidence: "RM"}}
	q.Notice.Option.Transfers = append(q.Notice.Option.Transfers, stamp)
	q.Transfers = append(q.Transfers, stamp)
	q.Amount += 1600
	return q
}

func TestAStampGoesThroughVersionTwo(t *testing.T) {
	d := open(t, nil)
	d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) { return stamped(), nil }
	_, a := d.ask(t, pafornode.GetPaymentV2, nil)
	if a.Outcome != "OK" || a.Payment.Transfers[1].Stamp == nil || a.Payment.Amount != 13800 {
		t.Fatalf("%+v %+v", a, a.Payment)
	}
	if _, v := d.ask(t, pafornode.VerifyPaymentNotice, nil); v.Verify.AllCCP {
		t.Fatal("a stamp cannot go to a postal account")
	}
}

func TestADemandIsNotThisServicesJob(t *testing.T) {
	d := open(t, nil)
	if status, a := d.ask(t, pafornode.DemandPaymentNotice, nil); status != 200 || a.Fault.Code != "PAA_SEMANTICA" {
		t.Fatalf("%d %+v", status, a.Fault)
	}
}

func TestReceiptsAreKeptAndFlagged(t *testing.T) {
	d := open(t, nil)
	for _, op := range []pafornode.Operation{pafornode.SendRT, pafornode.SendRTV2} {
		if status, a := d.ask(t, op, nil); status != 200 || a.Outcome != "OK" {
			t.Fatalf("%s: %d %+v", op, status, a)
		}
	}
	r := d.desk.receipts[1]
	if r.ReceiptID != "r1" || r.PaymentAmount != 12200 || r.NotificationFee == nil || *r.NotificationFee != 200 || r.Operation != "paSendRTV2" ||
		!r.PaymentDateTime.Equal(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)) || len(r.Flags) != 0 || !strings.Contains(string(r.Message), "paSendRTV2Request") {
		t.Fatalf("%+v", r)
	}
	if _, a := d.ask(t, pafornode.SendRTV2, func(q *pafornode.Request) { q.Receipt.FiscalCode = "99999999999" }); a.Outcome != "OK" {
		t.Fatalf("a broadcast receipt: %+v", a.Fault)
	}
	for _, field := range []string{"Maria Rossi", "RSSMRA80A01H501U"} {
		if strings.Contains(d.logs.String(), field) {
			t.Fatalf("%s is in the log", field)
		}
	}
}

func TestAReceiptFromAStrangerWaitsWhileTheDirectoryMayBeOutOfDate(t *testing.T) {
	d := open(t, nil)
	stranger := func(q *pafornode.Request) { q.IDBrokerPA, q.IDStation = "99999999999", "99999999999_01" }
	if status, a := d.ask(t, pafornode.SendRTV2, stranger); status != 200 || a.Fault.Code != "PAA_ID_INTERMEDIARIO_ERRATO" {
		t.Fatalf("while it is current: %d", status)
	}
	d = open(t, func(c *Config, _ *positions.Organization) { c.Directory = outdated{} })
	if status, _ := d.ask(t, pafornode.SendRTV2, stranger); status != http.StatusServiceUnavailable {
		t.Errorf("a receipt: %d", status)
	}
	if _, a := d.ask(t, pafornode.VerifyPaymentNotice, stranger); a.Fault.Code != "PAA_SYSTEM_ERROR" {
		t.Errorf("a verify: %s", a.Fault.Code)
	}
	if status, a := d.ask(t, pafornode.SendRTV2, nil); status != 200 || a.Outcome != "OK" {
		t.Errorf("a receipt for somebody known: %d", status)
	}
}

func TestInstantsOfAReceiptCanAlwaysBeStored(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-20T10:00:00":       "2026-11-20T09:00:00Z", // without a zone: Rome
		"2026-07-20T10:00:00.5":     "2026-07-20T08:00:00.5Z",
		"2026-11-20T10:00:00+24:00": "2026-11-19T10:00:00Z",
		"2026-11-20T10:00:00Z":      "2026-11-20T10:00:00Z",
		"yesterday":                 "0001-01-01T00:00:00Z",
	} {
		got := xsdDateTime(text)
		if b, err := got.UTC().MarshalJSON(); err != nil || string(b) != `"`+want+`"` {
			t.Errorf("%s became %s, %v", text, b, err)
		}
		if _, err := got.MarshalJSON(); err != nil {
			t.Errorf("%s cannot be stored: %v", text, err)
		}
	}
}

func TestAReceiptNeverGetsAKOForAFaultOfOurs(t *testing.T) {
	d := open(t, nil)
	for name, save := range map[string]func(context.Context, *positions.Receipt) (bool, error){
		"store down": func(context.Context, *positions.Receipt) (bool, error) {
			return false, positions.Errorf(positions.Unavailable, "down")
		},
		"no time left": func(context.Context, *positions.Receipt) (bool, error) { return false, context.DeadlineExceeded },
		"a defect":     func(context.Context, *positions.Receipt) (bool, error) { panic("defect") },
	} {
		d.desk.receipt = save
		if status, _ := d.ask(t, pafornode.SendRTV2, nil); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", name, status)
		}
	}
}

func TestAReceiptThatCouldNotBeJudgedIsAcceptedAndLoggedOnce(t *testing.T) {
	d := open(t, nil)
	d.desk.receipt = func(_ context.Context, r *positions.Receipt) (bool, error) {
		r.Flags = append(r.Flags, positions.FlagNotJudged)
		r.Unjudged = &positions.Error{Code: positions.Internal, Message: "save receipt: refused", Err: errors.New("a trigger")}
		return false, nil
	}
	if status, a := d.ask(t, pafornode.SendRTV2, nil); status != 200 || a.Outcome != "OK" {
		t.Fatalf("%d %+v", status, a)
	}
	logged := d.logs.String()
	if strings.Count(logged, `"level":"ERROR"`) != 1 || !strings.Contains(logged, `"receipt":"r1","error":"save receipt: refused","cause":"a trigger"`) {
		t.Fatal(logged)
	}
}

func TestAnIdenticalReceiptIsAnsweredByPolicy(t *testing.T) {
	for policy, outcome := range map[string]string{"OK": "OK", "DUPLICATA": "KO"} {
		d := open(t, func(_ *Config, o *positions.Organization) { o.Policy.DuplicateReceipt = policy })
		d.desk.receipt = func(context.Context, *positions.Receipt) (bool, error) { return true, nil }
		_, a := d.ask(t, pafornode.SendRTV2, nil)
		if a.Outcome != outcome || outcome == "KO" && a.Fault.Code != "PAA_RECEIPT_DUPLICATA" {
			t.Errorf("%s: %+v %+v", policy, a, a.Fault)
		}
	}
}

func TestWhatIsNotAMessageIsAnsweredAsTheContractSays(t *testing.T) {
	d := open(t, nil)
	good := string(pafornode.AppendRequest(nil, &pafornode.Request{Operation: pafornode.VerifyPaymentNotice, IDPA: ente, IDBrokerPA: broker, IDStation: station, QRCode: pafornode.QRCode{FiscalCode: ente, NoticeNumber: notice}}))
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"nothing":            {"", 500, "soapenv:Client"},
		"not XML":            {"hello", 500, "soapenv:Client"},
		"JSON":               {`{"a":1}`, 500, "soapenv:Client"},
		"a DTD":              {`<!DOCTYPE x><x/>` + good, 500, "soapenv:Client"},
		"SOAP 1.2":           {strings.ReplaceAll(good, "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), 500, "soapenv:Client"},
		"an unknown wrapper": {strings.ReplaceAll(good, "paVerifyPaymentNoticeReq", "paVerify"), 500, "soapenv:Client"},
		"cut short":          {good[:len(good)/2], 500, "soapenv:Client"},
		"too large":          {good + strings.Repeat(" ", MaxBody), 413, ""},
		"a schema violation": {strings.ReplaceAll(good, notice, "12"), 200, "PAA_SINTASSI_EXTRAXSD"},
		"a missing field":    {strings.ReplaceAll(good, "<idStation>"+station+"</idStation>", ""), 200, "PAA_SINTASSI_EXTRAXSD"},
		"a schema violation (demand)": {strings.ReplaceAll(string(pafornode.AppendRequest(nil, &pafornode.Request{
			Operation: pafornode.DemandPaymentNotice, IDPA: ente, IDBrokerPA: broker,
			IDStation: station, IDServizio: "00001", IDSoggettoServizio: "00002", DatiSpecificiServizioRequest: "PGEvPg==",
		})), "00001", "1"), 200, "PAA_SINTASSI_XSD"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := d.post(t, c.body)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Fatalf("%d %s", status, body)
			}
		})
	}
	if status, _ := d.post(t, good); status != 200 {
		t.Fatalf("the good one: %d", status)
	}
}

func TestABodyThatComesTooSlowlyIsGivenUp(t *testing.T) {
	d := open(t, func(c *Config, _ *positions.Organization) { c.Budget = 100 * time.Millisecond })
	conn, err := net.Dial("tcp", d.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<soap", Path)
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Fatalf("%v %q", err, answer)
	}
}

func TestACrowdIsRefusedAtOnceAndReceiptsHaveTheirOwnShare(t *testing.T) {
	d := open(t, func(c *Config, _ *positions.Organization) { c.MaxInFlight = 4 })
	release := make(chan struct{})
	arrived := make(chan struct{}, 4)
	d.desk.quote = func(context.Context, positions.NoticeNumber) (*actualize.Quote, error) {
		arrived <- struct{}{}
		<-release
		return payable(), nil
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, a := d.ask(t, pafornode.VerifyPaymentNotice, nil); a.Outcome != "OK" {
				t.Errorf("one of the four: %+v", a.Fault)
			}
		})
	}
	for range 4 {
		<-arrived
	}
	started := time.Now()
	if _, a := d.ask(t, pafornode.VerifyPaymentNotice, nil); a.Outcome != "KO" || a.Fault.Code != "PAA_SYSTEM_ERROR" {
		t.Errorf("the fifth: %+v", a)
	}
	if took := time.Since(started); took > 500*time.Millisecond {
		t.Errorf("the refusal took %s", took)
	}
	if status, a := d.ask(t, pafornode.SendRTV2, nil); status != 200 || a.Outcome != "OK" {
		t.Errorf("a receipt among the crowd: %d", status)
	}
	held := make(chan struct{})
	d.desk.receipt = func(context.Context, *positions.Receipt) (bool, error) { close(held); <-release; return false, nil }
	wg.Go(func() { d.ask(t, pafornode.SendRT, nil) })
	<-held
	if status, _ := d.ask(t, pafornode.SendRT, nil); status != http.StatusServiceUnavailable {
		t.Errorf("a receipt beyond its share: %d", status)
	}
	close(release)
	wg.Wait()
}

func TestWhoIsNotEvenReadIsAnsweredByItsSOAPAction(t *testing.T) {
	d := open(t, func(c *Config, _ *positions.Organization) { c.MaxInFlight = 1 })
	const readAtOnce = 8 // four times the one answer and the one receipt
	for range readAtOnce {
		conn, err := net.Dial("tcp", d.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<soap", Path)
	}
	ask := func(action string) (int, string) {
		r, err := http.NewRequest(http.MethodPost, d.URL+Path, strings.NewReader("<x/>"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("SOAPAction", action)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	time.Sleep(200 * time.Millisecond) // the eight are being read
	status, body := ask(`"paGetPaymentV2"`)
	if answer, err := pafornode.DecodeResponse(body); status != 200 || err != nil || answer.Fault.Code != "PAA_SYSTEM_ERROR" {
		t.Errorf("an activation: %d %v %s", status, err, body)
	}
	for _, action := range []string{"paSendRTV2", "", "x"} {
		if status, _ := ask(action); status != http.StatusServiceUnavailable {
			t.Errorf("action %q: %d", action, status)
		}
	}
}

func TestTheContractIsServedWithTheAddressItWasAskedAt(t *testing.T) {
	d := open(t, nil)
	for query, want := range map[string]string{"?wsdl": d.URL + Path, "?xsd=paForNode.xsd": "stNoticeNumber", "?xsd=common-types.xsd": "ctFaultBean"} {
		response, err := http.Get(d.URL + Path + query)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d, lacks %s", query, response.StatusCode, want)
		}
	}
	if response, err := http.Get(d.URL + Path + "?xsd=../../secret"); err != nil || response.StatusCode != 404 {
		t.Errorf("%v %v", response.StatusCode, err)
	}
}

// Anybody who reaches the door can write anything where a tax code of an administration
// belongs: a person's, for example.
func TestTheLogTellsOnlyWhatHasTheFormOfAnOrganizationAndAStation(t *testing.T) {
	d := open(t, nil)
	const person = "RSSMRA80A01H501U"
	d.ask(t, pafornode.VerifyPaymentNotice, func(r *pafornode.Request) {
		r.IDPA, r.IDStation = person, person+"_01"
	})
	said := d.logs.String()
	if strings.Contains(said, person) || !strings.Contains(said, `"organization":"malformed"`) || !strings.Contains(said, `"station":"malformed"`) {
		t.Errorf("logged is %s", said)
	}
}
