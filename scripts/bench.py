#!/usr/bin/env python3
"""Throughput, latency, CPU and memory of the daemon, beside what the project wants to reach.

Load generator, daemon and a fast sink (Benchmarks/sink.c) share this machine. Events are logs of
1 KB, acknowledged after their commit, and delivered to the sink during the same run: the CPU per
event is the daemon's for both. Every run has a fresh daemon; medians of the runs are printed. It
reports, it does not gate.
"""
import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from spooltools import (ROOT, Daemon, Failure, Program, Workplace, connects, find_binary, free_port,
                        harness_main, wait_for)

BUILD = ROOT / ".build-bench"
SIZE = 1024
# Metric: what it is, unit, bar, stretch, and whether more is better.
TARGETS = {
    "http_one.rate": ("HTTP, 1 log a request, 64 connections", "acked/s", 30_000, 40_000, True),
    "http_one.cpu_us": ("", "us CPU/event", 45, 30, False),
    "http_one.p99_ms": ("", "ms p99", 15, None, False),
    "open_loop.p50_ms": ("HTTP, open loop 2,000/s", "ms p50", 0.4, None, False),
    "open_loop.p99_ms": ("", "ms p99", 8, 5, False),
    "http_array.rate": ("HTTP, arrays of 100, 16 connections", "acked/s", 100_000, 125_000, True),
    "http_array.cpu_us": ("", "us CPU/event", 15, 10, False),
    "ndjson.rate": ("NDJSON with acks, 16 connections", "acked/s", None, None, True),
    "ndjson.end_to_end": ("", "delivered/s", 80_000, 90_000, True),
    "ndjson.cpu_us": ("", "us CPU/event", 15, 10, False),
    "ndjson.p50_ms": ("", "ms p50", None, None, False),
    "ndjson.p99_ms": ("", "ms p99", None, None, False),
    "drain.rate": ("drain of a backlog", "events/s", 100_000, 120_000, True),
    "drain.cpu_us": ("", "us CPU/event", 10, 6, False),
    "memory.idle_mb": ("memory, idle", "MB RSS", 30, 25, False),
    "memory.peak_mb": ("memory, peak of all runs", "MB RSS", 96, 64, False),
}


def compile_tools():
    BUILD.mkdir(exist_ok=True)
    for name in ("sink", "ndjson_load", "open_loop"):
        source, tool = ROOT / f"Benchmarks/{name}.c", BUILD / name
        newest = max(f.stat().st_mtime for f in (source, ROOT / "Benchmarks/bench.h"))
        if not tool.exists() or tool.stat().st_mtime < newest:
            subprocess.run(["cc", "-O2", "-o", tool, source], check=True)


class Sink(Program):
    """The upstream: counts what arrives."""

    def __init__(self, directory, port):
        self.port = port
        super().__init__("sink", [BUILD / "sink", str(port)], directory)

    def start_and_wait(self):
        self.start()
        wait_for(lambda: self.require_running() and connects("127.0.0.1", self.port), 5, "the sink")
        return self

    def count(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/count")
        value = json.loads(connection.getresponse().read())
        connection.close()
        return value


class Run:
    """One daemon, one sink, one measurement."""

    def __init__(self, binary, place, number, sink_at_once=True):
        directory = Path(place.path, f"run-{number}")
        directory.mkdir()
        self.directory, self.place = directory, place
        self.sink = place.own(Sink(directory, free_port()))
        if sink_at_once:
            self.sink.start_and_wait()
        upstream = f"http://127.0.0.1:{self.sink.port}/v4"
        self.daemon = place.own(Daemon(binary, directory, upstream)).start_and_wait()
        self.idle = self.daemon.memory()[0]
        self.cpu, self.began = self.daemon.cpu(), time.monotonic_ns()

    def wrk(self, connections, count, seconds):
        out = self.tool(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
                         ROOT / "Benchmarks/logs.lua",
                         f"http://127.0.0.1:{self.daemon.port}/v4/logs", "--", self.directory.name,
                         str(count), str(SIZE)], seconds)
        result = json.loads(out.splitlines()[-1])
        if result["errors"]:
            raise Failure(f"wrk counted {result['errors']} errors")
        return result

    def ndjson(self, seconds, events):
        return json.loads(self.tool([BUILD / "ndjson_load", self.daemon.events_socket, "16", "256",
                                     str(seconds), str(events), str(SIZE), self.directory.name],
                                    seconds))

    def tool(self, arguments, seconds):
        done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True,
                              timeout=seconds + 30)
        if done.returncode:
            raise Failure(f"{Path(str(arguments[0])).name}: {done.stdout}{done.stderr[-300:]}")
        return done.stdout

    def delivered(self, seconds=60):
        """Waits until the sink has all that was accepted; (accepted, CPU us each, sink's count)."""
        accepted = self.daemon.status()["ledger"]["accepted"]
        wait_for(lambda: self.sink.count()["elements"] >= accepted, seconds,
                 lambda: f"{accepted} deliveries; the sink has {self.sink.count()['elements']}")
        count = self.sink.count()
        if count["elements"] != accepted:
            raise Failure(f"accepted {accepted}, but the sink got {count['elements']}")
        return accepted, (self.daemon.cpu() - self.cpu) / accepted * 1e6, count

    def close(self):
        peak = self.daemon.memory()[1]
        self.daemon.kill9()
        self.sink.kill9()
        shutil.rmtree(self.directory, ignore_errors=True)
        return {"memory.idle_mb": self.idle, "memory.peak_mb": peak}


