# Every command a developer needs. `make` alone lists them.

GO        ?= go
FUZZTIME  ?= 30s
BENCH     ?= .
COUNT     ?= 6
SEED      ?= 1
PKG       ?= ./...
API_RULES ?= https://raw.githubusercontent.com/italia/api-oas-checker/6a5683f8ed8d87d5748b92479edde2b6d8df3008/spectral-modi.yml

# Tools are pinned in module files of their own and never touch the service's.
lint-tool  = $(GO) tool -modfile=internal/tools/lint/go.mod
bench-tool = $(GO) tool -modfile=internal/tools/bench/go.mod
package-tool  = $(GO) tool -modfile=internal/tools/package/go.mod
sbom-tool     = $(GO) tool -modfile=internal/tools/sbom/go.mod
licences-tool = $(GO) tool -modfile=internal/tools/licences/go.mod

# What is handed out bears the last tag's version, or sorts before every release
# (Debian's ~). Nothing in it depends on when or where it was built.
VERSION    ?= $(or $(patsubst v%,%,$(shell git describe --tags --exact-match --match 'v*' 2>/dev/null)),0.0.0~git$(shell TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M --format=%cd.%h --abbrev=12))
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
export VERSION SOURCE_DATE_EPOCH

# Three packages at a time, on two processors: most of their time they wait. The
# end-to-end tests hold answers to a budget: nothing else runs beside them.
# Those that load or kill several processes, or watch one by windows of seconds,
# come last, and without the race detector: it would look at the tests alone, not
# at the processes. The one that wants the history of the repository has a target
# of its own.
rolling = TestARollingRestart
observe = TestDashboardsAndAlertsLiveThroughAnOutage
upgrade = TestTheReleaseBefore
fleet = TestNothingThatWasAcknowledgedIsLost|TestThreeReplicas|TestAnotherReplicaTakesOver|$(rolling)|$(observe)
tests = $(if $(filter ./...,$(PKG)),\
	$(GO) test -p 3 -shuffle=on -count=1 $(1) $$($(GO) list ./... | grep -v /cmd/attualizza$$) && $(GO) test -shuffle=on -count=1 $(1) -skip '$(fleet)|$(upgrade)' ./cmd/attualizza,\
	$(GO) test -p 3 -shuffle=on -count=1 $(1) $(PKG))

.DEFAULT_GOAL := help
.PHONY: help demo run build test test-race crash rolling upgrade-check servers lint fmt bench bench-compare import-figures generate check-contract check-api check-alerts observe fuzz release deb deb-check container-check licences sbom clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## everything embedded: nine notices verified, activated and explained
	@echo "compiling (the first time takes a minute or two)…"
	@$(GO) run ./cmd/attualizza demo

run: ## the service, with its default configuration
	$(GO) run ./cmd/attualizza serve

build: ## bin/attualizza
	CGO_ENABLED=0 $(GO) build -o bin/attualizza ./cmd/attualizza

test: servers ## all tests, against real PostgreSQL and Redis
	$(call tests,-timeout=10m)
	$(if $(filter ./...,$(PKG)),$(GO) test -count=1 -timeout=15m -run '$(fleet)|$(upgrade)' ./cmd/attualizza)

test-race: servers ## all tests under the race detector
	$(call tests,-race -timeout=15m)

crash: servers ## kill the service 20 times under load, on both stores: SEED=number, COUNT runs with the seeds after it
	@for seed in $$(seq $(SEED) $$(($(SEED) + $(COUNT) - 1))); do \
		ATTUALIZZA_CRASH_SEED=$$seed $(GO) test ./cmd/attualizza -run HoweverOftenTheServiceIsKilled -v -count=1 -timeout=15m || exit 1; \
	done

rolling: servers ## restart two replicas behind a balancer in turn, under 200 calls a second; shows the figures
	$(GO) test ./cmd/attualizza -run '$(rolling)' -v -count=1 -timeout=5m

upgrade-check: servers ## the release before this one on this one's schema, and both beside each other; needs the history
	$(GO) test ./cmd/attualizza -run '$(upgrade)' -v -count=1 -timeout=5m

servers: # the binaries that the tests start; installed when missing and possible
	@.ci/servers

lint: ## gofumpt, vet, staticcheck
	@unformatted=$$($(lint-tool) gofumpt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not formatted; run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(lint-tool) staticcheck ./...

fmt: ## format everything
	$(lint-tool) gofumpt -w .

bench: ## benchmarks matching BENCH in PKG, COUNT times, into bench.out
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count=$(COUNT) -timeout=60m $(PKG) > bench.out || { cat bench.out; exit 1; }
	$(bench-tool) benchstat bench.out

bench-compare: ## compare two results: OLD=file NEW=file
	$(bench-tool) benchstat $(OLD) $(NEW)

import-figures: servers ## 100 000 positions into PostgreSQL and SQLite, COUNT times
	$(GO) test ./cmd/attualizza -run '^$$' -bench Import -benchtime=1x -count=$(COUNT) -timeout=60m > import.out || { cat import.out; exit 1; }
	$(bench-tool) benchstat import.out

generate: ## everything that is generated, from its source
	$(GO) generate ./...

check-contract: ## our paForNode contract against pagoPA's: REFERENCE=directory
	@test -n "$(REFERENCE)" || { echo "usage: make check-contract REFERENCE=directory with pagoPA's paForNode.wsdl and its schemas"; exit 2; }
	$(GO) run ./soap/pafornode/internal/checkcontract -reference "$(REFERENCE)"

check-api: ## api.yaml against the Italian guidelines' own rules; needs npx and the network, or API_RULES=file
	npx --yes @stoplight/spectral-cli@6.16.3 lint --fail-severity=warn -r "$(API_RULES)" internal/rest/api.yaml

check-alerts: servers ## the alerting rules: their syntax, and when each fires; needs promtool
	promtool check rules deploy/prometheus/rules.yaml
	promtool check config deploy/prometheus/prometheus.yaml
	promtool test rules deploy/prometheus/tests/*.yaml

observe: servers ## an outage of SEND seen by dashboards and alerts; KEEP=1 leaves Prometheus at 127.0.0.1:9090
	@echo "compiling (the first time takes a minute or two)…"
	@OBSERVE=1 KEEP=$(KEEP) $(GO) test ./cmd/attualizza -run '$(observe)' -v -count=1 -timeout=0

fuzz: ## every fuzz target for FUZZTIME
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -rho --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
			echo "$$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$dir || exit 1; \
		done; \
	done

release: ## dist/attualizza: static, without paths of this machine
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.release=$(VERSION)' -o dist/attualizza ./cmd/attualizza

deb: release licences ## dist/attualizza_VERSION_amd64.deb
	$(package-tool) nfpm package --config deploy/debian/nfpm.yaml --packager deb --target dist/attualizza_$(VERSION)_amd64.deb

deb-check: deb ## install the package into a scratch root and run it there; as root also by dpkg
	deploy/debian/check dist/attualizza_$(VERSION)_amd64.deb '$(VERSION)'

container-check: release ## run the program as its container would: empty root, read-only, no user's rights
	deploy/container/check dist/attualizza

licences: ## dist/licences: the licence of every linked module, and their list
	deploy/licences dist $(licences-tool)

sbom: release ## dist/attualizza.cdx.json: CycloneDX list of what the binary is made of
	$(sbom-tool) cyclonedx-gomod bin -json -std -licenses -noserial -version '$(VERSION)' -output dist/attualizza.cdx.json dist/attualizza

clean: ## remove what was built and measured
	rm -rf bin dist *.out *.test *.prof coverage.txt
