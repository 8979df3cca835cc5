package bulkload

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
)

// The same position, in the same file, by either format.
func TestCSVAndNDJSONSayTheSame(t *testing.T) {
	store := newStore(t)
	loaded(t, store, NDJSON, strings.NewReader(linesOf(0, 10))).wants(t, 10, 0, 0)
	var file strings.Builder
	must(t, loadtest.WriteCSV(&file, 12))
	loaded(t, store, CSV, strings.NewReader(file.String())).wants(t, 2, 10, 0)
}

const (
	shortHeader = "iupd,type,fiscalCode,fullName,nav,amount,description,dueDate,isPartialPayment,transfer1_remittanceInformation,transfer1_category,transfer1_iban"
	iban        = "IT60X0542811101000000123456"
)

// short is a row of shortHeader.
func short(iupd string, nav int, amount, partial string) string {
	return strings.Join([]string{
		iupd, "F", "ANONIMO", "Prova", string(loadtest.Nav(nav)), amount, "TARI", "2027-01-31", partial, "TARI", "9/0101100IM/", iban,
	}, ",")
}

func csvOf(rows ...string) *strings.Reader {
	return strings.NewReader(shortHeader + "\n" + strings.Join(rows, "\n"))
}

func TestARowBecomesAPosition(t *testing.T) {
	every := "iupd;type;fiscalCode;fullName;streetName;civicNumber;postalCode;city;province;region;country;email;phone;companyName;officeName;" +
		"validityDate;payStandIn;switchToExpired;nav;iuv;amount;description;isPartialPayment;dueDate;retentionDate;sendBound;senderFiscalCode;" +
		"transfer1_amount;transfer1_companyName;transfer1_remittanceInformation;transfer1_category;transfer1_iban;transfer1_postalIban;" +
		"transfer3_amount;transfer3_organizationFiscalCode;transfer3_remittanceInformation;transfer3_category;" +
		"transfer3_hashDocument;transfer3_stampType;transfer3_provincialResidence"
	nav := loadtest.Nav(1)
	row := "P-1; G ;01234567890;\"Società \"\"Prova\"\"; S.r.l.\";via à;1/b;47121;Forlì;FC;Emilia-Romagna;IT;a@example.it;+39 0543;Altro Comune;Tributi;" +
		"2026-03-29;no;VERO;" + string(nav) + ";" + nav.IUV() + ";0011600;Verbale;1;29/03/2026;2027-01-31T10:00:00+01:00;sì;88888888888;" +
		"10000;Comune;causale;9/0101100IM/;" + iban + ";IT60X0760111101000000123456;" +
		"1600;88888888888;bollo;9/0101100IM/;c29tZSBkb2N1bWVudCBoYXNo;01;RM"
	store := newStore(t)
	loaded(t, store, CSV, strings.NewReader(every+"\n"+row)).wants(t, 1, 0, 0)
	got, err := store.Position(t.Context(), ente, "P-1")
	must(t, err)
	want := &positions.Position{
		OrganizationFiscalCode: ente, IUPD: "P-1", SwitchToExpired: true, CompanyName: "Altro Comune", OfficeName: "Tributi",
		Debtor: positions.Debtor{
			Type: "G", FiscalCode: "01234567890", FullName: `Società "Prova"; S.r.l.`, StreetName: "via à", CivicNumber: "1/b", PostalCode: "47121",
			City: "Forlì", Province: "FC", Region: "Emilia-Romagna", Country: "IT", Email: "a@example.it", Phone: "+39 0543",
		},
		ValidityDate: time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC), // midnight in Rome, before the clock moved
		Status:       positions.Draft, Lifecycle: positions.Open, Version: 1,
		Options: []positions.PaymentOption{{
			NAV: nav, IUV: nav.IUV(), Amount: 11_600, Description: "Verbale", IsPartialPayment: true, SendBound: true, SenderFiscalCode: "88888888888",
			DueDate: time.Date(2026, 3, 29, 21, 59, 59, 0, time.UTC), RetentionDate: time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC), Status: positions.OptionUnpaid,
			Transfers: []positions.Transfer{
				{ID: 1, Amount: 10_000, CompanyName: "Comune", RemittanceInformation: "causale", Category: "9/0101100IM/", IBAN: iban, PostalIBAN: "IT60X0760111101000000123456"},
				{ID: 3, Amount: 1_600, OrganizationFiscalCode: "88888888888", RemittanceInformation: "bollo", Category: "9/0101100IM/", Stamp: &positions.Stamp{
					HashDocument: "c29tZSBkb2N1bWVudCBoYXNo", Type: "01", ProvincialResidence: "RM",
				}},
			},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(positions.Position{}, "InsertedAt", "UpdatedAt"), cmpopts.IgnoreFields(positions.PaymentOption{}, "InsertedAt", "UpdatedAt")); diff != "" {
		t.Errorf("it differs (-want +got):\n%s", diff)
	}
}

