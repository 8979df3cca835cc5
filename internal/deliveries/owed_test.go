package deliveries

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
)

func sqliteOnly(t *testing.T) database {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	db := database{store, jobs.SQLite(store.Writer())}
	migrate(t, db)
	return db
}

// owed is a position with one SEND-bound notice of 100.00.
func owed(nav positions.NoticeNumber) *positions.Position {
	return &positions.Position{
		OrganizationFiscalCode: comune, IUPD: "p-" + string(nav), CompanyName: "Comune di Prova", Status: positions.Valid, Lifecycle: positions.Open,
		Debtor: positions.Debtor{Type: "F", FiscalCode: "ANONIMO", FullName: "Cittadina di prova"},
		Options: []positions.PaymentOption{{
			NAV: nav, IUV: nav.IUV(), Amount: 10_000, Description: "Verbale", Status: positions.OptionUnpaid, DueDate: time.Now().AddDate(0, 1, 0), SendBound: true,
			Transfers: []positions.Transfer{{ID: 1, Amount: 10_000, RemittanceInformation: "Verbale", Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456"}},
		}},
	}
}

// breakEvents makes SEND's payment events fail with 500 until the faults are
// cleared.
func breakEvents(t *testing.T, sim *sandbox.Sandbox) {
	t.Helper()
	_, err := sim.Inject(sandbox.Fault{Endpoint: sandbox.EndpointPaymentEvents, Kind: sandbox.WithStatus, Status: http.StatusInternalServerError})
	must(t, err)
}