def http_one(run, options):
    result = run.wrk(64, 1, options.seconds)
    _, cpu, _ = run.delivered()
    return {"http_one.rate": result["requests"] / result["seconds"], "http_one.cpu_us": cpu,
            "http_one.p99_ms": result["p99_ms"]}


def http_array(run, options):
    result = run.wrk(16, 100, options.seconds)
    _, cpu, _ = run.delivered()
    return {"http_array.rate": 100 * result["requests"] / result["seconds"],
            "http_array.cpu_us": cpu}


def ndjson(run, options):
    result = run.ndjson(options.seconds, 0)
    accepted, cpu, count = run.delivered()
    return {"ndjson.rate": result["per_second"], "ndjson.cpu_us": cpu,
            "ndjson.end_to_end": accepted / (count["last_ns"] - run.began) * 1e9,
            "ndjson.p50_ms": result["p50_ms"], "ndjson.p99_ms": result["p99_ms"]}


def open_loop(run, options):
    result = json.loads(run.tool([BUILD / "open_loop", str(run.daemon.port), "2000",
                                  str(options.seconds), "32", str(SIZE), run.directory.name],
                                 options.seconds))
    run.delivered()
    return {"open_loop.p50_ms": result["p50_ms"], "open_loop.p99_ms": result["p99_ms"]}


def drain(run, options):
    """Accepted while nobody listens upstream; measured from the first delivery to the last."""
    run.ndjson(60, options.backlog)
    run.cpu = run.daemon.cpu()
    run.sink.start_and_wait()
    accepted, cpu, count = run.delivered(90)
    seconds = max(1, count["last_ns"] - count["first_ns"]) / 1e9
    return {"drain.rate": accepted / seconds, "drain.cpu_us": cpu}


def measure(binary, options):
    """Every metric's values over the runs, and what could not be measured."""
    values, notes = {}, []
    scenarios = [http_one, http_array, ndjson, open_loop, drain]
    if not shutil.which("wrk"):
        notes.append("HTTP one by one and arrays not measured: wrk is missing, apt-get install wrk")
        scenarios = scenarios[2:]
    deadline = time.monotonic() + options.budget
    with Workplace("bench") as place:
        for round_number in range(options.runs):
            for scenario in scenarios:
                name = f"{scenario.__name__}-{round_number}"
                if time.monotonic() > deadline:
                    notes.append(f"{name} left out: {options.budget:g} s are over")
                    continue
                run = Run(binary, place, name, sink_at_once=scenario is not drain)
                try:
                    found = scenario(run, options)
                except Failure as failure:
                    notes.append(f"{name} failed: {failure}")
                    found = {}
                for key, value in {**found, **run.close()}.items():
                    values.setdefault(key, []).append(value)
                print(".", end="", flush=True)
    print(flush=True)
    return values, notes


def shown(value):
    return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def verdict(value, reach, stretch, more):
    def meets(bar):
        return bar is not None and (value >= bar if more else value <= bar)
    if reach is None:
        return ""
    return "stretch" if meets(stretch) else "reached" if meets(reach) else "below"


def table(values):
    """Rows of the report; the medians, but the largest for the memory's peak."""
    print(f"{'':38}{'':>14}{'median':>10}{'reach':>9}{'stretch':>9}            all runs")
    medians = {}
    for key, (what, unit, reach, stretch, more) in TARGETS.items():
        if key not in values:
            continue
        runs = values[key]
        median = medians[key] = max(runs) if key == "memory.peak_mb" else statistics.median(runs)
        each = " ".join(map(shown, runs)) if len(runs) <= 5 else f"{len(runs)} runs"
        print(f"{what:38}{unit:>14}{shown(median):>10}{shown(reach):>9}{shown(stretch):>9}"
              f"  {verdict(median, reach, stretch, more):8}  {each}")
    return medians


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--backlog", type=int, default=200_000, help="events of the drain")
    parser.add_argument("--budget", type=float, default=200, help="seconds; then no run is begun")
    parser.add_argument("--json", help="also write the numbers to this file")
    options = parser.parse_args()
    binary = find_binary(options.bin)
    compile_tools()
    began, load_before = time.monotonic(), os.getloadavg()
    values, notes = measure(binary, options)
    medians = table(values)
    for note in notes:
        print("note:", note)
    load = (f"load {load_before[0]:.2f} before, {os.getloadavg()[0]:.2f} after, "
            f"{os.cpu_count()} cores")
    print(f"{load}; {options.runs} runs of {options.seconds} s, {SIZE} byte events, "
          f"{time.monotonic() - began:.0f} s in all")
    if options.json:
        Path(options.json).write_text(json.dumps({"medians": medians, "runs": values, "load": load,
                                                  "notes": notes}, indent=1))
    return 0 if values and not notes else 1


if __name__ == "__main__":
    harness_main(main)