func TestWhatARowMayLeaveOut(t *testing.T) {
	store := newStore(t)
	loaded(t, store, CSV, csvOf(short("P-1", 1, "100", ""))).wants(t, 1, 0, 0)
	p, err := store.Position(t.Context(), ente, "P-1")
	must(t, err)
	o := p.Options[0]
	if p.CompanyName != "Comune di Prova" || p.SwitchToExpired || !p.PayStandIn || o.IsPartialPayment || o.IUV != loadtest.Nav(1).IUV() || o.Transfers[0].Amount != 100 {
		t.Errorf("it became %+v", p)
	}
}

func TestNeighbouringRowsOfOneIUPDAreOnePosition(t *testing.T) {
	store := newStore(t)
	loaded(t, store, CSV, csvOf(
		short("P-1", 1, "100", "no"), short("P-1", 2, "50", "sì"), strings.Replace(short("P-1", 3, "50", "sì"), "F,ANONIMO,Prova", ",,", 1),
		",,,,,,,,,,,", short("P-2", 4, "7", ""),
	)).wants(t, 2, 0, 0)
	p, err := store.Position(t.Context(), ente, "P-1")
	must(t, err)
	if len(p.Options) != 3 || p.Options[0].IsPartialPayment || !p.Options[2].IsPartialPayment || p.Options[2].NAV != loadtest.Nav(3) {
		t.Errorf("it became %+v", p)
	}
}

