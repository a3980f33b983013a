#!/usr/bin/env python3
"""`kill -9` of the daemon at random moments under load: nothing may be lost, nothing doubled.

The archive stays up (or is restarted too: --restart-archive, or killed too: --kill-archive). After
the last kill the queue must drain, then scripts/check_record.py judges from the raw record.
"""
import argparse
import json
import random
import time

from author import Mix
from load import Load
from spooltools import (ArchiveServer, Daemon, Failure, Workplace, find_binary, harness_main,
                        run_check, wait_for)


def applied_logs(record):
    """References of the logs that the record shows as applied."""
    found = set()
    for line in open(record, encoding="utf-8", errors="surrogateescape"):
        try:
            request = json.loads(line)
        except ValueError:
            continue
        path = request["path"].removeprefix("/v4")
        if (request["method"], path) == ("POST", "/logs") and 200 <= request["status"] < 300:
            body = json.loads(request["body"])
            found |= {e.get("reference_id") for e in (body if isinstance(body, list) else [body])}
    return found


class Drain:
    """Waits for an empty queue. When it stands still, the parents whose acknowledgement was lost,
    and that the archive has not, are sent again as an app would: their children wait for them."""

    def __init__(self, daemon, archive, load):
        self.daemon, self.archive, self.load = daemon, archive, load
        self.last, self.since = None, time.monotonic()
        self.healed = 0

    def __call__(self):
        if status := self.daemon.drained():
            return status
        book = (self.daemon.status() or {}).get("ledger")
        now = (book or {}).get("delivered"), (book or {}).get("accepted")
        if now != self.last:
            self.last, self.since = now, time.monotonic()
        elif time.monotonic() - self.since > 3 and self.load.lost:
            before = len(self.load.lost)
            applied = applied_logs(self.archive.record)
            self.load.heal(applied)
            self.healed += before - len(self.load.lost)
            for reference in set(self.load.lost) & applied:
                del self.load.lost[reference]
        return None


def kill_often(daemon, archive, options):
    """The kills. Each waits a seeded moment after the daemon answers again (or still starts)."""
    chance = random.Random(f"{options.seed}/kills")
    deadline = time.monotonic() + options.seconds
    for number in range(1, options.kills + 1):
        if time.monotonic() > deadline:
            raise Failure(f"only {number - 1} kills within {options.seconds} s")
        moment = time.monotonic() + chance.uniform(0, 0.1 if chance.random() < 0.2 else options.gap)
        while time.monotonic() < moment:
            daemon.require_running()
            time.sleep(min(0.01, max(0, moment - time.monotonic())))
        daemon.kill9()
        if number % 10 == 0 and (options.kill_archive or options.restart_archive):
            archive.kill9() if options.kill_archive else archive.stop()
            archive.start_and_wait()
        daemon.start()
        if chance.random() < 0.8:               # the others are killed while they start
            wait_for(lambda: daemon.require_running() and daemon.status(), 20,
                     "the daemon after a restart")
        if options.verbose:
            print(f"kill {number}: {daemon.status() or {}}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--events", type=int, default=1_000_000, help="at most")
    parser.add_argument("--seconds", type=float, default=240, help="for all kills")
    parser.add_argument("--drain-seconds", type=float, default=180)
    parser.add_argument("--gap", type=float, default=0.6, help="longest life of the daemon, s")
    parser.add_argument("--restart-archive", action="store_true", help="every 10th kill, SIGTERM")
    parser.add_argument("--kill-archive", action="store_true", help="every 10th kill, SIGKILL")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    binary = find_binary(options.bin)
    began = time.monotonic()
    with Workplace("crash") as place:
        place.keep = True
        archive = place.own(ArchiveServer(binary, place.path)).start_and_wait()
        daemon = place.own(Daemon(binary, place.path, archive.url)).start_and_wait()
        journal = place.path / "journal.ndjson"
        load = Load(daemon, journal, options.seed, Mix(mixed_sizes=True), options.events,
                    options.seconds + 30).start()
        try:
            kill_often(daemon, archive, options)
        finally:
            load.stop()
        drain = Drain(daemon, archive, load)
        try:
            status = wait_for(drain, options.drain_seconds, "the queue to drain", poll=0.05)
        except Failure as failure:              # the judge says what is missing
            print(f"FAULT {failure}")
            status = wait_for(daemon.status, 10, "the status of the daemon")
        trust = ["--trust-questions"] if options.kill_archive else []
        bad = run_check(journal, archive.record, status, place.path, *trust)
        odd = {k: n for k, n in load.refusals.items() if k != "503"}
        if odd:
            print(f"FAULT well-formed events were refused: {odd}")
        place.keep = bool(bad or odd)
        book = status["ledger"]
        print(f"seed {options.seed}, kills {options.kills}, acknowledged {load.counts['acked']}, "
              f"unanswered {load.counts['unacked']}, delivered {book['delivered']}, "
              f"parents sent again {drain.healed}, reconnections "
              f"{load.summary()['reconnections']}, {time.monotonic() - began:.1f} s")
        print("FAILED" if place.keep else "duplicates 0, lost 0")
        return 1 if place.keep else 0


if __name__ == "__main__":
    harness_main(main)
