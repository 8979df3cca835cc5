package dashboards

// work is about what goes in and out beside the Nodo: positions, receipts,
// deliveries, and the REST API.
func work() sheet {
	return sheet{
		uid: "attualizza-lavoro", title: "Attualizza: posizioni, ricevute, consegne, REST", from: "now-6h",
		about: "I gestionali caricano posizioni? Le ricevute arrivano dove devono?",
		rows: []row{
			{"Posizioni", []question{
				{
					title: "Quante posizioni cambiano all'ora, e come?", shape: lines, width: whole, unit: perHour,
					good: "il ritmo solito dei gestionali.", bad: "nessun caricamento in un giorno di carichi; invalidazioni in massa.",
					page:    "states.md",
					queries: one(`sum by (event) (rate(attualizza_position_changes_total{@replica}[$__rate_interval])) * 3600`, "{{event}}"),
				},
			}},
			{"Ricevute", []question{
				{
					title: "Quante ricevute al secondo arrivano, e con che esito?", shape: lines, width: half, unit: perSecond,
					good: "tutte OK.", bad: "RESUBMIT: il Nodo le ripresenta, l'archivio non risponde. KO: non tornano più.",
					page:    "runbook/ReceiptsNotKept.md",
					queries: one(`sum by (outcome) (rate(attualizza_receipts_total{@replica}[$__rate_interval]))`, "{{outcome}}"),
				},
				{
					title: "Quante rimandate in un'ora?", width: sixth, limits: any1,
					good: "zero.", bad: "l'archivio non ha risposto in tempo; nulla si perde, il Nodo le ripresenta.",
					page:    "runbook/ReceiptsAskedAgain.md",
					queries: one(counted("", `attualizza_answers_total{@replica,operation=~"paSendRT(V2)?",outcome="RESUBMIT"}`, "1h", `attualizza_answers_total{@replica}`), "rimandate"),
				},
				{
					title: "Quante rifiutate in un'ora?", width: sixth, limits: any1,
					good: "zero, tranne PAA_RECEIPT_DUPLICATA che qui non conta.", bad: "il pagamento c'è stato e qui non risulta: il Nodo non le ripresenta.",
					page:    "runbook/ReceiptsRefused.md",
					queries: one(counted("", `attualizza_answers_total{@replica,operation=~"paSendRT(V2)?",outcome="KO",fault_code!="PAA_RECEIPT_DUPLICATA"}`, "1h", `attualizza_answers_total{@replica}`), "rifiutate"),
				},
				{
					title: "Quante senza ricevuta?", width: sixth, empty: "non ancora contate",
					good: "stabile: chi attiva un avviso può non pagarlo. Contate ogni ora, tra due ore e trenta giorni fa.", bad: "in salita di colpo: le ricevute non arrivano. L'elenco è in GET …/missing-receipts.",
					page:    "runbook/ReceiptsRefused.md",
					queries: one(`max(attualizza_receipts_missing{@replica})`, "attivazioni"),
				},
			}},
			{"Consegne ai gestionali e a SEND", []question{
				{
					title: "Quante consegne attendono di partire?", shape: lines, width: half,
					good: "poche, e subito di nuovo zero.", bad: "in salita: RECEIPT, il gestionale non accetta; SEND_PAYMENT, SEND non accetta la notizia.",
					page:    "runbook/DeliveriesLate.md",
					queries: one(`max by (kind) (attualizza_deliveries_pending{@replica})`, "{{kind}}"),
				},
				{
					title: "Da quanto attende la consegna più vecchia?", shape: lines, width: half, unit: lasting, limits: []limit{{600, yellow}, {1800, red}},
					good: "pochi secondi.", bad: "oltre 30 minuti.",
					page:    "runbook/DeliveriesLate.md",
					queries: one(`max by (kind) (attualizza_deliveries_oldest_seconds{@replica})`, "{{kind}}"),
				},
				{
					title: "Quante consegne sono accantonate?", shape: lines, width: half, limits: any1,
					good: "zero.", bad: "da uno in su: nessuno le ritenta, vanno guardate e ripetute (attualizza deliveries).",
					page:    "runbook/DeliveriesParked.md",
					queries: one(`max by (kind) (attualizza_deliveries_parked{@replica})`, "{{kind}}"),
				},
				{
					title: "Come finiscono i tentativi di consegna?", shape: lines, width: half, unit: perSecond,
					good: "tutti al primo tentativo.", bad: "tentativi falliti: il motivo è nella consegna, GET …/deliveries.",
					page:    "integrations.md",
					queries: one(`sum by (kind, result) (rate(attualizza_deliveries_total{@replica}[$__rate_interval]))`, "{{kind}} {{result}}"),
				},
			}},
			{"REST", []question{
				{
					title: "Quante chiamate REST al secondo arrivano, per esito?", shape: lines, width: half, unit: perSecond,
					good: "quasi solo 2xx.", bad: "401 e 403: una chiave sbagliata; 429: un gestionale che chiede troppo; 5xx: colpa nostra.",
					page:    "integrations.md",
					queries: one(`sum by (status) (rate(attualizza_rest_requests_total{@replica}[$__rate_interval]))`, "{{status}}"),
				},
				{
					title: "Quali chiamate REST sono le più lente? (95 su 100)", shape: lines, width: half, unit: seconds, limits: []limit{{1, yellow}, {2, red}},
					good: "sotto 1 s, tranne i caricamenti in massa.", bad: "letture lente: l'archivio.",
					page: "performance.md",
					queries: []query{{
						expr:   `topk(10, histogram_quantile(0.95, sum by (method, route, le) (rate(attualizza_rest_request_duration_seconds_bucket{@replica}[$__rate_interval]))))`,
						legend: "{{method}} {{route}}", exemplars: true,
					}},
				},
				{
					title: "Quali chiamate REST falliscono di più nel periodo?", shape: listing, width: half,
					good: "404 su avvisi che non ci sono.", bad: "la stessa chiamata che fallisce sempre: un gestionale rotto. 5xx: guardare il log.",
					page: "integrations.md", rename: map[string]string{"method": "metodo", "route": "chiamata", "status": "esito", "Value": "volte"},
					queries: now(`topk(10, sum by (method, route, status) (increase(attualizza_rest_requests_total{@replica,status=~"[45].."}[$__range])))`, ""),
				},
				{
					title: "Di quali enti falliscono di più le chiamate REST, nel periodo?", shape: listing, width: half, empty: "di nessuno",
					good: "pochi 404 e 409 per ente, in proporzione al suo traffico.", bad: "un ente in cima, sempre con lo stesso esito: il suo gestionale è rotto, e va chiamato chi lo cura. Contano solo chiavi giuste: i 401 non sono di nessuno.",
					page: "integrations.md", rename: map[string]string{"organization": "ente", "status": "esito", "Value": "volte"},
					queries: now(`topk(10, (`+counted(" by (organization, status)", `attualizza_rest_refused_total{@replica}`, "$__range", `attualizza_rest_refused_total{@replica}`)+`) > 0)`, ""),
				},
			}},
		},
	}
}
