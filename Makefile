# Rollcall needs Go, npm and make. `make run` and `make test` do the rest, set-up included.
.DEFAULT_GOAL := help
.PHONY: help run test check generate engine build test-kafka test-faults test-faults-short test-browser test-spreadsheet test-openapi test-focus images test-containers test-compose test-alerts test-cluster test-kubernetes test-clocks test-sdks test-mutants screenshots dist clean

GO ?= go
RACE ?=
MUTANTS ?= schema schema/tables ingest ingest/rows ingest/kafka/recordbatch rollup export export/query
SHARE ?= 100
SEED ?= 1
FAULTS ?= -run 'Alone|Mixed'
CLOCKS ?=
TEST_FLAGS ?= -timeout 15m
DOCKER = deploy/test/images/docker.sh

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

run: engine ## start the whole of Rollcall on embedded parts, with live sample data
	$(GO) run ./cmd/rollcall demo

test: engine ## run the tests: embedded broker, embedded ClickHouse; TEST_FLAGS='-tags kcat,python' adds those with a client of others (needs Debian's packages kcat and python3)
	$(GO) test $(RACE) -p 3 $(TEST_FLAGS) ./...

test-kafka: engine ## the integration suite, the broker's own tests, ingest's and the pages' lines of Kafka's tools against Apache Kafka, one broker and four of it (needs Java, Maven and Debian's package kcat), but for what never meets the broker
	ROLLCALL_TEST_KAFKA=real $(GO) test -tags kcat,brokers $(TEST_FLAGS) -count=1 -p 3 -skip 'ClickHouse|Crash|Eras|Decoder|EveryCommand' ./deploy/test/suite ./ingest ./deploy/test/kafkatest ./deploy/test/runbooks

test-faults: engine ## kill, cut, delay and corrupt while it runs; FAULTS='-run Mixed -for 1h' for longer, FAULTS='-run Mixed -seed 7' for one seed again
	$(GO) test -tags faults -timeout 2h -count=1 -v ./deploy/test/faults $(FAULTS)

test-faults-short: engine ## a fault of each kind
	$(GO) test -tags faults $(TEST_FLAGS) -count=1 -v -run Short ./deploy/test/faults

test-browser: engine ## the analytics page in Chromium (needs Debian's package chromium)
	cd deploy/test/browser && $(GO) test $(TEST_FLAGS) -count=1 -skip Screenshots

test-spreadsheet: engine ## CSV and workbooks in LibreOffice (needs Debian's package libreoffice-calc)
	$(GO) test -tags spreadsheet $(TEST_FLAGS) -count=1 -run Spreadsheet ./export

test-openapi: engine ## the service asked by Schemathesis, which knows nothing but openapi.yaml (needs Python with pip; the first run fetches it from PyPI)
	$(GO) test -tags schemathesis $(TEST_FLAGS) -count=1 -run Schemathesis ./export

test-focus: engine ## the export focus in the FOCUS specification's own validator (needs Python 3.11 or 3.12 with pip; the first run fetches it and its libraries, some 140 MB)
	$(GO) test -tags focus $(TEST_FLAGS) -count=1 -run Focus ./deploy/test/suite

screenshots: engine ## pictures of the analytics page, in dist/screenshots
	cd deploy/test/browser && $(GO) test -count=1 -run 'Screenshots|States' -screenshots $(CURDIR)/dist/screenshots

images: ## the images of deploy/compose.yaml: pulled, or stand-ins built where no registry answers (deploy/test/images; starts a Docker engine if none runs)
	@$(DOCKER) deploy/test/images/images.sh

test-containers: ## the integration suite against Kafka and ClickHouse in containers of those images, over HTTP and over TLS
	$(DOCKER) sh -ec '$(MAKE) images; docker run --rm --read-only --cap-drop ALL rollcall version; for tls in false true; do $(GO) test -tags containers $(TEST_FLAGS) -count=1 ./deploy/test/suite -tls=$$tls; done'

test-compose: ## deploy/compose.yaml in containers of those images: each killed, cut off, paused and recreated while events come; exports, alerts, locks
	$(DOCKER) sh -ec '$(MAKE) images; $(GO) test -tags compose $(TEST_FLAGS) -count=1 -v ./deploy/test/compose'

test-alerts: engine ## every alert under its fault, with a real Prometheus (needs Debian's package prometheus, and root or sudo to mount a small disk)
	$(GO) test -tags alerts -timeout 10m -count=1 ./deploy/test/alerts

test-cluster: engine ## two replicas that take no rows, on a real ZooKeeper (needs Java and Debian's package zookeeper)
	$(GO) test -tags zookeeper $(TEST_FLAGS) -count=1 -run Replicas ./deploy/test/suite

test-kubernetes: ## the Kubernetes manifests on a real API server (Linux; the first run builds etcd, kube-apiserver and kubectl, for 14 minutes of CPU; cached outside the repository)
	cd deploy/test/kubernetes/servers && $(GO) mod tidy -diff
	$(GO) test -tags kubernetes -timeout 80m -count=1 -v ./deploy/test/kubernetes

test-clocks: engine ## the tests under other clocks (needs a C compiler and Debian's package chromium); CLOCKS='-clocks leap-day ./rollup' for some
	$(GO) run ./deploy/test/clocks $(CLOCKS)

test-sdks: engine ## events sent by the official CloudEvents SDKs, to Apache Kafka (needs Java, Maven, Python with pip and npm)
	ROLLCALL_TEST_KAFKA=real $(GO) test -tags sdks $(TEST_FLAGS) -count=1 -v -run OfficialSDKs ./deploy/test/suite

test-mutants: engine ## small faults put into packages, and how many their tests catch (hours); MUTANTS=schema SHARE=10 SEED=7 for one package and a tenth of its faults
	cd deploy/test/mutants && $(GO) run . -seed $(SEED) -share $(SHARE) $(MUTANTS)

check: ## what CI holds besides the tests: formatting, vet, staticcheck, a tidy go.mod, and compose.yaml and the manifests as their own tools read them
	@unformatted=$$(gofmt -l cmd deploy export ingest rollup schema); test -z "$$unformatted" || { echo "run gofmt -w on: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags alerts,spreadsheet,containers,compose,faults,focus,kcat,kubernetes,python,schemathesis,sdks,brokers,zookeeper ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	cd deploy/test/browser && $(GO) vet ./... && $(GO) mod tidy -diff
	cd deploy/test/manifests && $(GO) vet ./... && $(GO) mod tidy -diff && $(GO) test -count=1 ./...
	cd deploy/test/mutants && $(GO) vet ./... && $(GO) mod tidy -diff && $(GO) test -count=1 ./...

generate: ## write what is made from the source: the pages of settings, metrics and sizes, the types of openapi.yaml, a cluster's DDL; the tests of the same names say if it is stale
	$(GO) test ./cmd/rollcall -count=1 -run '^(TestSettingsPage|TestMetricsPage|TestSizesFollowFromTheCosts)$$' -update
	$(GO) test ./export -count=1 -run '^TestOpenAPIIsMadeOfTheTypes$$' -update
	$(GO) test ./schema/tables -count=1 -run '^TestClusterStatements$$' -update

engine: ## fetch the embedded ClickHouse library (once; cached outside the repository)
	@deploy/demo/embedded/install.sh

build: ## bin/rollcall
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/rollcall ./cmd/rollcall

dist: ## what a release consists of, from the tag at HEAD: archives, checksums, SBOM, in dist
	.ci/dist

clean: ## remove what the targets above leave in the repository
	rm -rf bin data dist
