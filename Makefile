# Targets for those who work on the project; `make` alone lists them.

GOFUMPT       = go run mvdan.cc/gofumpt@v0.12.0
GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# integration_test is a module outside go.work: testcontainers needs a newer
# Go and would move everybody's versions.
INTEGRATION = cd integration_test && GOWORK=off

SHELL       = /bin/bash
.SHELLFLAGS = -o pipefail -c

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: test
test: unit integration ## Run everything, on real databases that it provides itself

.PHONY: unit
unit: ## Run what needs no database server
	go vet ./... ./cmd/sessions/... ./examples/...
	go test -race -count 1 ./... ./cmd/sessions/... ./examples/...

# What is worth seeing while it runs, and after it failed; all of it is in the .log file.
SHOW = grep --line-buffered -E '^(testing on|servers: .*(install|not from)|--- |ok|FAIL|panic:)|^ +[a-z_]+_test\.go:|--- FAIL'
FAILED = grep -h -C 8 -E -- '--- FAIL|^panic:|DATA RACE|left behind'

.PHONY: integration
integration: ## Run what needs PostgreSQL and MySQL or MariaDB
	$(INTEGRATION) go vet ./...
	$(INTEGRATION) go test -race -count 1 -v -p 1 -timeout 30m ./stores ./requests ./faults ./schema ./express ./cli ./sqlite ./servers ./handover 2>&1 | tee integration.log | $(SHOW) || ($(FAILED) integration.log | tail -n 50; false)
	$(INTEGRATION) go test -count 1 -v -run 'TestReapBacklogUnderTraffic/sqlite' ./stores 2>&1 | $(SHOW)

.PHONY: test-cluster
test-cluster: ## Kill servers of a PostgreSQL and a Galera cluster under traffic
	$(INTEGRATION) go test -race -count 1 -v -timeout 10m ./cluster 2>&1 | tee cluster.log | $(SHOW) || ($(FAILED) cluster.log | tail -n 50; false)

.PHONY: test-matrix
test-matrix: ## Run the integration tests on every supported server version, in containers, or on those that MATRIX names
	integration_test/matrix/run $(MATRIX)

.PHONY: floor
floor: ## Run what needs no server on the oldest Go that go.mod allows
	GOTOOLCHAIN=go1.25.11 go test -count 1 ./... ./cmd/sessions/... ./examples/...

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
