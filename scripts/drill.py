#!/usr/bin/env python3
"""The offline drill: everything that the daemon spools, while upstream is down.

Sessions, logs, children to depth 5, updates (by id and by reference), feedback and evaluation
results (by provisional id and by reference) and evaluation logs, interleaved at random from a seed,
on several connections; the daemon is killed twice with -9 meanwhile. Then upstream comes up, the
daemon is killed once more while it delivers, and once the queue is empty scripts/check_record.py
judges from the archive's raw record.
"""
import argparse
import json
import time
from collections import Counter

from author import DEPTH_MAX, Mix
from crash import Drain
from load import Load
from spooltools import (ArchiveServer, Daemon, Failure, Workplace, find_binary, harness_main,
                        run_check, wait_for)

MIX = Mix(children=0.5, early=0.1, updates=0.15, feedback=0.12, results=0.1, sessions=0.08,
          evaluation_logs=0.07, minted=0.05, in_session=0.4, by_project_id=0.15, by_id=0.5,
          by_reference=0.5, size=700, window=60)
WAYS = ("tcp-one",) * 4 + ("unix-one",) * 4 + ("tcp-array", "unix-array", "stream", "stream")


def accept_all(daemon, load, options):
    """The load, upstream down throughout; a kill after each third of the events."""
    load.start()
    for part in range(1, options.kills + 1):
        goal = options.events * part // (options.kills + 1)
        wait_for(lambda: load.counts["acked"] >= goal or not load.going(), options.seconds,
                 lambda: f"{goal} acknowledgements; there are {load.counts['acked']}", poll=0.001)
        daemon.kill9()
        daemon.start_and_wait()
    load.join()


def kill_while_draining(daemon, kills, seconds):
    """Kills the daemon after equal parts of what it has to deliver."""
    left = daemon.status()["ledger"]["queued"]
    for part in range(1, kills + 1):
        goal = left * part // (kills + 1)
        wait_for(lambda: (s := daemon.status()) and s["ledger"]["delivered"] >= goal, seconds,
                 f"{goal} deliveries", poll=0.005)
        daemon.kill9()
        daemon.start_and_wait()


def variety(journal):
    """What the load held, read from its journal: an empty kind would prove nothing."""
    found, parents = Counter(), {}
    for line in map(json.loads, open(journal, encoding="utf-8")):
        if line["state"] != "acked":
            continue
        kind = line["kind"]
        found[kind] += 1
        swapped = {k for s in line.get("swap") or () for k in s if k != "field"}
        found.update(f"{kind} by provisional {what} id" for what in swapped)
        if line.get("by_reference"):
            found[f"{kind} by reference"] += 1
        if line.get("log") and kind in ("log", "evaluation_log"):
            parents[line["log"]] = line.get("parent")
    deepest = 0
    for name in parents:
        depth = 0
        while name := parents.get(name):
            depth += 1
        deepest = max(deepest, depth)
    return found, deepest


EXPECTED = ("log", "update", "feedback", "session", "evaluation_log", "evaluation_result",
            "log by provisional log id", "log by provisional session id",
            "log by provisional project id", "evaluation_log by provisional log id",
            "evaluation_log by provisional session id", "feedback by provisional log id",
            "feedback by reference", "evaluation_result by provisional log id",
            "evaluation_result by reference")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=2, help="while upstream is down")
    parser.add_argument("--drain-kills", type=int, default=1, help="while the queue drains")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=120, help="for the load")
    parser.add_argument("--drain-seconds", type=float, default=180)
    options = parser.parse_args()
    binary = find_binary(options.bin)
    began = time.monotonic()
    with Workplace("drill") as place:
        place.keep = True
        archive = place.own(ArchiveServer(binary, place.path))      # not started: down
        daemon = place.own(Daemon(binary, place.path, archive.url)).start_and_wait()
        journal = place.path / "journal.ndjson"
        load = Load(daemon, journal, options.seed, MIX, options.events, options.seconds, WAYS)
        accept_all(daemon, load, options)
        accepted = time.monotonic()
        book = wait_for(daemon.status, 10, "the status of the daemon")["ledger"]
        early = book["delivered"] or book["dead"]
        print(f"acknowledged {load.counts['acked']}, unanswered {load.counts['unacked']} in "
              f"{accepted - began:.1f} s, {options.kills} kills; ledger {json.dumps(book)}")
        archive.start_and_wait()
        drain = Drain(daemon, archive, load)
        try:
            kill_while_draining(daemon, options.drain_kills, options.drain_seconds)
            status = wait_for(drain, options.drain_seconds, "the queue to drain", poll=0.05)
        except Failure as failure:              # the judge says what is missing
            print(f"FAULT {failure}")
            status = wait_for(daemon.status, 10, "the status of the daemon")
        print(f"drained in {time.monotonic() - accepted:.1f} s")
        bad = run_check(journal, archive.record, status, place.path)
        found, deepest = variety(journal)
        lacking = [what for what in EXPECTED if not found[what]]
        for fault, holds in (("the load", dict(load.faults())), ("the load lacked", lacking),
                             (f"no chain of {DEPTH_MAX} children", deepest < DEPTH_MAX),
                             ("delivered or dead while upstream was down", early)):
            if holds:
                print(f"FAULT {fault}: {holds}")
                bad = True
        print(", ".join(f"{what} {n}" for what, n in sorted(found.items()))
              + f"; deepest chain {deepest}")
        place.keep = bool(bad)
        print(f"{'FAILED' if bad else 'OK'}: seed {options.seed}, "
              f"{load.counts['acked']} acknowledged, {status['ledger']['delivered']} delivered, "
              f"possible duplicates {status['possible_duplicates']}, "
              f"{time.monotonic() - began:.1f} s")
        return 1 if bad else 0


if __name__ == "__main__":
    harness_main(main)
