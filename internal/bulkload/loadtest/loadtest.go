// Package loadtest writes files of positions for tests and figures.
package loadtest

import (
	"bufio"
	"fmt"
	"io"

	"github.com/attualizza/attualizza/positions"
)

// Organization is the one that the positions are written for.
const Organization = "77777777777"

// Nav is the notice number of the n-th position, from 0.
func Nav(n int) positions.NoticeNumber {
	nav, err := positions.NewNoticeNumber(2, int64(n))
	if err != nil {
		panic(err)
	}
	return nav
}

// IUPD is the iupd of the n-th position, from 0.
func IUPD(n int) string { return fmt.Sprintf("TARI-2026-%07d", n) }

// Line is the n-th position, from 0, as a line of NDJSON without its end: a tax
// with two beneficiaries, SEND-bound, long past its due date.
func Line(n int) string {
	total := 12_000 + n%5_000
	return fmt.Sprintf(`{"iupd":%q,"type":"F","fiscalCode":"RSSMRA%02dA01H501U","fullName":"Contribuente n. %d","streetName":"Via Città di Forlì","civicNumber":"%d",`+
		`"postalCode":"47121","city":"Forlì","province":"FC","country":"IT","companyName":"Comune di Prova","officeName":"Ufficio Tributi","switchToExpired":false,`+
		`"paymentOption":[{"nav":%q,"iuv":%q,"amount":%d,"description":"TARI 2026 avviso %d","isPartialPayment":false,"dueDate":"2020-06-30T21:59:59Z","sendBound":true,`+
		`"transfer":[{"idTransfer":"1","amount":%d,"remittanceInformation":"TARI 2026","category":"9/0101100IM/","iban":"IT60X0542811101000000123456"},`+
		`{"idTransfer":"2","amount":600,"organizationFiscalCode":"01199250158","companyName":"Provincia di Prova","remittanceInformation":"TEFA 2026","category":"9/0201102IM/","iban":"IT60X0542811101000000123456"}]}]}`,
		IUPD(n), n%100, n, n%300+1, Nav(n), Nav(n).IUV(), total, n, total-600)
}

// Header is the header of [Row].
const Header = "iupd;type;fiscalCode;fullName;streetName;civicNumber;postalCode;city;province;country;officeName;nav;amount;description;dueDate;sendBound;" +
	"transfer1_amount;transfer1_remittanceInformation;transfer1_category;transfer1_iban;" +
	"transfer2_amount;transfer2_organizationFiscalCode;transfer2_companyName;transfer2_remittanceInformation;transfer2_category;transfer2_iban"

// Row is [Line] as a row of CSV.
func Row(n int) string {
	total := 12_000 + n%5_000
	return fmt.Sprintf("%s;F;RSSMRA%02dA01H501U;Contribuente n. %d;Via Città di Forlì;%d;47121;Forlì;FC;IT;Ufficio Tributi;%s;%d;TARI 2026 avviso %d;30/06/2020;sì;"+
		"%d;TARI 2026;9/0101100IM/;IT60X0542811101000000123456;600;01199250158;Provincia di Prova;TEFA 2026;9/0201102IM/;IT60X0542811101000000123456",
		IUPD(n), n%100, n, n%300+1, Nav(n), total, n, total-600)
}

// WriteNDJSON writes n positions.
func WriteNDJSON(w io.Writer, n int) error {
	b := bufio.NewWriter(w)
	for i := range n {
		fmt.Fprintln(b, Line(i)) // Flush tells
	}
	return b.Flush()
}

// WriteCSV writes n positions, as a spreadsheet does: with a byte order mark.
func WriteCSV(w io.Writer, n int) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "\ufeff%s\r\n", Header) // Flush tells
	for i := range n {
		fmt.Fprintf(b, "%s\r\n", Row(i))
	}
	return b.Flush()
}
