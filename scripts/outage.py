#!/usr/bin/env python3
"""A long outage in miniature: events accepted while upstream is down, then drained and judged.

The requests are written beforehand, so that accepting is as fast as the door takes them: arrays of
100 over TCP and over the Unix socket, and NDJSON with acks. A share are children by reference, of
parents in earlier, in the same, and in later requests.

What the daemon needs in memory stays well under what it accepts, and the spool's file shrinks once
it is drained; both show from some 50 MB on.

Then --dead-seconds of an outage in real time (downtime.py): tries, memory, recovery.
"""
import argparse
import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass

import downtime
from author import DEPTH_MAX, Author, Mix
from spooltools import (ArchiveServer, Daemon, Failure, Workplace, find_binary, harness_main,
                        run_check, wait_for)

BATCH = 100
WAYS = ("tcp-array", "unix-array", "stream")
# MB more than idle: what waits between socket and disk (32 MiB at most), buffers, and of the events
# their names only. A daemon that kept the payload would need all of it.
PEAK_BASE, PEAK_SHARE = 40, 0.25
# MB of the spool's files once they are drained: the write-ahead log, and what is given back later.
DRAINED_BASE, DRAINED_SHARE = 16, 0.25


@dataclass
class Batch:
    """One request, or one write to a stream; its bytes are in a file."""
    offset: int
    length: int
    count: int
    journal: str


class Plan:
    """Every batch of every way in, written to a file before anything is sent."""

    def __init__(self, path, events, seed, size):
        self.path = path
        self.batches = {way: [] for way in WAYS}
        author = Author(seed, "outage", Mix(size=size))
        r, known, promised = author.random, [], []
        with open(path, "wb") as file:
            number = made = 0
            while made < events or promised:
                way = WAYS[number % len(WAYS)]
                logs = [promised.pop(0) for _ in range(min(5, len(promised)))]
                while len(logs) < BATCH and made + len(logs) + len(promised) < events:
                    dice = r.random()
                    if dice < 0.02 and made + len(logs) + len(promised) + 1 < events:
                        promised.append(author.log())
                        logs.append(author.log(promised[-1].journal["log"], depth=1))
                    elif dice < 0.2 and known and (parent := r.choice(known)).depth < DEPTH_MAX:
                        logs.append(author.log(parent.journal["log"], depth=parent.depth + 1))
                    else:
                        logs.append(author.log())
                    if len(known) < 5000:
                        known.append(logs[-1])
                    else:
                        known[r.randrange(5000)] = logs[-1]
                if way == "stream":
                    data = "".join(f'{{"log":{log.text}}}\n' for log in logs).encode()
                else:
                    data = ("[" + ",".join(log.text for log in logs) + "]").encode()
                journal = "".join(json.dumps({**log.journal, "state": "acked"}) + "\n"
                                  for log in logs)
                self.batches[way].append(Batch(file.tell(), len(data), len(logs), journal))
                file.write(data)
                made += len(logs)
                number += 1
        self.events = made


class Sampler(threading.Thread):
    """The largest VmRSS of a process, by phase."""

    def __init__(self, program):
        super().__init__(daemon=True)
        self.program, self.phase, self.most = program, "start", {}
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            try:
                rss = self.program.memory()[0]
            except (OSError, KeyError):
                return
            self.most[self.phase] = max(rss, self.most.get(self.phase, 0))


