# loopspool. `make` alone prints this list.
SWIFT_RELEASE = swift build -c release --static-swift-stdlib --scratch-path .build-release
BINARY = .build-release/release/loopspool
SOURCES = Package.swift Sources Tests
# Debug builds: warnings of our own targets are errors, and an import that Package.swift does not
# declare is one too.
SWIFT_CHECKED = --explicit-target-dependency-import-check error

.PHONY: help run demo test check lint format build release deps sdk drill crash outage bench clean

help:  ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

run: release  ## Install what is missing, build, and run the daemon in the foreground
	$(BINARY) run

demo: release  ## Show the main job end to end, on ports and a directory of its own, then exit
	python3 scripts/demo.py --bin $(BINARY)

test: sdk drill  ## Run the tests: the SDK and the offline drill against the binary, then the suite
	swift test $(SWIFT_CHECKED)

check: lint build demo test  ## Everything CI runs

lint:  ## Check the format
	swift format lint --strict --parallel --recursive $(SOURCES)

format:  ## Format the sources in place
	swift format --in-place --parallel --recursive $(SOURCES)

build: deps  ## Build everything for debugging, tests included
	swift build --build-tests $(SWIFT_CHECKED)

release: deps  ## Build the binary that ships
	$(SWIFT_RELEASE) --product loopspool

deps:
	@scripts/deps.sh

crash: release  ## Kill the daemon at 100 random moments under load; no log lost, none twice
	python3 scripts/crash.py --bin $(BINARY) --kills 100 --seed 1

drill: release  ## 10,000 events of every kind into an outage, the daemon killed twice, then judged
	python3 scripts/drill.py --bin $(BINARY)

outage: release  ## Accept 200,000 events while upstream is down, then drain them
	python3 scripts/outage.py --bin $(BINARY)

sdk: release  ## Run the official Python SDK against the daemon (needs PyPI)
	scripts/sdk_check.sh --bin $(BINARY)

bench: release  ## Measure throughput, latency, CPU and memory beside their targets
	python3 scripts/bench.py --bin $(BINARY)

clean:  ## Remove what was built
	rm -rf .build .build-release .build-bench .venv
