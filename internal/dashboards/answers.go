package dashboards

import "fmt"

// answers is about what the Nodo is told, and when.
func answers() sheet {
	return sheet{
		uid: "attualizza-risposte", title: "Attualizza: risposte al Nodo", from: "now-6h",
		about: "Livelli di servizio verso PagoPA e richieste SOAP: chi è lento, chi è rifiutato, e perché.",
		rows: []row{
			{"SLO: i livelli di servizio", []question{
				{
					title: "Per ogni operazione, quante risposte sono arrivate entro 2 secondi questo mese?", width: half, unit: percent, limits: sanpShare, below: true, month: true,
					good: "ogni operazione almeno al 98% (SANP).", bad: "sotto il 98%: PagoPA conta per stazione e per operazione.",
					page: "runbook/AnswersSANPBurnSlow.md", empty: "nessuna richiesta",
					queries: now(withinBy("operation", "2(\\\\.0)?"), "{{operation}}"),
				},
				{
					title: "Quante risposte entro 1,5 secondi questo mese?", width: quarter, unit: percent, limits: internalShare, below: true, month: true,
					good: "almeno il 99,5%: l'obiettivo interno.", bad: "sotto il 99,5% non c'è più margine prima del livello SANP.",
					page: "runbook/AnswersObjectiveBurnSlow.md", empty: "nessuna richiesta",
					queries: now(withinBy("job", "1\\\\.5"), "entro 1,5 s"),
				},
				{
					title: "Quante hanno superato 2 e 7 secondi questo mese?", width: quarter, limits: any1, month: true,
					good: "nessuna oltre 7 s, pochissime oltre 2.", bad: "oltre 7 s il Nodo rinuncia: il cittadino ha visto PPT_STAZIONE_INT_PA_TIMEOUT.",
					page: "runbook/AnswersSANPBurnFast.md",
					queries: []query{
						{expr: beyond("2(\\\\.0)?"), legend: "oltre 2 s", now: true},
						{expr: beyond("7(\\\\.0)?"), legend: "oltre 7 s", now: true},
					},
				},
				{
					title: "Di questo passo il mese resta nel livello SANP?", shape: lines, width: half, unit: factor, limits: []limit{{1, yellow}, {6, red}},
					good: "sotto 1: il 2% concesso nel mese basta.", bad: "sopra 1 il mese finirà fuori; sopra 6, o 14,4 in un'ora, qualcuno viene svegliato.",
					page: "runbook/AnswersSANPBurnFast.md", queries: burn("sanp", "0.02"),
				},
				{
					title: "Di questo passo il mese resta nell'obiettivo interno?", shape: lines, width: half, unit: factor, limits: []limit{{1, yellow}, {6, red}},
					good: "sotto 1: lo 0,5% concesso nel mese basta.", bad: "sopra 1 il mese finirà fuori: è il preavviso del livello SANP.",
					page: "runbook/AnswersObjectiveBurnFast.md", queries: burn("internal", "0.005"),
				},
			}},
			{"SOAP: le richieste del Nodo", []question{
				{
					title: "Quante richieste al secondo arrivano, per operazione?", shape: lines, width: half, unit: perSecond,
					good: "la curva solita della giornata; a ogni attivazione segue una ricevuta.", bad: "un'operazione che scompare.",
					page:    "runbook/NodoSilent.md",
					queries: one(`sum by (operation) (rate(attualizza_answers_total{@replica}[$__rate_interval]))`, "{{operation}}"),
				},
				{
					title: "Chi è lento, SEND o noi? (95 risposte su 100)", shape: lines, width: half, unit: seconds, limits: answerTimes,
					good: "tutte sotto 1,5 s.", bad: "lente solo con SEND (send_bound true): SEND o la rete. Lente tutte: archivio o macchina.",
					page: "runbook/AnswersObjectiveBurnSlow.md",
					queries: []query{{
						expr:   `histogram_quantile(0.95, sum by (send_bound, le) (rate(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown"}[$__rate_interval])))`,
						legend: "send_bound {{send_bound}}", exemplars: true,
					}},
				},
				{
					title: "Quale operazione è lenta? (99 risposte su 100)", shape: lines, width: half, unit: seconds, limits: answerTimes,
					good: "tutte sotto 1,5 s.", bad: "le ricevute lente: l'archivio scrive piano. Verifica e attivazione: SEND.",
					page: "runbook/AnswersSANPBurnFast.md",
					queries: []query{{
						expr:   `histogram_quantile(0.99, sum by (operation, le) (rate(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown"}[$__rate_interval])))`,
						legend: "{{operation}}", exemplars: true,
					}},
				},
				{
					title: "Con quali codici rifiutiamo?", shape: lines, width: half, unit: perSecond,
					good: "rifiuti veri dell'avviso: PAA_PAGAMENTO_DUPLICATO, _SCADUTO, _SCONOSCIUTO.", bad: "PAA_SYSTEM_ERROR è colpa nostra; PAA_STAZIONE_INT_ERRATA o _AUTORIZZAZIONE di chi ci ha configurati.",
					page:    "runbook/CitizensTurnedAway.md",
					queries: one(`sum by (fault_code) (rate(attualizza_answers_total{@replica,outcome="KO"}[$__rate_interval]))`, "{{fault_code}}"),
				},
				{
					title: "Quali sono i dieci rifiuti più frequenti del periodo?", shape: listing, width: half,
					good: "avvisi già pagati, scaduti, sconosciuti.", bad: "un codice nuovo in cima. Ente e stazione sono nel log, riga \"answered the Nodo\".",
					page: "runbook/CitizensTurnedAway.md", rename: map[string]string{"operation": "operazione", "fault_code": "codice", "Value": "volte"},
					queries: now(`topk(10, sum by (operation, fault_code) (increase(attualizza_answers_total{@replica,fault_code!=""}[$__range])))`, ""),
				},
				{
					title: "Qualcuno manda messaggi che non sono del Nodo?", shape: lines, width: quarter, unit: perSecond,
					good: "zero, o qualche scansione.", bad: "molti: un client rotto, o la porta aperta a chi non deve entrare.",
					page:    "security.md",
					queries: one(`sum(rate(attualizza_answers_total{@replica,operation="unknown",outcome!="RESUBMIT"}[$__rate_interval])) or 0 * sum(rate(attualizza_answers_total{@replica}[$__rate_interval]))`, "messaggi"),
				},
				{
					title: "Quante richieste sono respinte per sovraccarico, senza leggerle?", shape: lines, width: quarter, unit: perSecond,
					good: "zero.", bad: "da uno in su: arrivano più richieste di quante se ne possano leggere, e hanno HTTP 503.",
					page:    "runbook/TurnedAwayUnread.md",
					queries: one(`sum(rate(attualizza_answers_total{@replica,operation="unknown",outcome="RESUBMIT"}[$__rate_interval]))`, "respinte"),
				},
				{
					title: "Quante risposte sono in corso?", shape: lines, width: third,
					good: "poche: quante richieste al secondo per il tempo di ciascuna.", bad: "una salita senza discesa: SEND o l'archivio non rispondono, e presto si rifiuta.",
					page:    "performance.md",
					queries: one(`sum by (kind) (attualizza_answers_in_flight{@replica})`, "{{kind}}"),
				},
				{
					title: "Quante connessioni sono respinte per il certificato?", shape: lines, width: third, unit: perHour,
					good: "zero, o qualche estraneo senza certificato.", bad: "not_named, authority, expired: il certificato del Nodo ha cambiato nome o autorità, o è scaduto; not_a_proxy: un proxy ha cambiato indirizzo.",
					page:    "runbook/NodoRefusedAtTheDoor.md",
					queries: one(counted(" by (result)", `attualizza_nodo_tls_refused_total{@replica}`, "1h", `attualizza_nodo_tls_refused_total{@replica}`), "{{result}}"),
				},
				{
					title: "Quante risposte sono partite prima della loro registrazione?", shape: lines, width: third, unit: perHour,
					good: "zero.", bad: "l'archivio scrive piano: se il processo cadesse mancherebbe la prova di ciò che è stato risposto.",
					page:    "runbook/AnswersUnlogged.md",
					queries: one(`sum(increase(attualizza_answers_unlogged_total{@replica}[1h]))`, "risposte"),
				},
			}},
		},
	}
}