class Sender(threading.Thread):
    """Sends the batches of one way in, and journals each after its acknowledgement."""

    def __init__(self, way, plan, daemon, journal, lock):
        super().__init__(daemon=True)
        self.way, self.batches, self.daemon_under_test = way, plan.batches[way], daemon
        self.file = open(plan.path, "rb")
        self.journal, self.lock = journal, lock
        self.error = None

    def run(self):
        try:
            self.stream() if self.way == "stream" else self.arrays()
        except Exception as error:
            self.error = error

    def data(self, batch):
        self.file.seek(batch.offset)
        return self.file.read(batch.length)

    def acked(self, batch):
        with self.lock:
            self.journal.write(batch.journal)

    def arrays(self):
        connection = self.daemon_under_test.connect(unix=self.way.startswith("unix"))
        for batch in self.batches:
            connection.request("POST", "/v4/logs", self.data(batch),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200 or len(json.loads(answer)) != batch.count:
                raise Failure(f"array answered {response.status}: {answer[:200]!r}")
            self.acked(batch)

    def stream(self):
        """Sends as fast as the daemon reads, while the acks are read here."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.daemon_under_test.events_socket))
            writer = threading.Thread(target=self.write_stream, args=(s,), daemon=True)
            writer.start()
            answers, last, acked = s.makefile("rb"), 0, 0
            for batch in self.batches:
                last += batch.count
                while acked < last:
                    line = answers.readline()
                    answer = json.loads(line or b"{}")
                    if "acked" not in answer:
                        raise Failure(f"stream answered {line[:200]!r}")
                    acked = answer["acked"]
                self.acked(batch)

    def write_stream(self, s):
        s.sendall(b'{"acks":true}\n')
        for batch in self.batches:
            s.sendall(self.data(batch))
        s.shutdown(socket.SHUT_WR)


def accept(plan, daemon, journal_path, seconds):
    """Sends everything; the seconds it took."""
    began = time.monotonic()
    with open(journal_path, "w", encoding="utf-8") as journal:
        lock = threading.Lock()
        senders = [Sender(way, plan, daemon, journal, lock) for way in WAYS]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(max(0.1, began + seconds - time.monotonic()))
            if sender.error:
                raise sender.error
            if sender.is_alive():
                raise Failure(f"{sender.way}: not accepted within {seconds} s")
    return time.monotonic() - began


class Drained:
    """The status once the queue is empty; asked only while the record stands still, so that asking
    does not slow the drain."""

    def __init__(self, daemon, record):
        self.daemon, self.record, self.size = daemon, record, -1
        self.last_growth = time.monotonic()

    def __call__(self):
        size = self.record.stat().st_size
        if size != self.size:
            self.size, self.last_growth = size, time.monotonic()
            return None
        return self.daemon.drained()


def wait_shrunk(daemon, full):
    """The sizes of the drained files: small, or what they are ten seconds later."""
    most = DRAINED_BASE * 2**20 + DRAINED_SHARE * sum(full)
    with contextlib.suppress(Failure):
        wait_for(lambda: sum(daemon.spool_bytes()) <= most, 10, "the files to shrink")
    return daemon.spool_bytes()


def size_faults(growth, payload, full, drained):
    """What the sizes say, in MB: peak memory beyond idle against what was accepted, and the
    drained files against the full ones."""
    faults = []
    if growth > (most := PEAK_BASE + PEAK_SHARE * payload):
        faults.append(f"memory: {growth:.1f} MB more than idle, for {payload:.1f} MB of payload; "
                      f"at most {most:.1f} MB")
    if drained > (most := DRAINED_BASE + DRAINED_SHARE * full):
        faults.append(f"files: {drained:.1f} MB after the drain of {full:.1f} MB; "
                      f"at most {most:.1f} MB")
    return faults


def megabytes(sizes):
    return " + ".join(f"{size / 2**20:.1f}" for size in sizes) + " MB (spool.db + WAL)"


def backlog(binary, options):
    """Many events, accepted while nobody listens at upstream's address, then drained."""
    with Workplace("outage") as place:
        place.keep = True
        print(f"writing {options.events} events of {options.size} bytes (seed {options.seed})",
              flush=True)
        plan = Plan(place.path / "requests", options.events, options.seed, options.size)
        archive = place.own(ArchiveServer(binary, place.path))      # not started: upstream is down
        daemon = place.own(Daemon(binary, place.path, archive.url)).start_and_wait()
        journal = place.path / "journal.ndjson"
        sampler = Sampler(daemon)
        idle = daemon.memory()[0]
        sampler.start()
        sampler.phase = "accepting"
        cpu = daemon.cpu()
        seconds = accept(plan, daemon, journal, options.seconds)
        accept_cpu = daemon.cpu() - cpu
        book = daemon.status()["ledger"]
        full = daemon.spool_bytes()
        print(f"accepted {plan.events} in {seconds:.1f} s: {plan.events / seconds:,.0f}/s, "
              f"{accept_cpu / plan.events * 1e6:.1f} us CPU each; ledger {book}", flush=True)
        sampler.phase = "draining"
        cpu, started = daemon.cpu(), time.monotonic()
        archive.start_and_wait()
        wait_for(lambda: archive.record.exists() and archive.record.stat().st_size, 90,
                 "the first delivery after the outage")
        first = time.monotonic()
        drained = Drained(daemon, archive.record)
        status = wait_for(drained, options.seconds, lambda: "the queue to drain; ledger "
                          f"{(daemon.status() or {}).get('ledger')}", poll=0.05)
        took = max(drained.last_growth - first, 1e-3)
        sampler.over.set()
        peak = daemon.memory()[1]
        print(f"drained in {took:.1f} s: {plan.events / took:,.0f}/s, "
              f"{(daemon.cpu() - cpu) / plan.events * 1e6:.1f} us CPU each, beginning "
              f"{first - started:.1f} s after upstream was back")
        print(f"memory: idle {idle:.1f} MB, accepting {sampler.most.get('accepting', 0):.1f} MB, "
              f"draining {sampler.most.get('draining', 0):.1f} MB, peak (VmHWM) {peak:.1f} MB")
        small = wait_shrunk(daemon, full)
        print(f"files: full {megabytes(full)}, drained {megabytes(small)}", flush=True)
        faults = size_faults(peak - idle, plan.path.stat().st_size / 2**20, sum(full) / 2**20,
                             sum(small) / 2**20)
        return judged(place, journal, archive, status, faults)


def judged(place, journal, archive, status, faults):
    """Whether anything is wrong, told beside the judge's verdict."""
    bad = run_check(journal, archive.record, status, place.path)
    for fault in faults:
        print(f"FAULT {fault}", flush=True)
    place.keep = bool(bad or faults)
    return place.keep


def real_time(binary, options):
    """An outage in real time, with an app that goes on logging."""
    with Workplace("downtime") as place:
        place.keep = True
        archive = place.own(ArchiveServer(binary, place.path))
        daemon = place.own(Daemon(binary, place.path, archive.url))
        journal = place.path / "journal.ndjson"
        status, faults = downtime.outage(daemon, archive, journal, options.dead_seconds,
                                         options.rate, options.seed)
        return judged(place, journal, archive, status, faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300,
                        help="for accepting, and for draining")
    parser.add_argument("--dead-seconds", type=float, default=60,
                        help="of the outage in real time; 0: none")
    parser.add_argument("--rate", type=int, default=200, help="events/s during that one")
    options = parser.parse_args()
    binary = find_binary(options.bin)
    bad = backlog(binary, options)
    if options.dead_seconds:
        bad = real_time(binary, options) or bad
    return int(bool(bad))


if __name__ == "__main__":
    harness_main(main)
