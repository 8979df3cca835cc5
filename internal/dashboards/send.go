package dashboards

// send is about what SEND says, and what is made of it: the amounts.
func send() sheet {
	return sheet{
		uid: "attualizza-send", title: "Attualizza: SEND e importi", from: "now-6h",
		about: "SEND risponde? Quanto spesso se ne fa a meno, e che cosa è costato.",
		rows: []row{
			{"SEND: chiamate, interruttori, credenziali, stream", []question{
				{
					title: "Che cosa risponde SEND?", shape: lines, width: half, unit: perSecond,
					good: "priced e no_cost per i prezzi, answered e reported per il resto.", bad: "timeout e server_error sono di SEND, transport della rete, denied e no_voucher delle credenziali, throttled: chiediamo troppo.",
					page:    "runbook/SendBreakerOpen.md",
					queries: one(`sum by (route, result) (rate(attualizza_send_requests_total{@replica}[$__rate_interval]))`, "{{route}} {{result}}"),
				},
				{
					title: "Entro quanto risponde SEND a 99 richieste su cento?", shape: lines, width: half, unit: seconds, limits: []limit{{.8, yellow}, {1.2, red}},
					good: "sotto 0,8 s.", bad: "a 1,2 s non si attende oltre (ATTUALIZZA_SEND_TIMEOUT): si risponde con un costo vecchio.",
					page: "runbook/DegradedAnswers.md",
					queries: []query{{
						expr:   `histogram_quantile(0.99, sum by (route, le) (rate(attualizza_send_request_duration_seconds_bucket{@replica}[$__rate_interval])))`,
						legend: "{{route}}", exemplars: true,
					}},
				},
				{
					title: "Per quali enti l'interruttore verso SEND è aperto?", shape: timeline, width: half, states: breaker, limits: []limit{{1, yellow}, {2, red}},
					good: "tutti chiusi.", bad: "aperto: per quell'ente SEND non si chiama, tranne una prova ogni pochi secondi.",
					page: "runbook/SendBreakerOpen.md", empty: "SEND mai chiamato",
					queries: one(`max by (key) (attualizza_send_breaker_state{@replica})`, "{{key}}"),
				},
				{
					title: "Quante volte non si è nemmeno chiesto a SEND?", shape: lines, width: half, unit: perSecond,
					good: "zero.", bad: "breaker_open: ci si protegge da SEND fermo; saturated: troppe richieste insieme; held_off: SEND ha chiesto una pausa o ha rifiutato la chiave; no_voucher: PDND.",
					page:    "runbook/DegradedAnswers.md",
					queries: one(`sum by (result) (rate(attualizza_send_requests_total{@replica,result=~"breaker_open|saturated|held_off|no_voucher"}[$__rate_interval]))`, "{{result}}"),
				},
				{
					title: "Chi cerca un prezzo già noto, lo trova?", shape: lines, width: third, unit: perSecond,
					good: "hit e miss; dopo un riavvio quasi solo miss.", bad: "redis error o skipped: Redis non risponde, e ogni replica chiede da sé a SEND.",
					page:    "performance.md",
					queries: one(`sum by (tier, result) (rate(attualizza_price_cache_requests_total{@replica}[$__rate_interval]))`, "{{tier}} {{result}}"),
				},
				{
					title: "Quanto manca alla scadenza dei voucher PDND?", shape: lines, width: third, unit: lasting, limits: []limit{{30, green}}, below: true,
					good: "un dente di sega che non tocca lo zero: ogni voucher è rinnovato a metà della sua vita.", bad: "zero: PDND non ne rilascia, e SEND non risponde a quell'ente.",
					page: "runbook/SendCredentialRefused.md", empty: "nessun ente usa PDND",
					queries: one(`clamp_min(min by (key) (attualizza_voucher_not_after_timestamp_seconds{@replica}) - time(), 0)`, "{{key}}"),
				},
				{
					title: "Quanti giorni mancano alla scadenza dei certificati?", width: third, unit: days, limits: []limit{{7, yellow}, {30, green}}, below: true,
					good: "oltre 30 giorni.", bad: "nodo: il nostro certificato; nodo_client_ca_last: l'ultima delle autorità che firmano quello del Nodo; nodo_client_ca_first: la prima, che si toglie quando c'è la nuova.",
					page: "runbook/NodoCertificateEndsIn30Days.md", empty: "TLS al proxy",
					queries: one(`(min by (certificate) (attualizza_certificate_not_after_timestamp_seconds{@replica}) - time()) / 86400`, "{{certificate}}"),
				},
				{
					title: "Di quanto sono indietro gli stream di SEND?", shape: lines, width: third, unit: lasting, limits: []limit{{300, yellow}, {900, red}},
					good: "pochi secondi, o qualche minuto se SEND chiede pause.", bad: "oltre 15 minuti.",
					page:    "runbook/StreamsLate.md",
					queries: one(`max(attualizza_stream_lag_seconds{@replica})`, "ritardo"),
				},
				{
					title: "Quale replica legge gli stream?", shape: timeline, width: third, states: map[string]state{"0": {"no", grey}, "1": {"legge", green}},
					good: "sempre una, e una sola.", bad: "nessuna per più di 5 minuti.",
					page:    "runbook/NoStreamLeader.md",
					queries: one(`max by (instance) (attualizza_stream_leader{@replica})`, "{{instance}}"),
				},
				{
					title: "Che cosa diventano gli eventi degli stream?", shape: lines, width: third, unit: perSecond,
					good: "queued e poi refreshed o fresh.", bad: "failed o given_up che crescono; unreadable: SEND manda ciò che non capiamo.",
					page:    "streams.md",
					queries: one(`sum by (result) (rate(attualizza_stream_events_total{@replica}[$__rate_interval]))`, "{{result}}"),
				},
			}},
			{"Importi: che cosa si chiede ai cittadini", []question{
				{
					title: "Da dove viene la spesa di notifica che chiediamo?", shape: shares, width: half, unit: percent,
					good: "LIVE, CACHE, FINAL e NO_COST: detto da SEND.", bad: "LAST_KNOWN: un costo vecchio; BASE e NONE: nessun costo.",
					page:    "runbook/DegradedAnswers.md",
					queries: one(`sum by (source) (rate(attualizza_fee_source_total{@replica}[$__rate_interval]))`, "{{source}}"),
				},
				{
					title: "Quante risposte usano un costo vecchio, o nessuno?", shape: lines, width: half, unit: percent, limits: []limit{{.05, yellow}, {.5, red}},
					good: "sotto il 5%.", bad: "oltre il 5% in un'ora qualcuno guarda al mattino, oltre il 50% viene svegliato.",
					page: "runbook/DegradedAnswersMost.md", empty: "nessun avviso SEND",
					queries: one(`(sum(rate(attualizza_fee_source_total{@replica,source=~"LAST_KNOWN|BASE|NONE"}[$__rate_interval])) or 0 * sum(rate(attualizza_fee_source_total{@replica}[$__rate_interval])))
/ sum(rate(attualizza_fee_source_total{@replica,source!="NOT_BOUND"}[$__rate_interval]))`, "degradate"),
				},
				{
					title: "Quanti euro all'ora di spese di notifica chiediamo?", shape: lines, width: half, unit: euro,
					good: "in proporzione alle attivazioni: 2 euro, più la parte analogica.", bad: "un salto senza un salto di traffico: un prezzo sbagliato di SEND o di un relay.",
					page:    "reconciliation.md",
					queries: one(`sum by (source) (rate(attualizza_notification_fee_cents_total{@replica}[$__rate_interval])) * 3600 / 100`, "{{source}}"),
				},
				{
					title: "Quanto pesa in media la spesa di notifica su un'attivazione?", shape: lines, width: half, unit: euro,
					good: "tra 0 (avvisi senza SEND) e una ventina di euro, stabile.", bad: "un gradino: guardare che cosa dice SEND.",
					page: "reconciliation.md", empty: "nessuna attivazione",
					queries: one(`sum(rate(attualizza_notification_fee_cents_total{@replica}[15m])) / 100
/ sum(rate(attualizza_answers_total{@replica,operation=~"paGetPayment(V2)?",outcome="OK"}[15m]))`, "media"),
				},
				{
					title: "I cittadini pagano l'importo che hanno visto alla verifica?", shape: lines, width: half, unit: perSecond,
					good: "quasi tutti same.", bad: "more o less che crescono: SEND o un relay cambiano prezzo tra verifica e attivazione. Si confronta ciò che la stessa replica ha risposto nell'ultimo quarto d'ora o mezz'ora; una verifica fatta a un'altra replica non si vede.",
					page:    "metrics.md",
					queries: one(`sum by (result) (rate(attualizza_verified_then_activated_total{@replica}[$__rate_interval]))`, "{{result}}"),
				},
				{
					title: "Di quanti euro all'ora l'importo chiesto si scosta da quello visto?", shape: lines, width: half, unit: euro,
					good: "zero, o pochi euro quando SEND aggiorna un costo.", bad: "up: ai cittadini si chiede più di quanto hanno visto. down: meno. Una verifica fatta a un'altra replica non si vede.",
					page:    "metrics.md",
					queries: one(`sum by (direction) (rate(attualizza_amount_drift_cents_total{@replica}[$__rate_interval])) * 3600 / 100`, "{{direction}}"),
				},
				{
					title: "Quanti euro in meno, e in più, del dovuto sono stati incassati in tutto?", shape: lines, width: half, unit: euro,
					good: "linee piatte.", bad: "in meno: l'ente ci rimette. In più: da rimborsare.",
					page: "reconciliation.md",
					queries: []query{
						{expr: `max(attualizza_under_collected_cents_total{@replica}) / 100`, legend: "in meno"},
						{expr: `max(attualizza_over_collected_cents_total{@replica}) / 100`, legend: "in più"},
					},
				},
				{
					title: "Quante risposte senza prezzo attendono ancora che SEND dica il vero?", shape: lines, width: half,
					good: "zero, o in discesa dopo un guasto.", bad: "ferme o in salita: SEND non risponde ancora.",
					page:    "reconciliation.md",
					queries: one(`max(attualizza_reconciliation_open{@replica})`, "aperte"),
				},
			}},
		},
	}
}

var breaker = map[string]state{"0": {"chiuso", green}, "1": {"in prova", yellow}, "2": {"aperto", red}}
