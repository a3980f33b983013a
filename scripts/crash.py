#!/usr/bin/env python3
"""`kill -9` of the daemon at random moments, under load, with an upstream that fails all the time.

The load holds every kind of event, over HTTP one by one and in arrays and over NDJSON with acks.
The archive behind it answers some requests with 500, resets some connections after it has handled
the request, and is gone at times (`archive serve --faults`). All in portions, each in fresh
directories: load with kills, a drain with kills, scripts/check_record.py on the archive's raw
record, and the daemon's own books; then the files are deleted. Portions spend most of their time
in backoff, so several run side by side.

With --results FILE every portion leaves a line there, and a run that was broken off goes on where
it was: a line counts only for the same binary, the same scripts, and the same kills and faults.
Everything random comes from --seed; what the machine's own timing adds cannot be repeated.
"""
import argparse
import hashlib
import json
import random
import signal
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from author import Mix
from load import Load
from spooltools import (ArchiveServer, Daemon, Failure, Workplace, die_with_parent, find_binary,
                        harness_main, run_check, wait_for)
from verdict import BROKEN

FAULTS = "status=500:10%,reset:5%:after,outage=2s/20s"
MIX = Mix(children=0.2, early=0.05, updates=0.03, feedback=0.1, results=0.02, sessions=0.01,
          evaluation_logs=0.01, minted=0.03, in_session=0.2, by_project_id=0.1, by_id=0.5,
          by_reference=0.5, mixed_sizes=True, array=30, window=60)
WAYS = ("tcp-one", "unix-one", "tcp-array", "unix-array", "stream", "stream")
SHARE_IN_DRAIN = 0.2            # of the kills: after the load, while the queue empties
EXTRA = ("feedback", "session", "evaluation_result")
# What decides about a portion: with one of these changed it says nothing about today's run.
DECIDING = ("crash.py", "check_record.py", "evidence.py", "verdict.py", "load.py", "workers.py",
            "author.py")


def fault_text(argument):
    """What --faults says to the archive."""
    return "" if argument == "none" else argument


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


class Killer:
    """The kills of one portion."""

    def __init__(self, daemon, archive, options, chance):
        self.daemon, self.archive, self.options, self.chance = daemon, archive, options, chance
        self.count = self.in_doubt = 0
        self.upstream = Counter()

    def strike(self):
        """One kill, at a moment of its own, and the daemon up again; sometimes not quite up, and
        killed once more."""
        time.sleep(self.chance.uniform(0, 0.05))
        self.die()
        if self.count % 10 == 0 and (self.options.restart_archive or self.options.kill_archive):
            self.count_hits()
            self.archive.stop() if self.options.restart_archive else self.archive.kill9()
            self.archive.start_and_wait()
        self.daemon.start()
        while self.count < self.options.kills_each and self.chance.random() < 0.2:
            time.sleep(self.chance.uniform(0, 0.1))
            self.die()
            self.daemon.start()
        wait_for(self.book, 30, "the daemon after a restart")
        book = self.book() or {}
        self.in_doubt += book.get("in_flight", 0) > 0
        if self.options.verbose:
            print(f"kill {self.count}: {json.dumps(book)}", flush=True)

    def book(self):
        """The ledger; None while the daemon cannot be asked."""
        self.daemon.require_running()
        return (self.daemon.status() or {}).get("ledger")

    def die(self):
        self.daemon.require_running()
        self.daemon.kill9()
        self.count += 1

    def during_load(self, load):
        """Most of the kills, spread over what the load gets acknowledged."""
        last = round(self.options.kills_each * (1 - SHARE_IN_DRAIN))
        for goal in sorted(self.chance.randrange(load.asked) for _ in range(last)):
            while load.counts["acked"] < goal and load.busy():
                time.sleep(0.002)
            if self.count < last and load.busy():
                self.strike()

    def during_drain(self, drain):
        """The others, spread over what is left to deliver; also when that is nothing any more."""
        book = wait_for(self.book, 30, "the daemon after the load")
        deadline = time.monotonic() + self.options.drain_seconds
        goals = sorted(self.chance.randint(book["delivered"], book["accepted"])
                       for _ in range(self.count, self.options.kills_each))
        for goal in goals:
            while time.monotonic() < deadline and not self.is_reached(drain, goal):
                time.sleep(0.2)
            if self.count < self.options.kills_each:
                self.strike()

    @staticmethod
    def is_reached(drain, goal):
        """Whether so much is delivered, or all."""
        return drain() or (drain.last and (drain.last[0] or 0) >= goal)

    def count_hits(self):
        """What upstream's faults did since it was started."""
        told = self.archive.faults()
        self.upstream.update(requests=told["requests"], handled=told["handled"])
        self.upstream.update({fault["fault"]: fault["hits"] for fault in told["faults"]})


