package document

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func BenchmarkNotice(b *testing.B) {
	now := time.Now()
	p := &positions.Position{
		OrganizationFiscalCode: "77777777777", IUPD: "iupd", CompanyName: "Comune di Prova", Status: positions.Valid, Lifecycle: positions.Open,
		Debtor: positions.Debtor{Type: "F", FiscalCode: "RSSMRA80A01H501U", FullName: "Maria Rossi"}, Options: []positions.PaymentOption{{
			NAV: "302000000000000001", IUV: "02000000000000001", Amount: 1, Description: "Tari 2026", Status: positions.OptionUnpaid, DueDate: now, InsertedAt: now, UpdatedAt: now,
			Transfers: []positions.Transfer{{ID: 1, Amount: 1, RemittanceInformation: "Tari", Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456"}},
		}},
	}
	v, err := First(p, 1, now)
	if err != nil {
		b.Fatal(err)
	}
	price, err := Write(&positions.Price{TotalPrice: 1, FetchedAt: now, IUN: "ABCD"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Notice(v.Head, v.Options[0].Body, price, time.Time{}, 0, 0, 0); err != nil {
			b.Fatal(err)
		}
	}
}