// withinBy is the share of the answers of the period shown that are within a bound
// of the histogram. The bound is matched in both ways in which it is written: "2" in
// the classic exposition, "2.0" in OpenMetrics.
func withinBy(label, bound string) string {
	return fmt.Sprintf(`sum by (%[1]s) (increase(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown",le=~"%[2]s"}[$__range]))
/ sum by (%[1]s) (increase(attualizza_answer_duration_seconds_count{@replica,operation!="unknown"}[$__range]))`, label, bound)
}

func beyond(bound string) string {
	return fmt.Sprintf(`sum(increase(attualizza_answer_duration_seconds_count{@replica,operation!="unknown"}[$__range]))
- sum(increase(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown",le=~"%s"}[$__range]))`, bound)
}

// burn is how many times faster than allowed an objective's budget is spent. The
// figures are those that the alerts look at.
func burn(objective, budget string) (all []query) {
	for _, w := range []struct{ window, words string }{{"5m", "5 minuti"}, {"1h", "1 ora"}, {"6h", "6 ore"}, {"3d", "3 giorni"}} {
		all = append(all, query{
			expr:   fmt.Sprintf(`max(job:attualizza_answers_bad:ratio%s{@job,objective="%s"}) / %s`, w.window, objective, budget),
			legend: w.words,
		})
	}
	return all
}
