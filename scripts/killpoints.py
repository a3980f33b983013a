#!/usr/bin/env python3
"""`kill -9` of the daemon at named points of its work, without any hook in it.

strace delivers SIGKILL when a thread enters the n-th system call of a sort; that call is then not
made (strace(1), "Tampering"; checked here before anything else). Each round has an archive and a
daemon of its own and a small load of every kind of event. The daemon dies at the point, sometimes
at another one in its next life, starts again, and drains; then the rules of check_record.py judge
the archive's raw record, as after scripts/crash.py. A point that was never hit fails the run.

Calls on files are counted from a life's first moment. Those on sockets are counted from when there
are some, which strace then selects by what /proc/PID/fd calls them. The n come from --seed; which
thread gets there first, and when, is the machine's own choice. Upstream fails all the while, as
under scripts/crash.py, if --faults does not say otherwise.
"""
import argparse
import contextlib
import http.client
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from check_record import judge_files
from crash import MIX, Drain, fault_text
from fault_points import DATABASE, POINTS, Trap, require_strace
from load import Load
from spooltools import (ArchiveServer, Daemon, Failure, Program, UnixHTTP, Workplace,
                        die_with_parent, find_binary, harness_main, wait_for)
from verdict import BROKEN, figures, report

ESTABLISHED, CONNECTED = "01", "03"     # /proc/net/tcp, /proc/net/unix
FAULTS = "status=500:10%,reset:5%:after,outage=1s/10s"  # of crash.py; its rounds are longer
WAYS = ("tcp-one", "unix-one", "tcp-array", "unix-array", "stream")
ATTEMPTS = 6                    # rounds until a point must have been hit
KILLS_MAX = 3                   # in one round
PILED_BYTES = 32 * 1024         # of a large event


class MortalDaemon(Daemon):
    """The daemon, and how each of its lives is to end."""

    def __init__(self, binary, place, archive):
        super().__init__(binary, place.path.resolve(), archive.url)
        self.place, self.upstream_port = place, archive.port
        self.free_arguments = self.arguments
        self.lives = 0
        self.trap = self.tracer = None

    def begin(self, point=None, n=0):
        """The next life, ending at the point, if one is given."""
        self.lives += 1
        self.trap = point and Trap(point, n, self.place.path / f"life-{self.lives}.strace")
        self.tracer, prefix = None, []
        if point and point.files:       # -D: the daemon stays this process's own child
            prefix = self.trap.command([self.state / file for file in point.files], "-D")
        self.arguments = prefix + self.free_arguments
        self.start()

    def status(self):
        """What `loopspool status --json` prints, or None while there is nobody to ask."""
        connection = UnixHTTP(self.runtime / "control.sock", 15)
        try:
            connection.request("GET", "/status")
            response = connection.getresponse()
            return json.loads(response.read()) if response.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def hit(self):
        """Name of the point where the trap has ended this life."""
        text = self.trap.words(self.pid)
        if self.trap.point.calls != ("ftruncate",):
            return self.trap.point.name
        size = int(re.findall(r"ftruncate\(.*, (\d+)[) ]", text)[-1])
        return "vacuum" if size < (self.state / DATABASE).stat().st_size else "truncation"

    def set_trap(self):
        """On sockets: once there are some."""
        if self.tracer and not self.tracer.running() and self.running():
            raise Failure(f"strace left the daemon: {self.tracer.tail()}")
        if self.tracer or not (self.trap and self.trap.point.peer):
            return
        if sockets := self.sockets(self.trap.point.peer):
            command = self.trap.command(sockets, "-p", str(self.pid))
            self.tracer = self.place.own(
                Program(f"strace-{self.lives}", command, self.place.path).start())

    def sockets(self, peer):
        """Open connections with a peer, as /proc/PID/fd names them: `socket:[inode]`."""
        inodes = set()
        for row in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:]):
            ports = {"client": row[1], "upstream": row[2]}
            wanted = {"client": self.port, "upstream": self.upstream_port}[peer]
            if row[3] == ESTABLISHED and int(ports[peer].partition(":")[2], 16) == wanted:
                inodes.add(row[9])
        for row in map(str.split, Path("/proc/net/unix").read_text().splitlines()[1:]):
            if peer == "client" and row[5] == CONNECTED and row[7:] and row[7] in (
                    str(self.api_socket), str(self.events_socket)):
                inodes.add(row[6])
        mine = set()
        for file in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                mine.add(os.readlink(file))
        return sorted(mine & {f"socket:[{inode}]" for inode in inodes})


