// Package storetest is the conformance suite of [positions.Store]. Every store
// passes all of it, so that the rest of the program need not know which one it
// has.
package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

// Run runs the suite. open returns an empty store with its migrations applied
// and closes it when its test ends.
func Run(t *testing.T, open func(t *testing.T) positions.Store) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"positions", positionTests},
		{"imports", importTests},
		{"lists", listTests},
		{"accounts", accountTests},
		{"notices", noticeTests},
		{"answers", answerTests},
		{"receipts", receiptTests},
		{"fees paid", paidFeeTests},
		{"missing receipts", missingReceiptTests},
		{"retention", retentionTests},
		{"reconciliations", reconciliationTests},
		{"lists of reconciliations", reconciliationListTests},
		{"organizations", organizationTests},
		{"keys", keyTests},
		{"attempts", attemptTests},
		{"deliveries", deliveryTests},
		{"claims of deliveries", deliveryClaimTests},
		{"deliveries at once", deliveriesAtOnceTests},
		{"leases", leaseTests},
		{"streams", streamTests},
		{"concurrency", concurrencyTests},
		{"service", serviceTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, tt := range g.tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
			}
		})
	}
}

type test struct {
	name string // a sentence
	run  func(t *testing.T, s positions.Store)
}

const (
	comune    = "77777777777"
	provincia = "88888888888"
)

var (
	noon   = time.Date(2026, 11, 21, 12, 0, 0, 123456000, time.UTC)
	create = positions.Change{Actor: positions.Actor{Kind: "KEY", ID: "key-1"}, Action: "CREATE", Reason: "nuovo avviso", At: noon}
	update = positions.Change{Actor: positions.Actor{Kind: "OPERATOR"}, Action: "REPLACE", At: noon.Add(time.Hour)}
)

// serial gives every option of a test run a notice number of its own.
var serial atomic.Int64

func option(amount money.Cents) positions.PaymentOption {
	nav := positions.NoticeNumber(fmt.Sprintf("302%015d", serial.Add(1)))
	return positions.PaymentOption{
		NAV: nav, IUV: nav.IUV(), Amount: amount, Description: "Tari 2026", Status: positions.OptionUnpaid,
		DueDate: noon.AddDate(0, 1, 0), InsertedAt: noon, UpdatedAt: noon,
		Transfers: []positions.Transfer{{ID: 1, Amount: amount, RemittanceInformation: "Tari", Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456"}},
	}
}

func position(organization, iupd string, options ...positions.PaymentOption) *positions.Position {
	if options == nil {
		options = []positions.PaymentOption{option(12_345)}
	}
	return &positions.Position{
		OrganizationFiscalCode: organization, IUPD: iupd, CompanyName: "Comune di Prova", Status: positions.Valid, Lifecycle: positions.Open,
		Debtor: positions.Debtor{Type: "F", FiscalCode: "RSSMRA80A01H501U", FullName: "Maria Rossi"}, Options: options,
	}
}

// full returns a position with no field left at its zero value.
func full(iupd string) *positions.Position {
	stamp := option(1_600)
	stamp.IsPartialPayment = true
	stamp.Transfers[0].IBAN = ""
	stamp.Transfers[0].Stamp = &positions.Stamp{HashDocument: "c29tZSBkb2N1bWVudCBoYXNo", Type: "01", ProvincialResidence: "RM"}
	paid := option(money.Max)
	paid.RetentionDate = noon.AddDate(0, 3, 0)
	paid.SendBound, paid.SenderFiscalCode = true, provincia
	paid.Metadata = []positions.Metadata{{Key: "k", Value: "v"}, {Key: "città", Value: "Forlì <&> \"\u2028\" 🏛"}}
	paid.Status = positions.OptionPaid
	paid.Payment = &positions.OptionPayment{Date: noon.In(calendar.Rome), Method: "creditCard", PSP: "Banca d'Àlba", ReceiptID: "r-1", Amount: money.Max, PSPFee: 100}
	paid.Transfers = append(paid.Transfers, positions.Transfer{
		ID: 2, Amount: 1, OrganizationFiscalCode: provincia, CompanyName: "Provincia", RemittanceInformation: "TEFA",
		Category: "9/0201102IM/", IBAN: "IT60X0542811101000000123456", PostalIBAN: "IT60X0760111101000000123456", Metadata: []positions.Metadata{{Key: "a", Value: "b"}},
	})
	return &positions.Position{
		OrganizationFiscalCode: comune, IUPD: iupd, PayStandIn: true, SwitchToExpired: true, CompanyName: "Comune di Prova", OfficeName: "Tributi",
		Debtor: positions.Debtor{
			Type: "G", FiscalCode: "01234567890", FullName: "Società Città di Forlì — 日本 S.r.l. 🏛", StreetName: "via à", CivicNumber: "1/b",
			PostalCode: "47121", City: "Forlì", Province: "FC", Region: "Emilia-Romagna", Country: "IT", Email: "a@example.it", Phone: "+39 0543",
		},
		ValidityDate: noon.AddDate(0, 0, -2), PublishDate: noon.AddDate(0, 0, -1), PaymentDate: noon,
		Status: positions.PartiallyPaid, Lifecycle: positions.Blocked, BlockedUntil: noon.AddDate(0, 0, 7), TransferTo: provincia,
		Options: []positions.PaymentOption{paid, stamp},
	}
}

func receipt(organization, id string, nav positions.NoticeNumber) *positions.Receipt {
	return &positions.Receipt{
		OrganizationFiscalCode: organization, ReceiptID: id, CreditorFiscalCode: organization, NAV: nav, StationCode: "15376371009_01",
		Operation: "paSendRTV2", Outcome: "OK", PaymentAmount: 13_345, PSPCompanyName: "Banca", PaymentMethod: "CP",
		PaymentDateTime: noon.Add(time.Minute), ReceivedAt: noon.Add(2 * time.Minute), Message: []byte("<soapenv:Envelope>à</soapenv:Envelope>"),
	}
}

func price(total money.Cents, fetched time.Time) *positions.Price {
	return &positions.Price{TotalPrice: total, IUN: "ABCD-EFGH-ILMN-202611-A-1", FetchedAt: fetched}
}

func mustCreate(t *testing.T, s positions.Store, p *positions.Position) *positions.Position {
	t.Helper()
	must(t, s.CreatePosition(t.Context(), p, create))
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (cause: %v)", err, cause(err))
	}
}

func got[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return value
	}
}

func wantCode(t *testing.T, err error, want positions.Code) {
	t.Helper()
	if code := positions.CodeOf(err); code != want {
		t.Fatalf("code is %q, want %q: %v (cause: %v)", code, want, err, cause(err))
	}
}

func cause(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s differs (-want +got):\n%s", what, diff)
	}
}

func read(t *testing.T, s positions.Store, p *positions.Position) *positions.Position {
	t.Helper()
	return got(s.Position(t.Context(), p.OrganizationFiscalCode, p.IUPD))(t)
}

// bounded is a context that no test should ever reach the end of.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
