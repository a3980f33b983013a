# loopspool. `make` alone prints this list.
SWIFT_RELEASE = swift build -c release --static-swift-stdlib --scratch-path .build-release
BINARY = .build-release/release/loopspool
SOURCES = Package.swift Sources Tests Fuzz/Package.swift Fuzz/Targets Fuzz/Sources/FuzzKit \
	scripts/sanitize
# Debug builds: warnings of our own targets are errors, and an import that Package.swift does not
# declare is one too.
SWIFT_CHECKED = --explicit-target-dependency-import-check error
# Tests at a time: with all of them at once, the time limits of those that wait for a socket would pass
# while others compute.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH = 4
# Tests have their sets and dictionaries in the same order each time, so that a seed repeats a run.
# Said by each, as an export would reach the daemons that other targets run, which ship without it.
SEEDED = SWIFT_DETERMINISTIC_HASHING=1

.PHONY: help run demo test check lint format build release replay deps sdk drill crash crash-million killpoints poison outage sim \
	selftest powercut fuzz test-tsan test-asan bench clean

help:  ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

run: release  ## Install what is missing, build, and run the daemon in the foreground
	$(BINARY) run

demo: release  ## Show the main job end to end, on ports and a directory of its own, then exit
	python3 scripts/demo.py --bin $(BINARY)

test: sdk drill  ## Run the tests: the SDK and the offline drill against the binary, then the suite
	$(SEEDED) swift test $(SWIFT_CHECKED)

check: lint build demo replay selftest test  ## Everything CI runs

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

selftest:  ## The harnesses against a stand-in: honest, and with planted faults (a minute)
	python3 scripts/selftest.py

crash: release  ## Kill the daemon 40 times under load, upstream failing; judged from outside
	python3 scripts/check_record.py --self-test >/dev/null
	python3 scripts/crash.py --bin $(BINARY) --events 16000 --kills 40 --portion 4000 --seed 1

crash-million: release  ## The same with a million events; goes on where it was broken off
	python3 scripts/check_record.py --self-test >/dev/null
	python3 scripts/crash.py --bin $(BINARY) --events 1040000 --kills 208 --portion 40000 --parallel 8 \
	    --seed 1 --results .build-release/crash.ndjson

killpoints: release  ## Kill the daemon at named system calls (strace), 14 points, upstream failing: ROUNDS=3
	@scripts/deps.sh strace
	python3 scripts/killpoints.py --bin $(BINARY) --rounds $(or $(ROUNDS),3)

poison: release  ## Events that upstream refuses do not slow the others down
	python3 scripts/poison.py --bin $(BINARY)

drill: release  ## 10,000 events of every kind into an outage, the daemon killed twice, then judged
	python3 scripts/drill.py --bin $(BINARY)

outage: release  ## Accept 200,000 events while upstream is down, then drain them
	python3 scripts/outage.py --bin $(BINARY)

sdk: release  ## Run the official Python SDK against the daemon (needs PyPI)
	scripts/sdk_check.sh --bin $(BINARY)

sim: deps  ## Random histories of queue and sender on virtual time: SEEDS=1000, SIM_FIRST=1, or SIM_SEED=7
	$(SEEDED) SEEDS=$(or $(SEEDS),1000) swift test $(SWIFT_CHECKED) --filter SimulationTests.SimulationTests

powercut: deps  ## Cut the power of a disk under the queue: CUTS=5000
	$(SEEDED) CUTS=$(or $(CUTS),5000) swift test $(SWIFT_CHECKED) --filter PowerCutTests

fuzz: deps  ## Look for input that breaks a promise: TARGET=scanner, SECONDS=60; no TARGET: all
	scripts/fuzz.sh $(or $(TARGET),all) $(or $(SECONDS),60)

replay: deps  ## Build every fuzz target and replay its kept inputs
	scripts/fuzz.sh all 0

test-tsan: deps  ## The suite under ThreadSanitizer, in .build-tsan
	$(SEEDED) scripts/sanitize.sh thread

test-asan: deps  ## The suite under AddressSanitizer and its leak check, in .build-asan
	$(SEEDED) scripts/sanitize.sh address

bench: release  ## Measure throughput, latency, CPU and memory beside their targets
	python3 scripts/bench.py --bin $(BINARY)

clean:  ## Remove what was built
	rm -rf .build .build-release .build-bench .build-fuzz .build-tsan .build-asan .venv