class Round:
    """One archive, one load, and a daemon that dies at a point, and sometimes at another."""

    def __init__(self, point, n, seed, options, place, binary):
        self.point, self.n, self.options = point, n, options
        self.chance = random.Random(f"{seed}/lives")
        self.archive = place.own(ArchiveServer(
            binary, place.path, options.faults, self.chance.randrange(2**32)))
        if not point.is_piled:
            self.archive.start_and_wait()
        self.daemon = place.own(MortalDaemon(binary, place, self.archive))
        self.journal = place.path / "journal.ndjson"
        mix = replace(MIX, mixed_sizes=False, size=PILED_BYTES) if point.is_piled else MIX
        self.load = Load(self.daemon, self.journal, seed, mix, options.events, 30, WAYS)
        self.drain = Drain(self.daemon, self.archive, self.load)
        self.kills = []             # names of the points, in order
        self.hits = {}              # of upstream's faults
        self.is_disturbed = False   # SIGTERM or a kill without a trap was sent

    def run(self):
        """From the first start to the end of the last life; the final status."""
        self.daemon.begin(*self.first_life())
        self.load.start()
        with ThreadPoolExecutor(1) as pool:
            joined = pool.submit(self.load.join)
            try:
                while not joined.done():
                    self.tend()
                    time.sleep(0.002)
            finally:
                self.load.stopped.set()
        joined.result()
        status = self.wait_drained()
        if self.daemon.stop() == -signal.SIGKILL:       # a trap in the last checkpoint
            self.tend(is_last=True)
            status = self.wait_drained()
            self.daemon.stop()
        if self.daemon.process.returncode:
            raise Failure(f"SIGTERM ended the daemon with status {self.daemon.process.returncode}; "
                          f"its output:\n{self.daemon.tail()}")
        return status

    def count_hits(self):
        """What upstream's faults did."""
        if self.archive.running():
            self.hits = {f["fault"]: f["hits"] for f in self.archive.faults()["faults"]}

    def first_life(self):
        return (None, 0) if self.point.life == "recovery" else (self.point, self.n)

    def tend(self, is_last=False):
        """What the point wants done to the daemon; when it is dead, it is started again."""
        if self.daemon.running():
            if self.load.counts["acked"] >= self.options.events // 3 or not self.load.busy():
                self.daemon.set_trap()
                if self.point.life in ("recovery", "ending") and not self.is_disturbed \
                        and not (self.point.is_piled and self.load.busy()):
                    self.is_disturbed = True
                    self.disturb()
            return
        code = self.daemon.process.returncode
        if code == -signal.SIGKILL and self.daemon.trap:
            self.kills.append(self.daemon.hit())
        elif not (code == 0 and self.is_disturbed):
            raise Failure(f"the daemon ended by itself (status {code}); its output:\n"
                          f"{self.daemon.tail()}")
        self.daemon.begin(*self.next_life(is_last))

    def disturb(self):
        if self.point.life == "ending":
            self.daemon.process.terminate()
        else:
            self.daemon.kill9()
            if self.point.is_piled:
                self.archive.start_and_wait()
            self.daemon.begin(self.point, self.n)

    def next_life(self, is_last):
        """Free, or for another kill at a point that it may still come to."""
        if is_last or len(self.kills) >= KILLS_MAX or self.chance.random() < 0.5:
            return None, 0
        point = self.chance.choice([p for p in POINTS if p.life not in ("birth", "ending")
                                    and not p.is_piled])
        return point, point.pick(self.chance, 4)

    def wait_drained(self):
        return wait_for(self.drained, self.options.drain_seconds,
                        lambda: f"the queue to drain after kills at {self.kills}", poll=0.05)

    def drained(self):
        """The status once the queue is empty; a daemon that dies meanwhile is started again."""
        self.tend()
        return self.drain()


def play(point, n, seed, options, binary):
    """One round; its numbers, with what does not hold as `faults`."""
    with Workplace("killpoints") as place:
        place.keep = True
        game = Round(point, n, seed, options, place, binary)
        faults, status = Counter(), None
        try:
            status = game.run()
        except Failure as failure:              # the judge says what is missing
            print(f"FAULT {failure}", flush=True)
            faults["a round that did not end"] += 1
            game.daemon.kill9()
        game.load.journal.flush()
        game.count_hits()
        game.archive.stop()
        game.archive.record.touch()
        judge = judge_files([game.journal], [game.archive.record], status)
        told = figures(judge)
        faults.update(told["faults"])
        faults.update(game.load.faults())
        place.keep = bool(faults)
        if faults:
            report(judge, sys.stdout)
        return {"kills": game.kills, "acknowledged": game.load.counts["acked"],
                "refused": dict(game.load.refusals), "upstream": game.hits,
                **told["broken"], "faults": dict(faults)}


