# Targets for those who work on the project; `make` alone lists them.

GOFUMPT       = go run mvdan.cc/gofumpt@v0.12.0
GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOTESTSUM     = go run gotest.tools/gotestsum@v1.13.0

# integration_test is a module outside go.work: testcontainers needs a newer
# Go and would move everybody's versions.
INTEGRATION = cd integration_test && export GOWORK=off &&

SHELL       = /bin/bash
.SHELLFLAGS = -o pipefail -c

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: test
test: unit integration ## Run everything, on real databases that it provides itself

# The race detector leaves the pure-Go SQLite out: what was C starts no goroutines, and it
# is six times faster without.
RACE = -race -gcflags='modernc.org/...=-race=false'

# $(call watch,NAME,COMMAND,ARGUMENTS) has COMMAND run `go test ARGUMENTS`. It prints each
# test and its main parts as they end, and at the end what failed, with its output. All of
# the output, package by package, is in NAME.log afterwards; NAME.json grows meanwhile.
define watch
rm -f $(CURDIR)/$(1).json && $(2) $(GOTESTSUM) --format testname --jsonfile $(CURDIR)/$(1).json -- -count 1 $(3) | \
	sed -u -E '/^PASS [^ ]+\/[^ ]+\//d'; code=$$?; \
	sort -s -t '"' -k 12,12 $(CURDIR)/$(1).json | $(GOTESTSUM) --format standard-verbose --raw-command cat >$(CURDIR)/$(1).log; \
	exit $$code
endef

.PHONY: unit
unit: ## Run what needs no database server
	go vet ./... ./cmd/sessions/... ./examples/...
	$(call watch,unit,,$(RACE) ./... ./cmd/sessions/... ./examples/...)

# These begin first, or else one of them would run alone at the end.
LONGEST = ./stores ./torture ./express ./faults ./handover ./sqlite

.PHONY: integration
integration: ## Run what needs PostgreSQL and MySQL or MariaDB
	$(INTEGRATION) go vet ./...
	$(INTEGRATION) $(call watch,integration,go run ./withservers,$(RACE) -p 2 -timeout 60m $$(go list $(LONGEST) ./... | grep -v '/cluster$$'))

.PHONY: test-cluster
test-cluster: ## Kill servers of a PostgreSQL and a Galera cluster under traffic
	$(INTEGRATION) $(call watch,cluster,,$(RACE) -timeout 30m ./cluster)

.PHONY: torture-kills
torture-kills: ## Kill each server and a SQLite application a hundred times under load, or KILLS times
	$(INTEGRATION) SESSIONS_TEST_KILLS=$(or $(KILLS),100) go test -count 1 -timeout 60m -v ./crash

.PHONY: torture
torture: ## Let random clients and faults loose on several nodes: D=30m, SEED=n to try again, DB=postgres/limit for some only
	$(INTEGRATION) go run ./withservers go test -count 1 -v -timeout 0 -run 'TestTorture/$(DB)' ./torture -torture.d $(or $(D),30m) -torture.seed $(or $(SEED),0)

.PHONY: test-matrix
test-matrix: ## Run the integration tests on every supported server version, in containers, or on those that MATRIX names
	integration_test/matrix/run $(MATRIX)

.PHONY: floor
floor: ## Run what needs no server on the oldest Go that go.mod allows
	GOTOOLCHAIN=go1.25.11 go test -count 1 ./... ./cmd/sessions/... ./examples/...

# What it finds is written to testdata/fuzz beside the test, and is then a seed of every run.

.PHONY: fuzz
fuzz: ## Fuzz each target for a while (D=30s) and stop at the first failure
	@for package in $$(go list ./... ./cmd/sessions/...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "---- $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(or $(D),30s) -fuzzminimizetime 2s -parallel $(or $(PARALLEL),2) $$package || exit 1; \
		done; \
	done

# What is broken is in internal/mutation/table.go; ONLY=words takes some of it.
.PHONY: mutation
mutation: ## Break one line after the other, and see that a test notices (half an hour)
	go run ./internal/mutation $(ONLY)

# The database of vulnerabilities comes as a module, so that a machine which reaches nothing
# but a module proxy can have it. It is one of a certain day, or else a build that passed
# would fail the next day: VULNDB=latest asks for today's. The standard library is that of a
# release without known ones, which is what an application should be built with.
VULNDB ?= v0.0.0-20261105234957-e22db6528018
.PHONY: vuln
vuln: ## Look for known vulnerabilities in what is called
	db=$$(go mod download -json golang.org/x/vulndb@$(VULNDB) | sed -n 's/^.*"Dir": "\(.*\)",*$$/\1/p') && test -d "$$db" && \
		GOTOOLCHAIN=go1.26.11 $(GOVULNCHECK) -db "file://$$db/data/osv" ./... ./cmd/sessions/... ./examples/...

.PHONY: bench
bench: ## Measure this library and others on real servers, in under five minutes
	cd benchmarks && GOWORK=off go run . -short

.PHONY: bench-core
bench-core: ## Measure the middleware over a store that does nothing
	go test -run '^$$' -bench . -benchmem -count 10 .

.PHONY: lint
lint: ## Check formatting and run the linters
	@test -z "$$($(GOFUMPT) -l . | tee /dev/stderr)" || (echo "run make fmt" && false)
	$(GOLANGCI_LINT) run ./... ./cmd/sessions/... ./examples/...
	$(INTEGRATION) $(GOLANGCI_LINT) run --config ../.golangci.yml ./...
	cd benchmarks && GOWORK=off $(GOLANGCI_LINT) run --config ../.golangci.yml ./...

.PHONY: fmt
fmt: ## Format all Go files
	$(GOFUMPT) -w .

# The CLI and the examples ask for a version of the root that is not published
# yet, which go.work supplies and `go mod tidy` does not look at.
.PHONY: tidy
tidy: ## Tidy all modules
	go mod tidy
	$(INTEGRATION) go mod tidy
	cd benchmarks && GOWORK=off go mod tidy
	for module in cmd/sessions examples; do ( cd $$module && \
		go mod edit -replace github.com/sqlsessions/sessions=$(CURDIR) && \
		GOWORK=off go mod tidy; \
		go mod edit -dropreplace github.com/sqlsessions/sessions ) || exit 1; done
