#!/bin/sh
# Runs the whole suite under a sanitizer: sanitize.sh thread|address [check].
#
# First the sanitizer shows that it sees: it must find planted faults, and nothing where there is
# none. With `check` that is all. Then the suite is built in a folder of its own, dependencies
# included (8 minutes on two cores), and run; any report fails it.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-}
part=${2:-all}
here="$PWD/scripts/sanitize"

case $kind in
thread) build="$PWD/.build-tsan" ;;
address) build="$PWD/.build-asan" ;;
*)
    echo "usage: sanitize.sh thread|address [check]" >&2
    exit 2
    ;;
esac
mkdir -p "$build/check"
# A crash is reported by the sanitizer, not by Swift's own backtrace.
export SWIFT_BACKTRACE=enable=no
# A race is reported only while the earlier access is remembered: as long as can be.
export TSAN_OPTIONS=history_size=7

compile() {
    # The linker has much to say about the sanitizer's own symbols.
    swiftc -parse-as-library -swift-version 6 -g -sanitize="$kind" "$here/$1.swift" \
        -o "$build/check/$1" >"$build/check/compile.log" 2>&1 || {
        cat "$build/check/compile.log" >&2
        exit 1
    }
}

# Runs a planted program and wants this in its report; `clean` wants success. A race is only seen when
# threads really meet, which they may not on a busy machine: each fault has several tries to show.
expect() {
    wanted=$1
    shift
    tries=5
    [ "$wanted" = clean ] && tries=1
    while [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        status=0
        "$@" >"$build/check/report" 2>&1 || status=$?
        if [ "$wanted" = clean ]; then
            [ "$status" -eq 0 ] && return
            wanted="nothing"
        elif [ "$status" -ne 0 ] && grep -q "$wanted" "$build/check/report"; then
            return
        fi
    done
    cat "$build/check/report" >&2
    echo "sanitize.sh: $* was to report $wanted (status $status)" >&2
    exit 1
}

if [ "$kind" = thread ]; then
    # The clang beside swiftc, which knows Swift's calling convention.
    "$(dirname "$(readlink -f "$(command -v swiftc)")")/clang" -O1 -fPIC -shared \
        "$here/mutex.c" -o "$build/check/mutex.so"
    compile race
    compile guarded
    expect "data race" env LD_PRELOAD="$build/check/mutex.so" "$build/check/race"
    expect clean env LD_PRELOAD="$build/check/mutex.so" "$build/check/guarded"
    echo "ThreadSanitizer finds the planted race, and none where a Mutex guards"
else
    compile memory
    expect "heap-buffer-overflow" "$build/check/memory" overflow
    expect "heap-use-after-free" "$build/check/memory" use-after-free
    expect "LeakSanitizer" "$build/check/memory" leak
    expect clean "$build/check/memory" none
    echo "AddressSanitizer finds the planted overflow, use after free and leak"
fi
[ "$part" = check ] && exit 0

# The suite is Swift Testing's alone. One test at a time: many side by side are slow enough under a
# sanitizer to break their time limits. Leaks are looked for in the daemon, below: at the end of a test
# run, LeakSanitizer takes for lost what the process keeps to its end behind tagged pointers.
set -- --skip-build --disable-xctest --no-parallel --sanitize="$kind" --scratch-path "$build"
swift build --build-tests --sanitize="$kind" --scratch-path "$build"
status=0
if [ "$kind" = thread ]; then
    LD_PRELOAD="$build/check/mutex.so" swift test "$@" >"$build/suite.log" 2>&1 || status=$?
else
    # A test compares addresses on the stack, which the sanitizer would move.
    ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 \
        swift test "$@" >"$build/suite.log" 2>&1 || status=$?
fi
grep 'SUMMARY: .*Sanitizer' "$build/suite.log" | sort | uniq -c >&2 || true
grep -E 'Test run with|✘' "$build/suite.log" || tail -n 20 "$build/suite.log" >&2
if [ "$status" -ne 0 ] || grep -q 'SUMMARY: .*Sanitizer' "$build/suite.log"; then
    echo "sanitize.sh: not clean; the whole report is $build/suite.log" >&2
    exit 1
fi
if [ "$kind" = address ]; then
    python3 scripts/leaks.py --bin "$build/debug/loopspool"
fi