def fingerprint(*paths):
    """SHA-256 over the bytes of those files."""
    sha = hashlib.sha256()
    for path in paths:
        sha.update(Path(path).read_bytes())
    return sha.hexdigest()


def terms(options, binary):
    """What a portion was run with; a stored one stands for another only where all of it agrees."""
    return {"seed": options.seed, "events": options.portion, "kills asked": options.kills_each,
            "upstream faults": options.faults,
            "archive": ["restart"] * options.restart_archive + ["kill"] * options.kill_archive,
            "binary": fingerprint(binary),
            "scripts": fingerprint(*(Path(__file__).with_name(name) for name in DECIDING))}


def portion(number, options, binary):
    """One portion, from empty directories to the verdict; what is to be told of it."""
    seed = f"{options.seed}-{number}"
    chance = random.Random(f"{seed}/kills")
    began = time.monotonic()
    with Workplace("crash") as place:
        place.keep = True
        archive = place.own(ArchiveServer(
            binary, place.path, options.faults, chance.randrange(2**32))).start_and_wait()
        daemon = place.own(Daemon(binary, place.path, archive.url)).start_and_wait()
        journal = place.path / "journal.ndjson"
        load = Load(daemon, journal, seed, MIX, options.portion, options.seconds, WAYS)
        killer = Killer(daemon, archive, options, chance)
        load.start()
        try:
            killer.during_load(load)
        finally:
            load.join()
        loaded = time.monotonic()
        drain = Drain(daemon, archive, load)
        faults = Counter()
        try:
            killer.during_drain(drain)
            status = wait_for(drain, options.drain_seconds, "the queue to drain", poll=0.2)
        except Failure as failure:              # the judge says what is missing
            print(f"FAULT {failure}")
            faults["not drained"] += 1
            status = wait_for(daemon.status, 10, "the status of the daemon")
        killer.count_hits()
        daemon.stop()                           # nothing is sent any more
        verdict = place.path / "verdict.json"
        trust = ["--trust-questions"] if options.kill_archive else []
        run_check(journal, archive.record, status, place.path, "--json", verdict, *trust)
        told = json.loads(verdict.read_text())
        faults.update(told["faults"])
        faults.update(load.faults())
        place.keep = bool(faults)
        return {
            **terms(options, binary), "portion": number,
            "acknowledged": load.counts["acked"], "unanswered": load.counts["unacked"],
            "refused": dict(load.refusals), "kills": killer.count,
            "restarts with events in flight": killer.in_doubt, "delivered":
            status["ledger"]["delivered"], **told["broken"], "faults": dict(faults),
            "extra": {k: told["kinds"][k]["extra"] for k in EXTRA},
            "possible": {k: status["possible_duplicates"].get(k, 0) for k in EXTRA},
            "upstream": dict(killer.upstream),
            "parents sent again": drain.healed, "load seconds": round(loaded - began, 1),
            "seconds": round(time.monotonic() - began, 1)}


def earlier(options, wanted):
    """What a run on the same terms has done already, by portion."""
    if not options.results or not Path(options.results).exists():
        return {}
    rows = map(json.loads, Path(options.results).read_text().splitlines())
    return {r["portion"]: r for r in rows if agrees(r, wanted)}


