package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/units"

// Units that the questions are answered in. Metrics of money are in cents: their
// queries divide by 100.
const (
	percent   = units.PercentUnit // of 0 to 1
	seconds   = units.Seconds
	lasting   = units.DurationSeconds
	days      = units.Days
	euro      = units.Euro
	perSecond = units.RequestsPerSecond
	bytesIEC  = units.BytesIEC
	factor    = "suffix:×"
	cores     = "suffix: core"
	perHour   = "suffix:/h"
)

// The promises. SANP, "Livelli di servizio degli enti creditori": 98 % within 2 s
// in a month; the Nodo gives up after 7 s. Ours: 99.5 % within 1.5 s.
var (
	sanpShare     = []limit{{.98, yellow}, {.995, green}}
	internalShare = []limit{{.98, yellow}, {.995, green}}
	answerTimes   = []limit{{1.5, yellow}, {2, red}}
	any1          = []limit{{1, red}}
	anyEuro       = []limit{{0.01, red}}
)