func TestBadRows(t *testing.T) {
	good := short("P-9", 9, "100", "")
	edit := func(old, new string) string { return strings.Replace(short("P-1", 1, "100", ""), old, new, 1) }
	for name, c := range map[string]struct {
		rows []string
		says []string // line, iupd, pointers, cells; of each refusal
	}{
		"a decimal amount":              {[]string{edit(",100,", `,"1,00",`), good}, []string{"2 P-1 /paymentOption/0/amount /paymentOption/0/transfer/0/amount [2:amount 2:transfer1_amount]"}},
		"a signed amount":               {[]string{edit(",100,", `,+100,`), good}, []string{"2 P-1 /paymentOption/0/amount /paymentOption/0/transfer/0/amount [2:amount 2:transfer1_amount]"}},
		"nothing owed":                  {[]string{edit(",100,", `,0,`), good}, []string{"2 P-1 /paymentOption/0/amount /paymentOption/0/transfer/0/amount [2:amount 2:transfer1_amount]"}},
		"a mad day":                     {[]string{edit("2027-01-31", "2027-02-31"), good}, []string{"2 P-1 /paymentOption/0/dueDate [2:dueDate]"}},
		"a mad instant":                 {[]string{edit("2027-01-31", "2027-01-31T25:00:00Z"), good}, []string{"2 P-1 /paymentOption/0/dueDate [2:dueDate]"}},
		"an American day":               {[]string{edit("2027-01-31", "01/31/2027"), good}, []string{"2 P-1 /paymentOption/0/dueDate [2:dueDate]"}},
		"a flag that is none":           {[]string{short("P-1", 1, "100", "forse"), good}, []string{"2 P-1 /paymentOption/0/isPartialPayment [2:isPartialPayment]"}},
		"a spreadsheet's notice number": {[]string{edit(string(loadtest.Nav(1)), "3.02E+17"), good}, []string{"2 P-1 /paymentOption/0/nav [2:nav]"}},
		"a notice number cut short":     {[]string{edit(string(loadtest.Nav(1)), "302"), good}, []string{"2 P-1 /paymentOption/0/nav [2:nav]"}},
		"no IBAN":                       {[]string{edit(iban, ""), good}, []string{"2 P-1 /paymentOption/0/transfer/0/iban [2:transfer1_iban]"}},
		"a bad second row":              {[]string{short("P-1", 1, "100", ""), strings.Replace(short("P-1", 2, "5", "sì"), "TARI", "", 1), good}, []string{"2 P-1 /paymentOption/1/description [3:description]"}},
		"cells that should agree":       {[]string{short("P-1", 1, "100", ""), strings.Replace(short("P-1", 2, "5", "sì"), "Prova", "Altra", 1), good}, []string{"2 P-1 /fullName [2:fullName]"}},
		"too many cells":                {[]string{edit("ANONIMO", "ANO,NIMO"), good}, []string{"2 P-1 the row has 13 cells, the header has 12 []"}},
		"too few cells, in the middle of a position": {
			[]string{short("P-1", 1, "100", ""), "P-1,F", short("P-1", 2, "50", "sì"), good},
			[]string{"2 P-1 the row has 2 cells, the header has 12 []"},
		},
		"a stray quote": {[]string{edit("Prova", `Pro"va`), good}, []string{"2 P-1 the row cannot be read: a quote is not closed on its line, or stands inside of a cell []"}},
		"an open quote": {[]string{edit("Prova", `"Prova`), good}, []string{"2 P-1 the row cannot be read: a quote is not closed on its line, or stands inside of a cell []"}},
		"invalid UTF-8": {[]string{edit("Prova", "Forl\xec"), good}, []string{`2 P-1 the row is not UTF-8: save the file as "CSV UTF-8" []`}},
		"too long":      {[]string{edit("Prova", strings.Repeat("x", longest)), good}, []string{"2 P-1 the line is longer than 65536 bytes []"}},
		"too long, and blank as far as it is read": {
			[]string{strings.Repeat(" ", longest+3) + "P-1", short("P-0", 10, "100", ""), good},
			[]string{"2  the line is longer than 65536 bytes []", "3 P-0 a row beside it has no iupd that can be read, and may belong to this position []"},
		},
		"a row of nobody's, and its neighbours": {
			[]string{short("P-0", 10, "100", ""), short("P-1", 1, "100", ""), short("", 2, "50", "sì"), short("P-2", 3, "100", ""), good},
			[]string{
				"3 P-1 a row beside it has no iupd that can be read, and may belong to this position []", "4  /iupd []",
				"5 P-2 a row beside it has no iupd that can be read, and may belong to this position []",
			},
		},
		"a row too many of a position that ended": {
			[]string{short("P-1", 1, "100", ""), good, short("P-1", 2, "50", "sì")}, []string{"4 P-1 /iupd [4:iupd]"},
		},
		"a hundred and one options": {append(instalments(101), good), []string{"2 P-1 /paymentOption []"}},
		"a thousand options":        {append(instalments(1000), good), []string{"2 P-1 the line is longer than 65536 bytes []"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			r := loaded(t, store, CSV, csvOf(c.rows...))
			must(t, r.err)
			var says []string
			for _, x := range r.rejected {
				var cells []string
				for _, e := range x.Errors {
					if e.Column != "" {
						cells = append(cells, json.Number(itoa(e.Line)).String()+":"+e.Column)
					}
				}
				says = append(says, strings.Join([]string{itoa(x.Line), x.IUPD, x.pointers(), "[" + strings.Join(cells, " ") + "]"}, " "))
			}
			if diff := cmp.Diff(c.says, says); diff != "" {
				t.Errorf("the refusals differ (-want +got):\n%s", diff)
			}
			if _, err := store.Position(t.Context(), ente, "P-9"); err != nil {
				t.Errorf("the good row was not loaded: %v", err)
			}
		})
	}
}

