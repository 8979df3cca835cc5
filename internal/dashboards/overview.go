package dashboards

// overview is the one page to open at night: are citizens answered, and charged
// what is right?
func overview() sheet {
	return sheet{
		uid: "attualizza-insieme", title: "Attualizza: sguardo d'insieme", from: "now-3h",
		about: "I cittadini ricevono risposta, e l'importo è quello giusto? Il dettaglio è negli altri cruscotti.",
		rows: []row{
			{"I cittadini ricevono risposta?", []question{
				{
					title: "Quante risposte su cento sono buone nell'ultima ora?", width: third, unit: percent, limits: sanpShare, below: true,
					good: "almeno il 99,5%: in tempo (2 s) e senza errori nostri.", bad: "sotto il 98% non si rispetta il livello di servizio SANP.",
					page: "runbook/AnswersSANPBurnFast.md", empty: "nessuna richiesta",
					queries: one(`1 - max(job:attualizza_answers_bad:ratio1h{@job,objective="sanp"})`, "buone"),
				},
				{
					title: "Quante risposte sono arrivate entro 2 secondi questo mese?", width: third, unit: percent, limits: sanpShare, below: true, month: true,
					good: "almeno il 99,5%.", bad: "sotto il 98% PagoPA segna il mese come fuori livello di servizio. Conta dall'inizio del mese, per quanto Prometheus conserva.",
					page: "runbook/AnswersSANPBurnSlow.md", empty: "nessuna richiesta",
					queries: now(`sum(increase(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown",le=~"2(\\.0)?"}[$__range]))
/ sum(increase(attualizza_answer_duration_seconds_count{@replica,operation!="unknown"}[$__range]))`, "entro 2 s"),
				},
				{
					title: "Quanto attende il cittadino più lento su cento?", width: third, unit: seconds, limits: answerTimes,
					good: "sotto 1,5 s.", bad: "oltre 2 s il Nodo conta la risposta come tardiva, oltre 7 s non la usa più.",
					page: "runbook/AnswersObjectiveBurnFast.md", empty: "nessuna richiesta",
					queries: one(`histogram_quantile(0.99, sum by (le) (rate(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown"}[5m])))`, "99 su 100 entro"),
				},
				{
					title: "Quanti cittadini abbiamo respinto noi nell'ultima ora?", width: third, limits: any1,
					good: "zero.", bad: "da uno in su: PAA_SYSTEM_ERROR, chi voleva pagare non ha potuto.",
					page:    "runbook/CitizensTurnedAway.md",
					queries: one(counted("", `attualizza_answers_total{@replica,fault_code="PAA_SYSTEM_ERROR"}`, "1h", `attualizza_answers_total{@replica}`), "respinti"),
				},
				{
					title: "Quante richieste al secondo manda il Nodo?", width: third, unit: perSecond,
					good: "il numero solito per quest'ora.", bad: "zero in un'ora di lavoro: il Nodo non ci raggiunge.",
					page:    "runbook/NodoSilent.md",
					queries: one(`sum(rate(attualizza_answers_total{@replica,operation!="unknown"}[5m]))`, "richieste"),
				},
				{
					title: "Quante repliche sono pronte a rispondere?", width: third, limits: []limit{{1, yellow}, {2, green}}, below: true,
					good: "tutte: due o più.", bad: "una sola: nessun margine. Zero: i cittadini sono respinti tutti.",
					page:    "runbook/ReplicaDown.md",
					queries: one(`sum(attualizza_ready{@replica})`, "pronte"),
				},
				{
					title: "Quante risposte al secondo diamo, per esito?", shape: lines, width: half, unit: perSecond,
					good: "quasi tutte OK; i KO sono rifiuti dovuti (avviso pagato, scaduto, sconosciuto).", bad: "KO che crescono di colpo, RESUBMIT (ricevute rimandate), REFUSED (messaggi che non sono del Nodo).",
					page:    "runbook/CitizensTurnedAway.md",
					queries: one(`sum by (outcome) (rate(attualizza_answers_total{@replica}[$__rate_interval]))`, "{{outcome}}"),
				},
				{
					title: "Entro quanto rispondiamo a 50, 95 e 99 richieste su cento?", shape: lines, width: half, unit: seconds, limits: answerTimes,
					good: "99 su 100 sotto 1,5 s.", bad: "sopra la riga dei 2 s.",
					page: "runbook/AnswersSANPBurnFast.md",
					queries: []query{
						{expr: `histogram_quantile(0.5, sum by (le) (rate(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown"}[$__rate_interval])))`, legend: "50"},
						{expr: `histogram_quantile(0.95, sum by (le) (rate(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown"}[$__rate_interval])))`, legend: "95"},
						{expr: `histogram_quantile(0.99, sum by (le) (rate(attualizza_answer_duration_seconds_bucket{@replica,operation!="unknown"}[$__rate_interval])))`, legend: "99", exemplars: true},
					},
				},
			}},
			{"L'importo chiesto è quello giusto?", []question{
				{
					title: "Quante risposte hanno un prezzo fresco di SEND?", width: third, unit: percent, limits: []limit{{.5, yellow}, {.95, green}}, below: true,
					good: "nell'ultima ora almeno il 95% delle risposte su avvisi notificati da SEND.", bad: "sotto il 50% alla maggior parte dei cittadini si chiede un importo che può essere sbagliato.",
					page: "runbook/DegradedAnswersMost.md", empty: "nessun avviso SEND",
					queries: one(`sum(rate(attualizza_fee_source_total{@replica,source!~"LAST_KNOWN|BASE|NONE|NOT_BOUND"}[1h]))
/ sum(rate(attualizza_fee_source_total{@replica,source!="NOT_BOUND"}[1h]))`, "fresco"),
				},
				{
					title: "Per quanti enti SEND non risponde?", width: third, limits: any1, empty: "SEND mai chiamato",
					good: "zero: tutti gli interruttori sono chiusi.", bad: "uno: la sua chiave o il suo relay. Tutti: SEND o la nostra rete.",
					page:    "runbook/SendBreakerOpen.md",
					queries: one(`sum(max by (key) (attualizza_send_breaker_state{@replica}) > bool 0)`, "enti"),
				},
				{
					title: "Quanti cittadini hanno visto un importo e ne hanno avuto chiesto un altro, nell'ultima ora?", width: third, limits: []limit{{1, yellow}},
					good: "zero o quasi: tra verifica e attivazione il costo di SEND può cambiare, o scattare un termine.", bad: "molti: SEND o un relay cambiano prezzo di continuo. Non si vede chi verifica su una replica e attiva su un'altra.",
					page:    "metrics.md",
					queries: one(counted("", `attualizza_verified_then_activated_total{@replica,result=~"more|less"}`, "1h", `attualizza_verified_then_activated_total{@replica}`), "cittadini"),
				},
				{
					title: "Quanti euro in meno del dovuto in 24 ore?", width: half, unit: euro, limits: anyEuro,
					good: "zero.", bad: "l'ente ci rimette: il dettaglio è in attualizza reconcile.",
					page:    "runbook/UnderCollection.md",
					queries: one(euroOfADay("attualizza_under_collected_cents_total"), "in meno"),
				},
				{
					title: "Quanti euro in più del dovuto in 24 ore?", width: half, unit: euro, limits: anyEuro,
					good: "zero.", bad: "i cittadini hanno pagato troppo: da rimborsare. Il dettaglio è in attualizza reconcile.",
					page:    "runbook/OverCollection.md",
					queries: one(euroOfADay("attualizza_over_collected_cents_total"), "in più"),
				},
			}},
			{"Qualcosa chiede un intervento?", []question{
				{
					title: "Quanti allarmi che svegliano sono accesi?", width: third, limits: any1,
					good: "zero.", bad: "da uno in su: la pagina di ciascuno è in docs/runbook, con il suo nome.",
					page:    "README.md",
					queries: one(`count(ALERTS{@job,alertstate="firing",severity="page"}) or 0 * count(up{@job})`, "accesi"),
				},
				{
					title: "Quante consegne sono accantonate?", width: third, limits: any1,
					good: "zero.", bad: "nessuno le ritenta: vanno guardate e ripetute.",
					page:    "runbook/DeliveriesParked.md",
					queries: one(`sum(max by (kind) (attualizza_deliveries_parked{@replica}))`, "accantonate"),
				},
				{
					title: "Quante attivazioni sono rimaste senza ricevuta?", width: third, empty: "non ancora contate",
					good: "stabile: chi attiva può non pagare. Contate ogni ora, tra due ore e trenta giorni fa.", bad: "in salita di colpo: il Nodo non ci manda le ricevute, o le rifiutiamo.",
					page:    "runbook/ReceiptsRefused.md",
					queries: one(`max(attualizza_receipts_missing{@replica})`, "senza ricevuta"),
				},
				{
					title: "Di quanto sono indietro gli stream di SEND?", width: third, unit: lasting, limits: []limit{{300, yellow}, {900, red}},
					good: "meno di 5 minuti; zero dove nessun ente usa gli stream.", bad: "oltre 15 minuti: i prezzi si chiedono al momento del pagamento, le risposte sono più lente.",
					page:    "runbook/StreamsLate.md",
					queries: one(`max(attualizza_stream_lag_seconds{@replica})`, "indietro di"),
				},
				{
					title: "Tra quanti giorni un certificato scaduto chiude la porta al Nodo?", width: third, unit: days, limits: []limit{{7, yellow}, {30, green}}, below: true,
					good: "oltre 30 giorni.", bad: "sotto 7 giorni va rinnovato oggi: scaduto, il Nodo non entra più.",
					page: "runbook/NodoCertificateEndsIn7Days.md", empty: "TLS al proxy",
					queries: one(`(min(attualizza_certificate_not_after_timestamp_seconds{@replica,certificate!="nodo_client_ca_first"}) - time()) / 86400`, "giorni"),
				},
				{
					title: "Le dipendenze rispondono?", width: third, limits: []limit{{1, green}}, below: true, states: upOrDown,
					good: "archivio e Redis rispondono.", bad: "archivio: nessuno può pagare. Redis: tutto funziona, con qualche chiamata in più a SEND.",
					page:    "deployment.md",
					queries: one(`min by (dependency) (attualizza_dependency_up{@replica})`, "{{dependency}}"),
				},
				{
					title: "Quali allarmi sono accesi, o stanno per accendersi?", shape: listing, width: whole,
					good: "nessuno.", bad: "firing: acceso; pending: lo sarà se dura. severity page sveglia, ticket attende il mattino.",
					page: "README.md", hide: []string{"Value"},
					rename:  map[string]string{"alertname": "allarme (docs/runbook/….md)", "alertstate": "stato", "severity": "urgenza", "key": "ente", "instance": "replica", "kind": "consegna"},
					queries: now(`ALERTS{@job}`, ""),
				},
			}},
		},
	}
}

var upOrDown = map[string]state{"0": {"non risponde", red}, "1": {"risponde", green}}

// euroOfADay is how much a sum of the store grew in a day, or since it is known. It
// can also fall, when a payment is taken back, so it is no counter that increase()
// would understand; every replica tells the same one.
func euroOfADay(metric string) string {
	return `(max(` + metric + `{@replica}) - (max(` + metric + `{@replica} offset 1d) or min(min_over_time(` + metric + `{@replica}[1d])))) / 100`
}
