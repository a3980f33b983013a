#!/bin/sh
# Fuzzes what reads bytes from outside: fuzz.sh [TARGET [SECONDS]]. Without a target, or with `all`,
# every one in turn, each for so many seconds (60); 0 seconds replay the kept inputs only.
#
# A run ends with its seed, executions, speed and the edges of our own code it has reached; SEED=N in
# the environment draws the same inputs again, from the same corpus. It fails when a promise was
# broken: the input is then in .build-fuzz/crashes, and `.build-fuzz/release/fuzz-TARGET FILE` shows it
# again. Inputs that reached something new are kept
# in .build-fuzz/corpus for the next run; Fuzz/Corpus holds the seeds.
set -eu
cd "$(dirname "$0")/.."
target=${1:-all}
seconds=${2:-60}
seed=${SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
build="$PWD/.build-fuzz"

targets=$(sed -n 's/.*\.fuzzer("\([a-z]*\)".*/\1/p; s/^ *"\([a-z]*\)", in: .*/\1/p' \
    Fuzz/Package.swift | sort -u)
# shellcheck disable=SC2086
if [ "$target" != all ] && ! printf '%s\n' $targets | grep -qx "$target"; then
    # shellcheck disable=SC2086
    echo "fuzz.sh: no target '$target'; there are: all" $targets >&2
    exit 2
fi

resources=$(swiftc -print-target-info |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["paths"]["runtimeResourcePath"])')
runtime="$resources/clang/lib/linux/libclang_rt.fuzzer_no_main-$(uname -m).a"
if [ ! -e "$runtime" ]; then
    echo "fuzz.sh: $runtime is missing: use a toolchain from swift.org, which has it" >&2
    exit 2
fi
export LOOPSPOOL_FUZZER_RUNTIME="$runtime"
# Swift's own backtrace would keep libFuzzer from saving the input.
export SWIFT_BACKTRACE=enable=no

# The last number that follows a word in a run's log.
number() {
    sed -n "s/.*$1 *\([0-9][0-9]*\).*/\1/p" "$log" | tail -n 1
}

fuzz() {
    swift build --package-path Fuzz --scratch-path "$build" -c release --product "fuzz-$1" \
        >"$build/build-$1.log" 2>&1 || {
        cat "$build/build-$1.log" >&2
        exit 1
    }
    mkdir -p "$build/corpus/$1" "$build/crashes"
    log="$build/$1.log"
    # Long enough for each bound of the target to be passed.
    case $1 in
    ndjson) length=131072 ;;
    admission | target) length=16384 ;;
    *) length=2048 ;;
    esac
    limit="-max_total_time=$seconds"
    if [ "$seconds" -eq 0 ]; then limit="-runs=0"; fi
    status=0
    nice -n 19 "$build/release/fuzz-$1" "$build/corpus/$1" "Fuzz/Corpus/$1" \
        -dict="Fuzz/Dictionaries/$1.dict" -artifact_prefix="$build/crashes/$1-" "$limit" \
        -seed="$seed" -max_len="$length" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1 || status=$?

    # Without counters the fuzzer is blind, and finds nothing for that reason.
    if ! grep -q "inline 8-bit counters" "$log"; then
        echo "fuzz.sh: fuzz-$1 has no coverage counters: remove .build-fuzz and build anew" >&2
        exit 1
    fi
    if [ "$1" = canary ]; then
        if grep -q "found, as it should be" "$log"; then
            echo "canary: found after $(number number_of_executed_units:) executions"
            return
        fi
        echo "fuzz.sh: the canary's planted bug was not found in $seconds s" >&2
        exit 1
    fi
    if [ "$status" -ne 0 ]; then
        grep -v '^#' "$log" | grep -E 'Fatal error|ERROR|SUMMARY|Test unit written|Base64' >&2
        echo "fuzz.sh: $1 broke a promise; the whole log is $log" >&2
        exit 1
    fi
    echo "$1: seed $seed, $(number number_of_executed_units:) executions," \
        "$(number average_exec_per_sec:)/s, $(number cov:) edges, no promise broken"
}

mkdir -p "$build"
if [ "$target" != all ]; then
    fuzz "$target"
else
    for each in $targets; do
        # The canary can only be found by fuzzing.
        [ "$each" = canary ] && [ "$seconds" -eq 0 ] || fuzz "$each"
    done
fi