// A spreadsheet that made 3,02E+17 of a notice number is named as the cause, and
// nothing else is said.
func TestNumbersThatASpreadsheetRounded(t *testing.T) {
	row := func(nav, iuv string) string {
		return "P-1;F;ANONIMO;Prova;" + nav + ";" + iuv + ";100;TARI;2027-01-31;TARI;9/0101100IM/;" + iban + "\n"
	}
	nav := loadtest.Nav(1)
	for name, c := range map[string]struct{ nav, iuv, says, reason string }{
		"the notice number":             {"3,02E+17", "", "/paymentOption/0/nav", "nav"},
		"the notice number, in English": {"3.02e17", "", "/paymentOption/0/nav", "nav"},
		"the notice number of an IUV":   {"3E+17", nav.IUV(), "/paymentOption/0/nav", "nav"},
		"the IUV":                       {"", "2E+15", "/paymentOption/0/iuv", "iuv"},
		"both":                          {"3,02E+17", "2,00E+15", "/paymentOption/0/nav /paymentOption/0/iuv", "nav"},
	} {
		r := loaded(t, newStore(t), CSV, strings.NewReader("iupd;type;fiscalCode;fullName;nav;iuv;amount;description;dueDate;"+
			"transfer1_remittanceInformation;transfer1_category;transfer1_iban\n"+row(c.nav, c.iuv)))
		r.wants(t, 0, 0, 1)
		x := r.rejected[0]
		if x.pointers() != c.says || !strings.Contains(x.Errors[0].Detail, "format the column as text") || r.Reasons["not valid: /paymentOption/N/"+c.reason] != 1 {
			t.Errorf("%s: %s, counted as %v", name, x.pointers(), r.Reasons)
		}
	}
}

// Rows that made no body are not taken for one when what was refused is loaded.
func TestRowsAreCorrectedInTheirOwnFile(t *testing.T) {
	r := loaded(t, newStore(t), CSV, csvOf(short("P-1", 1, "100", ""), short("", 2, "50", ""), "P-3,Forl\xec", `P-4,"F`))
	r.wants(t, 0, 0, 4)
	const says = "the text is of rows of CSV, not a body: correct them in the CSV file that was loaded first and load that again"
	for range 2 { // and no less when it is refused once more
		r = loaded(t, newStore(t), NDJSON, strings.NewReader(r.file))
		r.wants(t, 0, 0, 4)
		if r.Reasons[says] != 4 || r.rejected[1].Text != short("", 2, "50", "") || r.rejected[2].Bytes == nil {
			t.Errorf("it says %v:\n%s", r.Reasons, r.file)
		}
	}
	// Whoever writes a body in its place is heard.
	text, err := json.Marshal(loadtest.Line(5))
	must(t, err)
	loaded(t, newStore(t), NDJSON, strings.NewReader(`{"rejectedLine":2,"errors":[],"text":`+string(text)+`,"csv":true}`)).wants(t, 1, 0, 0)
}

func itoa(n int64) string {
	text, _ := json.Marshal(n) // numbers always marshal
	return string(text)
}

func instalments(n int) (rows []string) {
	for i := range n {
		rows = append(rows, short("P-1", 100+i, "1", "sì"))
	}
	return rows
}

// Nothing of a position is stored when one of its rows is bad.
func TestNoPositionIsHalfLoaded(t *testing.T) {
	store := newStore(t)
	loaded(t, store, CSV, csvOf(
		short("P-1", 1, "100", ""), short("P-1", 2, "0,50", "sì"),
		short("P-2", 3, "100", ""), `P-2,F,"`,
	)).wants(t, 0, 0, 2)
	for _, iupd := range []string{"P-1", "P-2"} {
		if _, err := store.Position(t.Context(), ente, iupd); positions.CodeOf(err) != positions.NotFound {
			t.Errorf("%s: %v", iupd, err)
		}
	}
}

func TestARowWhoseIUPDIsHalfReadCountsForItsNeighbours(t *testing.T) {
	second := short("P-1", 2, "50", "sì")
	for name, row := range map[string]string{
		"an open quote before it":       `"` + second,
		"a quote that closes inside":    `"P"` + second[1:],
		"a stray quote inside":          strings.Replace(second, "P-1", `P-1"`, 1),
		"a line that is cut inside it":  strings.Replace(second, "P-1", strings.Repeat(" ", longest)+"P-1", 1),
		"a line that is cut after some": strings.Replace(second, "P-1", strings.Repeat(" ", longest-2)+"P-1", 1),
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			loaded(t, store, CSV, csvOf(short("P-1", 1, "100", "sì"), row, short("P-1", 3, "25", "sì"), short("P-9", 9, "100", ""))).wants(t, 1, 0, 3)
			if _, err := store.Position(t.Context(), ente, "P-1"); positions.CodeOf(err) != positions.NotFound {
				t.Errorf("a part of it is there: %v", err)
			}
		})
	}
}