class Book:
    """What came of all rounds."""

    def __init__(self, points):
        self.points = points
        self.rows = defaultdict(Counter)
        self.faults = Counter()
        self.refused = Counter()
        self.upstream = Counter()   # what its faults did

    def enter(self, point, row):
        self.rows[point.name]["rounds"] += 1
        for name in ("acknowledged", *BROKEN, "other"):
            self.rows[point.name][name] += row[name]
        for name in row["kills"]:
            self.rows[name]["kills"] += 1
        for name in ("faults", "refused", "upstream"):
            getattr(self, name).update(row[name])

    def table(self):
        """One line a point; the names of the points that were never hit."""
        columns = ("rounds", "kills", "acknowledged", *BROKEN, "other")
        print(f"\n{'point':18}" + "".join(f"{c:>{max(8, len(c) + 2)}}" for c in columns))
        aimed = [p.name for p in self.points]
        for name in (*aimed, *sorted(self.rows.keys() - aimed)):
            print(f"{name:18}" + "".join(f"{self.rows[name][c]:>{max(8, len(c) + 2)}}"
                                         for c in columns))
        return [p.name for p in self.points if not self.rows[p.name]["kills"]]


def aim(point, number, options, binary, deadline):
    """Rounds until one ended at the point itself, a row each; what came too late is looked for
    earlier. None at all when no time is left."""
    if number and time.monotonic() > deadline:
        return []
    chance = random.Random(f"{options.seed}/{point.name}/{number}")
    divisor, rows = 1, []
    for attempt in range(ATTEMPTS):
        n, seed = point.pick(chance, divisor), f"{options.seed}-{point.name}-{number}-{attempt}"
        began = time.monotonic()
        row = play(point, n, seed, options, binary)
        rows.append(row)
        if options.verbose:
            print(f"{point.name} {number}.{attempt} n={n}, "
                  f"{time.monotonic() - began:.1f} s: {row}", flush=True)
        if point.name in row["kills"] or row["faults"]:
            break
        divisor += not row["kills"]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--rounds", type=int, default=3, help="kills aimed at each point")
    parser.add_argument("--seconds", type=float, help="once each point had its first round, none "
                        "begins later than this; 120 for each of --rounds")
    parser.add_argument("--events", type=int, default=700, help="of a round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drain-seconds", type=float, default=300)
    parser.add_argument("--faults", default=FAULTS, type=fault_text,
                        help="of upstream, or none")
    parser.add_argument("--parallel", type=int, default=4, help="rounds at a time: they spend most "
                        "of theirs in backoff")
    parser.add_argument("--point", action="append", help="only this one; may be repeated")
    parser.add_argument("--list", action="store_true", help="print the points, and end")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.list:
        for p in POINTS:
            print(f"{p.name:18}{p.meaning}\n{'':18}{', '.join(p.calls)} on "
                  f"{', '.join(p.files) or f'sockets, the peer being {p.peer}'}")
        return 0
    if unknown := set(options.point or ()) - {p.name for p in POINTS}:
        parser.error(f"no such point: {', '.join(sorted(unknown))}; --list prints them")
    require_strace()
    binary = find_binary(options.bin)
    points = [p for p in POINTS if not options.point or p.name in options.point]
    book, began, skipped = Book(points), time.monotonic(), 0
    deadline = began + (options.seconds or 120 * options.rounds)
    # A worker that is told to end clears its workplace away first.
    with ProcessPoolExecutor(options.parallel, initializer=die_with_parent,
                             initargs=(signal.SIGTERM,)) as pool:
        runs = {pool.submit(aim, point, number, options, binary, deadline): point
                for number in range(options.rounds) for point in points}
        for run in as_completed(runs):
            rows = run.result()
            skipped += not rows
            for row in rows:
                book.enter(runs[run], row)
    missed = book.table()
    if skipped:
        print(f"{skipped} of {options.rounds * len(points)} rounds were left out: no time was left")
    for words, count in book.refused.items():
        print(f"refused {words}: {count}")
    print("upstream: " + (", ".join(f"{fault} {n}" for fault, n in book.upstream.items())
                          or "without faults"))
    for fault, count in book.faults.items():
        print(f"FAULT {fault}: {count}")
    if idle := [fault for fault, count in book.upstream.items() if not count]:
        print(f"FAULT upstream never did this, so the run proves less: {', '.join(idle)}")
    if missed:
        print(f"FAULT no kill ever happened at: {', '.join(missed)}")
    good = not (book.faults or idle or missed)
    kills = sum(row["kills"] for row in book.rows.values())
    print(f"{'OK' if good else 'FAILED'}: seed {options.seed}, {kills} kills at {len(points)} "
          f"points, {time.monotonic() - began:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    harness_main(main)
