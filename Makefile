# Protean. Everything that is run has a target here; `make` lists them.

GO        ?= go
BIN       := $(CURDIR)/.bin
PKG       ?= ./...
FUZZTIME  ?= 20s
BENCH     ?= .
SUITE     ?= ./...
OPERATIONS ?= 100000
PATHS     ?= 1000000
PAIRS     ?= 5000

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## serve what ARGS says, such as ARGS='localhost:50051'
	$(GO) run ./cmd/protean serve $(ARGS)

demo: ## start three example services and the gateway before them
	$(GO) run ./cmd/protean demo

build: ## build .bin/protean
	$(GO) build -trimpath -o $(BIN)/protean ./cmd/protean

xds: ## build .bin/protean-xds, which also takes backends at xds:///
	$(GO) build -trimpath -tags xds -o $(BIN)/protean-xds ./cmd/protean

test: ## run the tests (Go alone is enough)
	$(GO) test ./...

race: ## run the tests with the race detector
	$(GO) test -race ./...

lint: $(BIN)/golangci-lint ## run the linters
	$(BIN)/golangci-lint run ./...
	$(GO) vet ./...

format: $(BIN)/golangci-lint ## format Go and .proto files
	$(BIN)/golangci-lint fmt ./...
	$(BIN)/buf format -w proto
	$(BIN)/buf format -w examples/proto

generate: $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-grpc-gateway protodeps ## generate Go from the .proto files
	$(BIN)/buf lint
	$(BIN)/buf generate
	$(BIN)/buf generate --template test/bench/buf.gen.yaml
	$(BIN)/buf generate --template test/bench/wire/buf.gen.yaml
	cd tools/generate && $(GO) run ./knownfiles $(CURDIR)/schema/knownfiles.binpb

checkgenerate: generate ## fail where generation leaves a difference
	@git diff --exit-code -- '*.pb.go' '*.pb.gw.go' '*.binpb' && test -z "$$(git ls-files --others --exclude-standard -- '*.pb.go' '*.pb.gw.go')"

bench: ## run benchmarks: PKG=./wire BENCH=Regexp; PKG=wire compares with protojson and hyperpb, PKG=side-by-side with grpc-gateway, PKG=graphql with gqlgen
	@case "$(PKG)" in \
	  wire) cd test/bench/wire && $(GO) run . -match '$(BENCH)' ;; \
	  wire-instructions) cd test/bench/wire && CGO_ENABLED=0 $(GO) run . -count -match '$(BENCH)' ;; \
	  side-by-side) cd test/bench && $(GO) run . ;; \
	  graphql) cd test/bench && $(GO) run ./graphql ;; \
	  *) $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG) ;; \
	esac

fuzz: ## run every fuzz target for FUZZTIME: PKG=./wire for those of one package, PKG="./wire ./graph" of two
	@set -e; for pkg in $$($(GO) list $(PKG)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
	  done; done

conformance: ## run outside test suites (test/conformance): SUITE=./protobuf for one
	cd test/conformance && CONFORMANCE=full $(GO) test -count=1 -v $(SUITE)

clients: $(BIN)/buf ## run clients that others wrote against the gateway (test/clients)
	cd test/clients && $(GO) test -count=1 -v ./...

registry: ## prove registrations on real etcd, under kill -9, power cuts and load (test/registry)
	cd test/registry && $(GO) test -count=1 -timeout 60m -v ./...

redis: ## prove that gateways share rate limits and answers through a real Redis (test/redis)
	cd test/redis && $(GO) test -count=1 -timeout 10m -v ./...

controlplane: ## prove that a gateway with xDS follows a control plane (test/xds), and test the connections of such a binary
	cd test/xds && $(GO) test -count=1 -timeout 10m -v ./...
	$(GO) test -tags xds ./rpc

differential: ## run OPERATIONS random GraphQL operations through the gateway and graphql-js; differences are kept below .build
	@mkdir -p .build
	cd test/clients && $(GO) test -count=1 -timeout 1h -v -artifacts -outputdir $(CURDIR)/.build -run '^TestDifferential$$' ./graphql -args -differential=$(OPERATIONS)

pairs: ## serve PAIRS random pairs of backends that share packages and disagree, and have graphql-js read their schemas
	$(GO) test -count=1 -v -timeout 60m -run '^TestPairs$$' ./gateway -args -pairs=$(PAIRS)
	cd test/clients && $(GO) test -count=1 -v -timeout 60m -run '^TestPairs$$' ./graphql -args -pairs=$(PAIRS)

federation: ## run Apollo's compatibility suite for subgraphs against the gateway
	cd test/clients && $(GO) test -count=1 -v -run '^TestFederationCompatibility$$' ./graphql

hostile: ## hold hostile GraphQL documents to 50 ms of the processor each, and hostile bodies and rules to 100 ms
	$(GO) test -count=1 -v -run '^TestHostile' ./graph ./resilience -args -hostile

routes: ## compare the routes of PATHS random paths with the grammar of google.api.http
	$(GO) test -count=1 -v -timeout 30m -run '^TestRoutesFollowGrammar$$' ./translate -args -grammar=$(PATHS)

matrix: ## call every door as everybody, spelled in every way: 50,000 requests
	$(GO) test -count=1 -v -run '^Test(AccessMatrix(Said)?|CacheMatrix)$$' ./test -args -matrix=50000

breaking: $(BIN)/buf ## compare the gate's findings with those of buf breaking: on random changes, and on releases of public APIs
	$(GO) test -count=1 -v -timeout 30m -run '^Test(BufBreaking|History)$$' ./gateway/gate -args -buf=$(BIN)/buf -cases=500 -history=$(CURDIR)/.build/history

promises: ## prove what is promised of failing backends, in full: about 8 minutes
	$(GO) test -count=1 -v -timeout 20m -run '^TestPromise' ./test -args -promises

secrets: ## plant secrets in every slot and look for them in answers, logs and metrics
	$(GO) test -count=1 -v -run '^TestPromiseSecrets$$' ./test -args -promises

broken: ## give the gateway broken configurations
	$(GO) test -count=1 -v -run '^TestBrokenConfigs$$' ./gateway

proof: ## run the heavy proofs: race, fuzzing, the access matrix, conformance, clients, registrations
	$(MAKE) race fuzz routes matrix hostile broken promises conformance clients differential pairs FUZZTIME=5m
	PROOF=full $(MAKE) registry redis controlplane

graphiql: ## rebuild the embedded GraphiQL page (needs node)
	cd graph/graphiql/src && npm ci --ignore-scripts && npm run build

protodeps:
	cd tools/generate && $(GO) run ./protodeps $(CURDIR)/.build/proto

$(BIN)/buf: tools/buf/go.mod
	cd tools/buf && $(GO) build -o $(BIN)/ tool && touch $@

$(BIN)/protoc-gen-go: tools/generate/go.mod
	cd tools/generate && $(GO) build -o $(BIN)/ tool && touch $@

$(BIN)/protoc-gen-grpc-gateway: test/bench/go.mod
	cd test/bench && $(GO) build -o $(BIN)/ github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway && touch $@

$(BIN)/golangci-lint: tools/lint/go.mod
	cd tools/lint && $(GO) build -o $(BIN)/ tool && touch $@

.PHONY: routes secrets hostile broken help run demo build xds test race lint format generate checkgenerate bench fuzz conformance clients differential pairs federation breaking registry redis controlplane promises proof graphiql protodeps