// A refused row is told as the body it would have become, which can be
// corrected and loaded.
func TestACorrectedRowIsLoadedFromItsRejection(t *testing.T) {
	store := newStore(t)
	r := loaded(t, store, CSV, csvOf(short("P-1", 1, "1.00", ""), short("P-1", 2, "50", "sì")))
	r.wants(t, 0, 0, 1)
	file := strings.ReplaceAll(r.file, `"amount":"1.00"`, `"amount":100`)
	loaded(t, store, NDJSON, strings.NewReader(file)).wants(t, 1, 0, 0)
	// Which is the same as correcting the row.
	loaded(t, store, CSV, csvOf(short("P-1", 1, "100", ""), short("P-1", 2, "50", "sì"))).wants(t, 0, 1, 0)
}

func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct{ file, says string }{
		"empty":               {"", "the file is empty"},
		"unknown columns":     {shortHeader + ",colore,Iuv", `the header has unknown columns: "colore", "Iuv" (is it iuv?)`},
		"a column twice":      {shortHeader + ",nav", `column "nav" is there twice`},
		"missing columns":     {strings.Replace(strings.Replace(shortHeader, ",nav", "", 1), "amount,", "", 1), "the header lacks columns: amount, nav or iuv"},
		"a sixth transfer":    {shortHeader + ",transfer6_amount", `unknown columns: "transfer6_amount"`},
		"no header":           {short("P-1", 1, "100", ""), "unknown columns"},
		"an open quote":       {`"` + shortHeader, "the header cannot be read"},
		"other encoding":      {shortHeader + ",\xff", "not a header in UTF-8"},
		"something very long": {strings.Repeat("x,", longest), "not a header in UTF-8"},
	} {
		_, err := Open(strings.NewReader(c.file), CSV, longest)
		var wrong *FileError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, header := range map[string]string{"quoted names": `"` + strings.ReplaceAll(shortHeader, ",", `","`) + `"`, "spaces": strings.ReplaceAll(shortHeader, ",", " , ")} {
		r := loaded(t, newStore(t), CSV, strings.NewReader("\ufeff"+header+"\r\n"+short("P-1", 1, "100", "")+"\r\n"))
		if r.err != nil || r.Created != 1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// FuzzRow holds what comes of any row to be a position that can be stored, or a
// refusal that says where.
func FuzzRow(f *testing.F) {
	f.Add(short("P-1", 1, "100", "sì"), "")
	f.Add(short("P-1", 1, "1,5", "forse"), short("P-1", 2, "-1", ""))
	f.Add(`P-1,"F`, `,,,,,,,,,,,`)
	f.Add("P-1;\"\"\"\xff", "\x00")
	f.Fuzz(func(t *testing.T, first, second string) {
		source, err := Open(csvOf(first, second), CSV, 4096)
		must(t, err)
		l := &loading{Job: Job{Organization: ente, CompanyName: "Comune di Prova"}}
		read := &batch{at: time.Now()}
		for {
			it, err := source.next()
			if err != nil {
				break
			}
			read.items = append(read.items, it)
		}
		if n := 1 + strings.Count(first+"\n"+second, "\n"); len(read.items) > n {
			t.Fatalf("%d items come of %d lines", len(read.items), n)
		}
		l.judge(read)
		for i, refusal := range read.refusals {
			if refusal == nil {
				p := read.positions[i]
				if err := p.Validate(); err != nil || p.IUPD != read.items[i].iupd {
					t.Errorf("%q is stored under %q: %v", p.IUPD, read.items[i].iupd, err)
				}
				continue
			}
			r := read.items[i].rejection(read.bodies[i], refusal)
			if len(r.Errors) == 0 || r.reason == "" || refusal.Code == positions.Internal {
				t.Errorf("nothing is said: %+v", refusal)
			}
			if b := read.bodies[i]; b != nil && !json.Valid(b.text) {
				t.Errorf("the body is no JSON: %s", b.text)
			}
			if _, err := json.Marshal(r); err != nil {
				t.Errorf("the rejection cannot be written: %v", err)
			}
		}
	})
}
