package rest

import (
	"strings"

	"github.com/attualizza/attualizza/positions"
)

// inItalian is what the legacy login says of a refusal.
var inItalian = map[positions.Code]string{
	positions.Invalid:     "Richiesta non valida: servono username e password, in JSON",
	notJSON:               "Il corpo della richiesta deve essere JSON (Content-Type application/json)",
	tooLarge:              "Il corpo della richiesta è troppo grande",
	positions.Conflict:    "Idempotency-Key non è ammesso: un token non viene conservato",
	methodNotAllowed:      "Metodo non ammesso: usare POST",
	tooManyRequests:       "Troppe richieste: riprovare dopo i secondi indicati in Retry-After",
	positions.Unavailable: "Servizio momentaneamente non disponibile: riprovare",
}

// facadeRefusal is the body of a refusal by one of the façades, whose interface
// has its own.
func facadeRefusal(style errorStyle, refusal *positions.Error) any {
	if style == asOutcome {
		text, ok := inItalian[refusal.Code]
		if !ok {
			text = "Errore interno del server"
		}
		return LoginOutcome{Esito: "KO", DescrizioneErrore: text}
	}
	var message strings.Builder
	message.WriteString(refusal.Message)
	for i, p := range refusal.Problems[:min(len(refusal.Problems), maxProblems)] {
		if i == 0 {
			message.WriteString(": ")
		} else {
			message.WriteString("; ")
		}
		message.WriteString(p.Pointer + " " + p.Detail)
	}
	return FacadeError{Code: string(refusal.Code), Message: message.String()}
}
