package dashboards

// machine is about what the service runs on, and which service it is.
func machine() sheet {
	return sheet{
		uid: "attualizza-macchina", title: "Attualizza: infrastruttura e versioni", from: "now-6h",
		about: "Archivio, Redis, processo; quale versione gira e da quando.",
		rows: []row{
			{"Infrastruttura: archivio e Redis", []question{
				{
					title: "Le dipendenze rispondono?", shape: timeline, width: half, states: upOrDown, limits: []limit{{1, green}}, below: true,
					good: "sempre.", bad: "store: nessuno può pagare. redis: si continua, con più chiamate a SEND.",
					page:    "deployment.md",
					queries: one(`min by (instance, dependency) (attualizza_dependency_up{@replica})`, "{{dependency}} {{instance}}"),
				},
				{
					title: "Quante connessioni all'archivio sono occupate?", shape: lines, width: half,
					good: "molte meno del massimo.", bad: "used che tocca max: chi arriva attende.",
					page:    "performance.md",
					queries: one(`sum by (state) (attualizza_store_connections{@replica})`, "{{state}}"),
				},
				{
					title: "Quante volte al secondo si attende una connessione all'archivio?", shape: lines, width: third, unit: perSecond,
					good: "quasi mai.", bad: "spesso: l'archivio è lento, o le connessioni sono poche.",
					page:    "performance.md",
					queries: one(`sum by (instance) (rate(attualizza_store_waits_total{@replica}[$__rate_interval]))`, "{{instance}}"),
				},
				{
					title: "Quanto tempo al secondo si perde in attesa di una connessione?", shape: lines, width: third, unit: seconds,
					good: "vicino a zero.", bad: "decimi di secondo per ogni secondo: le risposte rallentano tutte.",
					page:    "performance.md",
					queries: one(`sum by (instance) (rate(attualizza_store_wait_seconds_total{@replica}[$__rate_interval]))`, "{{instance}}"),
				},
				{
					title: "Entro quanto risponde Redis a 99 richieste su cento?", shape: lines, width: third, unit: seconds,
					good: "pochi millisecondi.", bad: "decine di millisecondi: dopo poco viene scavalcato.",
					page: "performance.md", empty: "senza Redis",
					queries: []query{{
						expr:   `histogram_quantile(0.99, sum by (command, le) (rate(attualizza_redis_request_duration_seconds_bucket{@replica}[$__rate_interval])))`,
						legend: "{{command}}", exemplars: true,
					}},
				},
				{
					title: "Redis è scavalcato?", shape: timeline, width: whole, empty: "senza Redis",
					states: map[string]state{"0": {"in uso", green}, "1": {"scavalcato", red}}, limits: []limit{{1, red}},
					good: "in uso.", bad: "scavalcato: non rispondeva; i prezzi si chiedono a SEND una volta per replica.",
					page:    "deployment.md",
					queries: one(`max by (instance) (attualizza_redis_bypassed{@replica})`, "{{instance}}"),
				},
			}},
			{"Infrastruttura: il processo", []question{
				{
					title: "Quanta CPU usa ogni replica?", shape: lines, width: third, unit: cores,
					good: "molto meno dei core della macchina.", bad: "vicino al numero dei core: le risposte rallentano.",
					page:    "performance.md",
					queries: one(`rate(process_cpu_seconds_total{@replica}[$__rate_interval])`, "{{instance}}"),
				},
				{
					title: "Quanta memoria usa ogni replica?", shape: lines, width: third, unit: bytesIEC, limits: []limit{{300 << 20, red}},
					good: "un centinaio di MiB sotto carico.", bad: "oltre 300 MiB, o sempre in salita: a 384 il processo viene ucciso, dove è installato come in deploy/.",
					page:    "runbook/MemoryHigh.md",
					queries: one(`process_resident_memory_bytes{@replica}`, "{{instance}}"),
				},
				{
					title: "Quante goroutine ha ogni replica?", shape: lines, width: third, limits: []limit{{5000, red}},
					good: "a riposo meno di cento, poi quanto il carico.", bad: "sempre in salita, oltre 5000.",
					page:    "runbook/GoroutinesHigh.md",
					queries: one(`go_goroutines{@replica}`, "{{instance}}"),
				},
				{
					title: "Quanti descrittori di file sono usati?", shape: lines, width: half, unit: percent, limits: []limit{{.8, red}},
					good: "sotto l'80% del limite.", bad: "oltre: presto non si accettano connessioni del Nodo.",
					page:    "runbook/FileDescriptorsHigh.md",
					queries: one(`process_open_fds{@replica} / process_max_fds{@replica}`, "{{instance}}"),
				},
				{
					title: "Quanto dura la pausa più lunga della raccolta di memoria?", shape: lines, width: half, unit: seconds,
					good: "meno di qualche millisecondo.", bad: "decine di millisecondi: la macchina è sovraccarica.",
					page:    "performance.md",
					queries: one(`go_gc_duration_seconds{@replica,quantile=~"1(\\.0)?"}`, "{{instance}}"),
				},
			}},
			{"Deploy: che cosa gira, e da quando", []question{
				{
					title: "Quale versione e quale configurazione ha ogni replica?", shape: listing, width: half,
					good: "la stessa per tutte, tranne durante un aggiornamento.", bad: "repliche diverse per ore: un aggiornamento rimasto a metà.",
					page: "deployment.md", hide: []string{"Value"}, rename: map[string]string{"instance": "replica", "version": "versione", "config": "configurazione"},
					queries: now(`attualizza_build_info{@replica}`, ""),
				},
				{
					title: "Da quanto è accesa ogni replica?", width: quarter, unit: lasting,
					good: "dall'ultimo aggiornamento.", bad: "da poco, e nessuno l'ha riavviata: guardare perché si è fermata.",
					page:    "runbook/ReplicaDown.md",
					queries: one(`time() - process_start_time_seconds{@replica}`, "{{instance}}"),
				},
				{
					title: "Quante volte è ripartita nelle ultime 24 ore?", width: quarter, limits: []limit{{2, yellow}, {5, red}},
					good: "zero, o una per aggiornamento.", bad: "molte: il processo cade. La riga con cui si è fermato dice perché.",
					page:    "runbook/ReplicaRestarts.md",
					queries: one(`changes(process_start_time_seconds{@replica}[1d])`, "{{instance}}"),
				},
				{
					title: "Quali repliche sono pronte, e quando non lo erano?", shape: timeline, width: half, states: map[string]state{"0": {"non pronta", red}, "1": {"pronta", green}}, limits: []limit{{1, green}}, below: true,
					good: "sempre pronte, tranne nei pochi secondi di un riavvio.", bad: "una replica accesa e non pronta: l'archivio non le risponde.",
					page:    "deployment.md",
					queries: one(`attualizza_ready{@replica}`, "{{instance}}"),
				},
				{
					title: "Quali repliche raggiunge Prometheus?", shape: timeline, width: half, states: upOrDown, limits: []limit{{1, green}}, below: true,
					good: "tutte.", bad: "una replica che non risponde: spenta, o la rete. Se non ne risponde nessuna, i cittadini non pagano.",
					page:    "runbook/AllReplicasDown.md",
					queries: one(`up{@replica}`, "{{instance}}"),
				},
			}},
		},
	}
}
