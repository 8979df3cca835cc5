package tccosto

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

// instant writes an instant as the parties of the test read it: in Italian time,
// with its offset and milliseconds.
func instant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(calendar.Rome).Format("2006-01-02T15:04:05.000-07:00")
}

func cents(c *money.Cents) string {
	if c == nil {
		return "-"
	}
	return c.String()
}

// Verdict is the word for passed or not.
func Verdict(passed bool) string {
	if passed {
		return "SUPERATO"
	}
	return "NON SUPERATO"
}

var titles = map[Scenario]string{
	SenderIsCreditor: "l'ente mittente della notifica è l'ente creditore",
	SenderIsAnother:  "l'ente mittente della notifica non è l'ente creditore",
}

// sources say in Italian where a cost that passes came from.
var sources = map[positions.FeeSource]string{
	positions.SourceLive:  "chiesto a SEND per questa validazione",
	positions.SourceCache: "chiesto a SEND poco prima",
	positions.SourceFinal: "definitivo: notifica perfezionata",
}

// WriteMarkdown writes the report that the organization hands to PagoPA, in
// Italian.
func (d *Document) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# TC-COSTO-01: attualizzazione della posizione debitoria\n\nEsito: **%s**\n\n", Verdict(d.Passed))
	if d.Simulated {
		b.WriteString("> Prova con il simulatore di SEND: dimostra il funzionamento del programma e non vale come evidenza per un ente.\n\n")
	}
	fmt.Fprintf(&b, "Redatto il %s da Attualizza %s. Importi in euro; orari di Roma.\n", instant(d.At), d.Version)
	for i := range d.Reports {
		d.Reports[i].markdown(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Scenario %d: %s\n\nEsito: **%s**\n\n", r.Scenario, titles[r.Scenario], Verdict(r.Passed))
	fmt.Fprintf(b, "- Ente creditore: %s\n- Intermediario: %s, stazione %s\n- Servizio paForNode: %s\n", r.Organization, cell(r.Broker), cell(r.Station), cell(r.Endpoint))
	for _, reason := range r.Reasons {
		fmt.Fprintf(b, "- %s\n", reason)
	}
	for i := range r.Notices {
		r.Notices[i].markdown(b, r.Organization)
	}
}

func (e *Evidence) markdown(b *strings.Builder, organization string) {
	fmt.Fprintf(b, "\n### Avviso %s: %s\n\n| evidenza | valore |\n|---|---|\n", e.Notice, Verdict(e.Passed))
	row := func(name, value string) {
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, cell(value))
	}
	sender := e.Sender
	if sender == "" {
		sender = organization + " (l'ente creditore)"
	}
	row("Ente mittente della notifica", sender)
	row("Richiesta di validazione (paVerifyPaymentNotice)", instant(e.ValidationAt))
	row("Esito della validazione", strings.TrimSpace(e.Outcome+" "+e.Fault))
	row("IUN", e.IUN)
	row("Perfezionamento della notifica", instant(e.PerfectedAt))
	row("– per presa visione", instant(e.ViewedAt))
	refined := instant(e.RefinedAt)
	if e.RefinedAt.After(e.ValidationAt) {
		refined += " (futura: non ancora efficace)"
	}
	row("– per decorrenza dei termini", refined)
	row("Costo restituito da SEND", cents(e.Cost))
	if x := e.Send; x != nil {
		row("Richiesta a SEND", instant(x.RequestedAt))
		if x.AnsweredAt != nil {
			row("Risposta di SEND", instant(*x.AnsweredAt))
		}
		status := "nessuna risposta"
		if x.Status != nil {
			status = fmt.Sprint(*x.Status)
		}
		if x.Code != nil {
			status += " " + *x.Code
		}
		row("Stato HTTP di SEND", status)
	} else {
		row("Costo comunicato da SEND il", instant(e.FetchedAt))
	}
	source := string(e.Source)
	if text, ok := sources[e.Source]; ok {
		source += ", " + text
	}
	row("Origine del costo", source)
	base, fee, told := e.Base.String(), e.Fee.String(), e.Told.String()
	if e.Told == 0 { // nothing was asked: the validation was refused
		base, fee, told = "-", "-", "-"
	}
	row("Importo base", base)
	row("Costo di notifica aggiunto", fee)
	row("Importo nella risposta al Nodo", told)
	for _, list := range []struct {
		title string
		items []string
	}{{"Motivi dell'esito", e.Reasons}, {"Note", e.Notes}} {
		if len(list.items) > 0 {
			fmt.Fprintf(b, "\n%s:\n\n", list.title)
			for _, item := range list.items {
				fmt.Fprintf(b, "- %s\n", cell(item))
			}
		}
	}
}

// cell keeps a value that others wrote from becoming markup.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'", "*", `\*`).Replace(s)
}
