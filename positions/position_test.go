package positions

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/internal/money"
)

var noon = time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)

// sample is a valid position of organization 77777777777: one full option of
// 100.00 in two transfers, the second for another organization.
func sample() *Position {
	return &Position{
		OrganizationFiscalCode: "77777777777", IUPD: "77777777777-1", CompanyName: "Comune di Prova",
		Debtor: Debtor{Type: "F", FiscalCode: "RSSMRA80A01H501U", FullName: "Maria Rossi"},
		Status: Draft, Lifecycle: Open,
		Options: []PaymentOption{{
			NAV: "301000000000000148", IUV: "01000000000000148", Amount: 10000, Description: "Multa",
			DueDate: noon.AddDate(0, 1, 0), Status: OptionUnpaid, SendBound: true,
			Transfers: []Transfer{
				{ID: 1, Amount: 7000, RemittanceInformation: "Sanzione", Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456"},
				{ID: 2, Amount: 3000, OrganizationFiscalCode: "88888888888", RemittanceInformation: "Quota", Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456"},
			},
		}},
	}
}

func TestASamplePositionIsValid(t *testing.T) {
	if err := sample().Validate(); err != nil {
		t.Fatal(err, err.(*Error).Problems)
	}
}

func TestValidationNamesEveryProblemByItsPointer(t *testing.T) {
	stamp := &Stamp{HashDocument: "wHpFSLCGZjIvNSXxqtGbxg7275t446DRTk5ZrsdUQ6E=", Type: "01", ProvincialResidence: "RM"}
	for name, c := range map[string]struct {
		change  func(p *Position)
		pointer string
	}{
		"no iupd":                        {func(p *Position) { p.IUPD = "" }, "/iupd"},
		"a blank full name":              {func(p *Position) { p.Debtor.FullName = " \t" }, "/fullName"},
		"no options":                     {func(p *Position) { p.Options = nil }, "/paymentOption"},
		"unknown debtor type":            {func(p *Position) { p.Debtor.Type = "X" }, "/type"},
		"no company name":                {func(p *Position) { p.CompanyName = "" }, "/companyName"},
		"company name too long":          {func(p *Position) { p.CompanyName = strings.Repeat("è", 141) }, "/companyName"},
		"invalid UTF-8":                  {func(p *Position) { p.Debtor.FullName = "\xff" }, "/fullName"},
		"lower-case country":             {func(p *Position) { p.Debtor.Country = "it" }, "/country"},
		"notice number too short":        {func(p *Position) { p.Options[0].NAV = "30100000000000014" }, "/paymentOption/0/nav"},
		"aux digit 4":                    {func(p *Position) { p.Options[0].NAV = "401000000000000148" }, "/paymentOption/0/nav"},
		"the probe's notice number":      {func(p *Position) { p.Options[0].NAV, p.Options[0].IUV = ProbeNotice, ProbeNotice.IUV() }, "/paymentOption/0/nav"},
		"IUV of another notice":          {func(p *Position) { p.Options[0].IUV = "01000000000000149" }, "/paymentOption/0/iuv"},
		"amount zero":                    {func(p *Position) { p.Options[0].Amount = 0 }, "/paymentOption/0/amount"},
		"amount above the schema":        {func(p *Position) { p.Options[0].Amount = money.Max + 1 }, "/paymentOption/0/amount"},
		"transfers that do not add up":   {func(p *Position) { p.Options[0].Transfers[1].Amount++ }, "/paymentOption/0/amount"},
		"no due date":                    {func(p *Position) { p.Options[0].DueDate = time.Time{} }, "/paymentOption/0/dueDate"},
		"a due date beyond the calendar": {func(p *Position) { p.Options[0].DueDate = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "/paymentOption/0/dueDate"},
		"no transfer":                    {func(p *Position) { p.Options[0].Transfers = nil }, "/paymentOption/0/transfer"},
		"six transfers":                  {func(p *Position) { p.Options[0].Transfers = make([]Transfer, 6) }, "/paymentOption/0/transfer"},
		"transfer id 6":                  {func(p *Position) { p.Options[0].Transfers[1].ID = 6 }, "/paymentOption/0/transfer/1/idTransfer"},
		"the same transfer id twice":     {func(p *Position) { p.Options[0].Transfers[1].ID = 1 }, "/paymentOption/0/transfer/1/idTransfer"},
		"no IBAN and no stamp":           {func(p *Position) { p.Options[0].Transfers[1].IBAN = "" }, "/paymentOption/0/transfer/1/iban"},
		"IBAN and stamp":                 {func(p *Position) { p.Options[0].Transfers[1].Stamp = stamp }, "/paymentOption/0/transfer/1/stamp"},
		"a hash that is not base64": {func(p *Position) {
			s := *stamp
			s.HashDocument = "abc"
			p.Options[0].Transfers[1].IBAN = ""
			p.Options[0].Transfers[1].Stamp = &s
		}, "/paymentOption/0/transfer/1/stamp/hashDocument"},
		"a beneficiary of 10 digits":      {func(p *Position) { p.Options[0].Transfers[1].OrganizationFiscalCode = "8888888888" }, "/paymentOption/0/transfer/1/organizationFiscalCode"},
		"eleven metadata entries":         {func(p *Position) { p.Options[0].Metadata = make([]Metadata, 11) }, "/paymentOption/0/paymentOptionMetadata"},
		"a metadata key twice":            {func(p *Position) { p.Options[0].Metadata = []Metadata{{"a", "1"}, {"a", "2"}} }, "/paymentOption/0/paymentOptionMetadata/1/key"},
		"two options with one notice":     {func(p *Position) { p.Options = append(p.Options, p.Options[0]) }, "/paymentOption/1/nav"},
		"an overflow hidden in transfers": {func(p *Position) { p.Options[0].Transfers[0].Amount = 1<<63 - 1 }, "/paymentOption/0/transfer/0/amount"},
	} {
		t.Run(name, func(t *testing.T) {
			p := sample()
			c.change(p)
			var refusal *Error
			if err := p.Validate(); !errors.As(err, &refusal) || refusal.Code != Invalid {
				t.Fatalf("got %v", err)
			}
			for _, problem := range refusal.Problems {
				if problem.Pointer == c.pointer {
					return
				}
			}
			t.Fatalf("no problem at %s: %v", c.pointer, refusal.Problems)
		})
	}
}

func TestTheReservedMetadataKeyIsAConflict(t *testing.T) {
	p := sample()
	p.Options[0].Metadata = []Metadata{{NotificationFeeKey, "100"}}
	if err := p.Validate(); CodeOf(err) != Conflict {
		t.Fatalf("got %v", err)
	}
}

func TestASendBoundNoticeNeedsATransferThatCanCarryTheFee(t *testing.T) {
	p := sample()
	p.Options[0].Transfers[0].OrganizationFiscalCode = "99999999999"
	if err := p.Validate(); CodeOf(err) != Unprocessable {
		t.Fatalf("got %v", err)
	}
	p.Options[0].SendBound = false
	if err := p.Validate(); err != nil {
		t.Fatalf("not SEND-bound, yet %v", err)
	}
}

func TestTheFeeGoesToTheFirstOwnTransferThatIsNotAStamp(t *testing.T) {
	own, other := "", "88888888888"
	for name, c := range map[string]struct {
		transfers []Transfer
		want      int // index; -1: none
	}{
		"the only one":                     {[]Transfer{{ID: 1, OrganizationFiscalCode: own}}, 0},
		"its tax code spelled out":         {[]Transfer{{ID: 1, OrganizationFiscalCode: other}, {ID: 2, OrganizationFiscalCode: "77777777777"}}, 1},
		"the lowest id, not the first row": {[]Transfer{{ID: 3}, {ID: 2}}, 1},
		"not a stamp":                      {[]Transfer{{ID: 1, Stamp: &Stamp{}}, {ID: 2}}, 1},
		"another organization's only":      {[]Transfer{{ID: 1, OrganizationFiscalCode: other}}, -1},
		"a stamp only":                     {[]Transfer{{ID: 1, Stamp: &Stamp{}}}, -1},
	} {
		o := PaymentOption{Transfers: c.transfers}
		got, ok := o.FeeTransfer("77777777777")
		if ok != (c.want >= 0) || ok && got != c.want {
			t.Errorf("%s: got %d, %v", name, got, ok)
		}
	}
}

func TestStatusFollowsTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		p    func(p *Position)
		at   time.Time
		want Status
	}{
		"a draft stays a draft":              {func(*Position) {}, noon.AddDate(1, 0, 0), Draft},
		"published waits for its date":       {func(p *Position) { p.Status, p.ValidityDate = Published, noon }, noon.Add(-1), Published},
		"published is valid from its date":   {func(p *Position) { p.Status, p.ValidityDate = Published, noon }, noon, Valid},
		"valid on its due date":              {func(p *Position) { p.Status, p.SwitchToExpired = Valid, true }, noon.AddDate(0, 1, 0), Valid},
		"expired after its due date":         {func(p *Position) { p.Status, p.SwitchToExpired = Valid, true }, noon.AddDate(0, 1, 0).Add(1), Expired},
		"late but not meant to expire":       {func(p *Position) { p.Status = Valid }, noon.AddDate(0, 2, 0), Valid},
		"paid does not expire":               {func(p *Position) { p.Status, p.SwitchToExpired = Paid, true }, noon.AddDate(0, 2, 0), Paid},
		"expired though published for later": {func(p *Position) { p.Status, p.ValidityDate, p.SwitchToExpired = Published, noon, true }, noon.AddDate(0, 2, 0), Expired},
	} {
		p := sample()
		c.p(p)
		if got := p.StatusAt(c.at); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPublishAndInvalidateOnlyWhereGPDAllowsIt(t *testing.T) {
	for _, status := range []Status{Draft, Published, Valid, Invalidated, PartiallyPaid, Paid, Reported} {
		p := sample()
		p.Status = status
		if err := p.Publish(noon); (err == nil) != (status == Draft) || err != nil && CodeOf(err) != Conflict {
			t.Errorf("publish from %s: %v", status, err)
		}
		p = sample()
		p.Status = status
		allowed := status == Published || status == Valid
		if err := p.Invalidate(noon); (err == nil) != allowed || err != nil && CodeOf(err) != Conflict {
			t.Errorf("invalidate from %s: %v", status, err)
		}
	}
	p := sample()
	p.ValidityDate = noon.Add(time.Hour)
	if err := p.Publish(noon); err != nil || p.Status != Published || p.ValidityDate != noon.Add(time.Hour) {
		t.Errorf("published for later: %v, %s, %s", err, p.Status, p.ValidityDate)
	}
	p = sample()
	if err := p.Publish(noon); err != nil || p.Status != Valid || p.ValidityDate != noon || p.PublishDate != noon {
		t.Errorf("published now: %v, %s", err, p.Status)
	}
}

func TestRefusalFollowsTheContractsTable(t *testing.T) {
	due := noon.AddDate(0, 1, 0)
	for name, c := range map[string]struct {
		n    func(n *Notice)
		at   time.Time
		want Refusal
	}{
		"payable":                         {func(*Notice) {}, noon, Payable},
		"draft":                           {func(n *Notice) { n.Position.Status = Draft }, noon, RefusedUnknown},
		"not yet valid":                   {func(n *Notice) { n.Position.Status, n.Position.ValidityDate = Published, noon.Add(1) }, noon, RefusedUnknown},
		"valid from now":                  {func(n *Notice) { n.Position.Status, n.Position.ValidityDate = Published, noon }, noon, Payable},
		"on the due instant":              {func(n *Notice) { n.Position.SwitchToExpired = true }, due, Payable},
		"past the due instant":            {func(n *Notice) { n.Position.SwitchToExpired = true }, due.Add(1), RefusedExpired},
		"past it but never expiring":      {func(*Notice) {}, due.AddDate(9, 0, 0), Payable},
		"withdrawn":                       {func(n *Notice) { n.Position.Status = Invalidated }, noon, RefusedCancelled},
		"transferred":                     {func(n *Notice) { n.Position.Lifecycle = Transferred }, noon, RefusedCancelled},
		"closed without a payment":        {func(n *Notice) { n.Position.Lifecycle = Closed }, noon, RefusedCancelled},
		"blocked":                         {func(n *Notice) { n.Position.Lifecycle = Blocked }, noon, RefusedInProgress},
		"blocked until later":             {func(n *Notice) { n.Position.Lifecycle, n.Position.BlockedUntil = Blocked, noon.Add(1) }, noon, RefusedInProgress},
		"blocked until now":               {func(n *Notice) { n.Position.Lifecycle, n.Position.BlockedUntil = Blocked, noon }, noon, Payable},
		"paid":                            {func(n *Notice) { n.Option.Status = OptionPaid }, noon, RefusedDuplicate},
		"reported":                        {func(n *Notice) { n.Option.Status = OptionReported }, noon, RefusedDuplicate},
		"the full option was paid":        {func(n *Notice) { n.FullPaid = true; n.Option.IsPartialPayment = true }, noon, RefusedDuplicate},
		"an instalment was, this is full": {func(n *Notice) { n.InstalmentPaid = true }, noon, RefusedDuplicate},
		"an instalment was, this is one": {func(n *Notice) {
			n.InstalmentPaid = true
			n.Option.IsPartialPayment = true
			n.Position.Status = PartiallyPaid
		}, noon, Payable},
		"paid and closed":                  {func(n *Notice) { n.Option.Status, n.Position.Lifecycle = OptionPaid, Closed }, noon, RefusedDuplicate},
		"paid, though withdrawn afterward": {func(n *Notice) { n.Option.Status, n.Position.Status = OptionPaid, Invalidated }, noon, RefusedDuplicate},
	} {
		p := sample()
		p.Status = Valid
		n, _ := NewNotice(p, p.Options[0].NAV, nil)
		c.n(n)
		if got := n.RefusalAt(c.at); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// instalments is a published position with a full option of 300.00 and three
// instalments of 100.00.
func instalments() *Position {
	p := sample()
	p.Status = Valid
	full := p.Options[0]
	full.Amount = 30000
	p.Options = []PaymentOption{full}
	for _, nav := range []NoticeNumber{"301000000000000249", "301000000000000350", "301000000000000451"} {
		o := full
		o.NAV, o.IUV, o.IsPartialPayment, o.Amount = nav, nav.IUV(), true, 10000
		p.Options = append(p.Options, o)
	}
	return p
}

func TestReceiptsSettleAPosition(t *testing.T) {
	p := instalments()
	pay := func(nav NoticeNumber, id string) (*Receipt, bool) {
		r := &Receipt{NAV: nav, ReceiptID: id, Outcome: "OK", PaymentAmount: 10200}
		return r, p.Settle(r, Asked{}, noon)
	}
	for i, nav := range []NoticeNumber{"301000000000000249", "301000000000000350"} {
		if r, changed := pay(nav, "r"); !changed || p.Status != PartiallyPaid || len(r.Flags) > 0 {
			t.Fatalf("instalment %d: changed %v, %s, %v", i+1, changed, p.Status, r.Flags)
		}
	}
	if r, changed := pay("301000000000000249", "again"); changed || len(r.Flags) != 1 || r.Flags[0] != FlagAlreadyPaid {
		t.Fatalf("a second payment of one instalment: changed %v, %v", changed, r.Flags)
	}
	if r, changed := pay("301000000000000451", "last"); !changed || p.Status != Paid || p.Lifecycle != Closed || len(r.Flags) > 0 {
		t.Fatalf("the last instalment: changed %v, %s %s, %v", changed, p.Status, p.Lifecycle, r.Flags)
	}
	if r, changed := pay("301000000000000148", "full"); !changed || len(r.Flags) != 1 || r.Flags[0] != FlagAlreadyPaid {
		t.Fatalf("the full option after its instalments must be kept and flagged: changed %v, %v", changed, r.Flags)
	}
	if r, changed := pay("301000000000009999", "elsewhere"); changed || len(r.Flags) != 1 || r.Flags[0] != FlagUnknownNotice {
		t.Fatalf("unknown notice: changed %v, %v", changed, r.Flags)
	}
	p = instalments()
	if changed := p.Settle(&Receipt{NAV: "301000000000000148", Outcome: "KO"}, Asked{}, noon); changed {
		t.Fatal("a receipt that says KO paid the position")
	}
}

// Money that nobody was entitled to ask for has come all the same: somebody has
// to look at it.
func TestAReceiptSettlesAPositionInAnyStateAndTellsWhenNothingWasOwed(t *testing.T) {
	for state, want := range map[string][]string{
		"VALID/OPEN": nil, "EXPIRED/OPEN": nil, "VALID/BLOCKED": nil,
		"INVALID/OPEN": {FlagNotOwed}, "VALID/TRANSFERRED": {FlagNotOwed}, "VALID/CLOSED": {FlagNotOwed},
		"DRAFT/OPEN": {FlagNotOwed}, "PUBLISHED/OPEN": {FlagNotOwed}, "PAID/CLOSED": {FlagAlreadyPaid},
	} {
		status, lifecycle, _ := strings.Cut(state, "/")
		p := in(status, lifecycle)
		r := &Receipt{NAV: p.Options[0].NAV, ReceiptID: "x", Outcome: "OK", PaymentAmount: 1}
		p.Settle(r, Asked{}, noon)
		if !slices.Equal(r.Flags, want) || !p.Options[0].Paid() {
			t.Errorf("%s: flags %v, want %v; the option is %s", state, r.Flags, want, p.Options[0].Status)
		}
	}
}

func TestWhatTheOrganizationTellsPaysAPositionToo(t *testing.T) {
	const full, first, second, third NoticeNumber = "301000000000000148", "301000000000000249", "301000000000000350", "301000000000000451"
	p := instalments()
	told := OptionPayment{PSP: "Banca di Prova", ReceiptID: "r-1", Amount: 5000}
	if err := p.Pay(first, told, noon); err != nil || p.Status != PartiallyPaid || p.Lifecycle != Open || p.Option(first).Payment.Date != noon {
		t.Fatalf("the first instalment: %v, %s %s, %+v", err, p.Status, p.Lifecycle, p.Option(first).Payment)
	}
	for _, nav := range []NoticeNumber{first, full} {
		if err := p.Pay(nav, told, noon); CodeOf(err) != Conflict {
			t.Errorf("%s after the first instalment: %v", nav, err)
		}
	}
	told.Date = noon.Add(-time.Hour)
	if err := errors.Join(p.Pay(second, told, noon), p.Pay(third, told, noon)); err != nil || p.Status != Paid || p.Lifecycle != Closed || p.PaymentDate != told.Date {
		t.Fatalf("all instalments: %v, %s %s on %s", err, p.Status, p.Lifecycle, p.PaymentDate)
	}
	if err := instalments().Pay("301000000000009999", told, noon); CodeOf(err) != NotFound {
		t.Errorf("an unknown notice: %v", err)
	}
	for name, change := range map[string]func(*Position){
		"a draft":       func(p *Position) { p.Status = Draft },
		"not yet valid": func(p *Position) { p.Status, p.ValidityDate = Published, noon.Add(time.Hour) },
		"withdrawn":     func(p *Position) { p.Status = Invalidated },
		"transferred":   func(p *Position) { p.Lifecycle = Transferred },
		"closed":        func(p *Position) { p.Lifecycle = Closed },
	} {
		p := instalments()
		change(p)
		if err := p.Pay(full, told, noon); CodeOf(err) != Unprocessable || p.Option(full).Paid() {
			t.Errorf("%s: %v", name, err)
		}
	}
	p = instalments()
	p.SwitchToExpired = true
	if late := p.Option(full).DueDate.Add(time.Hour); p.Pay(full, told, late) != nil || p.Status != Paid {
		t.Error("a payment after the term was not taken")
	}
	p = instalments()
	p.Lifecycle = Blocked
	if p.Pay(first, told, noon) != nil || p.Status != PartiallyPaid || p.Lifecycle != Blocked || p.Pay(second, told, noon) != nil || p.Pay(third, told, noon) != nil || p.Lifecycle != Closed {
		t.Errorf("payments of a blocked position were not taken: %s %s", p.Status, p.Lifecycle)
	}
}

func TestOnlyAPriceThatCannotGrowIsFrozen(t *testing.T) {
	past, future := noon.Add(-time.Hour), noon.Add(time.Hour)
	for name, c := range map[string]struct {
		p    Price
		want bool
	}{
		"nothing happened yet":               {Price{}, false},
		"viewed":                             {Price{NotificationViewDate: past}, true},
		"viewed today, dated at day's end":   {Price{NotificationViewDate: future}, true},
		"refined":                            {Price{RefinementDate: past}, true},
		"refinement only scheduled":          {Price{RefinementDate: future}, false},
		"viewed before a scheduled one":      {Price{NotificationViewDate: past, RefinementDate: future}, true},
		"no cost":                            {Price{NoCost: "CANCELLED", NotificationViewDate: past}, false},
		"pushed by the organization":         {Price{Pushed: true, NotificationViewDate: past}, false},
		"frozen before, taken back by a 404": {Price{NoCost: "NOT_FOUND", Final: true}, false},
	} {
		c.p.FetchedAt = noon
		c.p.Freeze()
		if c.p.Final != c.want {
			t.Errorf("%s: final %v", name, c.p.Final)
		}
	}
}

func TestCloneSharesNothingThatChanges(t *testing.T) {
	p := instalments()
	p.Options[0].Transfers[0].Stamp = &Stamp{Type: "01"}
	q := p.Clone()
	q.Options[0].Transfers[0].Amount = 1
	q.Options[0].Transfers[0].Stamp.Type = "02"
	q.Settle(&Receipt{NAV: q.Options[1].NAV, Outcome: "OK"}, Asked{}, noon)
	if p.Options[0].Transfers[0].Amount == 1 || p.Options[0].Transfers[0].Stamp.Type == "02" || p.Options[1].Paid() || p.Status != Valid {
		t.Fatal("changing a clone changed the original")
	}
}

func TestNoOrderOfReceiptsEverReopensAPosition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := instalments()
		paid := map[NoticeNumber]bool{}
		for range rapid.IntRange(1, 12).Draw(t, "receipts") {
			nav := p.Options[rapid.IntRange(0, 3).Draw(t, "option")].NAV
			p.Settle(&Receipt{NAV: nav, ReceiptID: "x", Outcome: "OK", PaymentAmount: 1}, Asked{}, noon)
			paid[nav] = true
			for i := range p.Options {
				if p.Options[i].Paid() != paid[p.Options[i].NAV] {
					t.Fatalf("option %s paid: %v", p.Options[i].NAV, p.Options[i].Paid())
				}
				n, _ := NewNotice(p, p.Options[i].NAV, nil)
				if paid[p.Options[i].NAV] && n.RefusalAt(noon) != RefusedDuplicate {
					t.Fatalf("a paid notice is answered %q", n.RefusalAt(noon))
				}
			}
			full := paid[p.Options[0].NAV]
			all := paid[p.Options[1].NAV] && paid[p.Options[2].NAV] && paid[p.Options[3].NAV]
			if (full || all) != (p.Status == Paid) {
				t.Fatalf("full %v, all instalments %v, but %s", full, all, p.Status)
			}
		}
	})
}