def agrees(row, wanted):
    """Whether the portion was run on these terms."""
    return all(row.get(name) == value for name, value in wanted.items())


def shortcomings(rows, total, options, wanted):
    """Why the run proves less than it was asked to, though nothing may have gone wrong in it."""
    found = []
    if idle := [f for f in options.faults.split(",") if f and not total[f"upstream {f}"]]:
        found.append(f"these never happened, so the run proves less: {', '.join(idle)}")
    if total["kills"] < options.kills:
        found.append(f"{total['kills']} kills of {options.kills}, so the run proves less")
    if options.kills and not total["restarts with events in flight"]:
        found.append("no kill left an event in flight, so the run proves less")
    if not all(agrees(row, wanted) for row in rows):
        found.append("the binary or a script was changed meanwhile, so the run proves nothing")
    return found


def table(rows, options, wanted):
    """The whole run in numbers; True when it holds."""
    total = Counter()
    for row in rows:
        total.update({k: v for k, v in row.items() if isinstance(v, (int, float))})
        for name in ("refused", "extra", "possible", "upstream", "faults"):
            total.update({f"{name} {k}": v for k, v in row[name].items()})
    print(f"\nseed {options.seed}, {len(rows)} portions of {options.portion} events, upstream: "
          f"{options.faults or 'without faults'}")
    refused = sorted(n for n in total if n.startswith("refused "))
    for name in ("acknowledged", "unanswered", *refused, "delivered", "kills",
                 "restarts with events in flight", *BROKEN, "other"):
        print(f"{name:32}{total[name]:>10}")
    for kind in EXTRA:
        print(f"{kind + ' extra':32}{total['extra ' + kind]:>10}"
              f"   counted by the daemon {total['possible ' + kind]}")
    for name in sorted(n for n in total if n.startswith("upstream ")):
        print(f"{name:32}{total[name]:>10}")
    print(f"{'time of all portions, s':32}{total['seconds']:>10.0f}")
    faults = {n.removeprefix("faults "): v for n, v in total.items() if n.startswith("faults ")}
    for fault, count in faults.items():
        print(f"FAULT {fault}: {count}")
    lacking = shortcomings(rows, total, options, wanted)
    for words in lacking:
        print(f"FAULT {words}")
    return not faults and not lacking


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--events", type=int, default=50_000, help="of all portions")
    parser.add_argument("--kills", type=int, default=10, help="of all portions")
    parser.add_argument("--portion", type=int, default=50_000, help="events of one")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--faults", default=FAULTS, type=fault_text,
                        help="of upstream, or none")
    parser.add_argument("--results", help="file of a line for each portion; goes on where it ends")
    parser.add_argument("--seconds", type=float, default=600, help="for the load of a portion")
    parser.add_argument("--drain-seconds", type=float, default=1800)
    parser.add_argument("--parallel", type=int, default=4, help="portions at a time")
    parser.add_argument("--restart-archive", action="store_true", help="every 10th kill, SIGTERM")
    parser.add_argument("--kill-archive", action="store_true", help="every 10th kill, SIGKILL")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.portion = min(options.portion, options.events)
    portions = -(-options.events // options.portion)
    options.kills_each = -(-options.kills // portions)
    binary = find_binary(options.bin)
    wanted = terms(options, binary)
    began, rows = time.monotonic(), earlier(options, wanted)
    missing = [n for n in range(1, portions + 1) if n not in rows]
    # A worker that is told to end clears its workplace away first.
    with ProcessPoolExecutor(options.parallel, initializer=die_with_parent,
                             initargs=(signal.SIGTERM,)) as pool:
        runs = [pool.submit(portion, n, options, binary) for n in missing]
        for run in as_completed(runs):
            row = run.result()
            rows[row["portion"]] = row
            print(f"portion {row['portion']}: {json.dumps(row)}", flush=True)
            if options.results:
                with open(options.results, "a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    good = table([rows[n] for n in range(1, portions + 1)], options, wanted)
    print(f"{'this run, s':32}{time.monotonic() - began:>10.0f}")
    print("duplicates 0, lost 0" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    harness_main(main)
