#!/usr/bin/env python3
"""Seeded load for a running daemon, through every way in, with a journal of what was acknowledged.

Logs of realistic size, a share of them children (depth <= 5; named by reference or provisional id;
accepted after, before, and in the same array as their parents, across connections), updates by
reference, feedback by the provisional id of an answer. The journal (format: check_record.py) gets
its line after the acknowledgement only; a request whose answer was lost is written as "unacked"
and never sent again. The load goes on until as many events as asked for are acknowledged; then a
log names each acknowledged session, as a session in the archive's record has no other mark.
"""
import argparse
import json
import random
import threading
import time
from collections import Counter, deque
from pathlib import Path

from author import DEPTH_MAX, Log, Mix
from spooltools import harness_main
from workers import Requests, Stream

WAYS = ("tcp-one", "unix-one", "tcp-array", "unix-array", "stream", "stream")
BATCH = 20                      # sessions named in one request


class Load:
    """Workers on connections of their own, what they share, and what came of it."""

    def __init__(self, daemon, journal_path, seed, mix=None, events=10_000, seconds=60,
                 ways=WAYS):
        self.daemon, self.seed, self.mix = daemon, seed, mix or Mix()
        self.asked = events
        self.deadline = time.monotonic() + seconds
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.journal = open(journal_path, "a", encoding="utf-8")
        self.logs = []
        self.sessions = []          # (name, provisional id)
        self.projects = {}          # name -> provisional id
        self.due = deque()          # promised parents that must still be sent
        self.lost = {}              # promised parents without an answer: reference -> Event
        self.counts = Counter()
        self.refusals = Counter()
        self.latencies = {way: [] for way in ways}
        self.groups = 0
        self.random = random.Random(f"{seed}/shared")
        self.workers = [(Stream if way == "stream" else Requests)(self, way, n)
                        for n, way in enumerate(ways)]

    # Life

    def start(self):
        for worker in self.workers:
            worker.start()
        return self

    def going(self):
        return not self.stopped.is_set() and time.monotonic() < self.deadline

    def busy(self):
        """Whether a worker still has something to send, or to hear."""
        return any(worker.is_alive() for worker in self.workers)

    def stop(self):
        self.stopped.set()
        self.join()

    def join(self):
        """Ends when every worker did, every promised parent was sent, and every session has a log
        that names it (20 s at most)."""
        for worker in self.workers:
            worker.join()
        courier = Requests(self, "tcp-one", "courier", courier=True)
        courier.deadline = time.monotonic() + 20
        while self.due and time.monotonic() < courier.deadline:
            courier.send([self.due.popleft()])
        courier.close()
        self.name_sessions(courier.deadline)
        with self.lock:
            self.journal.flush()
        for worker in self.workers:
            if worker.error:
                raise worker.error

    def name_sessions(self, deadline):
        """A log for each acknowledged session; another one where the answer was lost or 503."""
        courier = Requests(self, "tcp-array", "namer", courier=True)
        courier.deadline = deadline
        unnamed = [s for s in self.sessions if not s[0].startswith("ref:")]
        while unnamed and time.monotonic() < deadline:
            logs = [courier.author.log(session=s, size=300) for s in unnamed[:BATCH]]
            courier.send(logs)
            if all(log.journal.get("state") == "acked" for log in logs):
                del unnamed[:BATCH]
        courier.close()

    def heal(self, applied):
        """Sends again each promised parent that never arrived: its children wait for it."""
        courier = Requests(self, "tcp-one", "healer", courier=True)
        courier.deadline = time.monotonic() + 20
        for reference in [r for r in self.lost if r not in applied]:
            courier.send([self.lost.pop(reference)])
        courier.close()
        with self.lock:
            self.journal.flush()

    @property
    def left(self):
        """Events still to be acknowledged."""
        return max(0, self.asked - self.counts["acked"])

    def faults(self):
        """Why it is not the load that was asked for, counted. A 503 alone is no fault: the event
        that got it is made up for by another."""
        faults = Counter({f"well-formed event refused: {words}": count
                          for words, count in self.refusals.items() if words != "503"})
        if self.left:
            faults["asked for, and not acknowledged in time"] = self.left
        return faults

    # What the workers share

    def take(self, count):
        return min(count, self.left)

    def next_due(self):
        with self.lock:
            return self.due.popleft() if self.due else None

    def parent(self, by_id):
        """A random acknowledged log that may have another child, or None."""
        with self.lock:
            for _ in range(3 if self.logs else 0):
                log = self.random.choice(self.logs)
                if log.depth < DEPTH_MAX and (log.id or not by_id):
                    return log
        return None

    def subject(self, needs_id):
        """A random acknowledged log for an effect, held until that is settled, or None."""
        with self.lock:
            for _ in range(5 if self.logs else 0):
                log = self.random.choice(self.logs)
                if not log.busy and (log.id or not needs_id):
                    log.busy = True
                    log.order += 1
                    return log
        return None

    def session(self):
        """A session to join, by id, or None."""
        with self.lock:
            return self.random.choice(self.sessions) if self.sessions else None

    def project(self):
        """A project to be named by id, or None."""
        with self.lock:
            return self.random.choice(list(self.projects.items())) if self.projects else None

    def group(self):
        with self.lock:
            self.groups += 1
            return f"g{self.groups}"

    # Outcomes

    def acked(self, events, answers=None):
        with self.lock:
            for event, answer in zip(events, answers or [{}] * len(events)):
                if event.kind == "session":
                    self.sessions.append((event.journal["session"], answer["id"]))
                elif event.is_log:
                    self.learn(event.value, answer)
                    event.journal["log"] = event.journal["log"] or answer["reference_id"]
                    log = Log(event.journal["log"], event.depth, answer.get("id"))
                    if len(self.logs) < 2000:
                        self.logs.append(log)
                    else:
                        self.logs[self.random.randrange(2000)] = log
                else:
                    event.log.busy = False
                self.write(event, "acked")

    def learn(self, value, answer):
        """The provisional ids beside a log's own."""
        if answer.get("session_id") and "session_reference_id" in value:
            self.sessions.append(("ref:" + value["session_reference_id"], answer["session_id"]))
        if answer.get("project_id") and "project" in value:
            self.projects[value["project"]] = answer["project_id"]

    def unacked(self, events):
        """The answer was lost: neither the event nor another effect on its log is sent again."""
        with self.lock:
            for event in events:
                self.write(event, "unacked")
                if event.promised:
                    self.lost[event.journal["log"]] = event

    def refused(self, events, status):
        with self.lock:
            self.refusals[status] += len(events)
            for event in events:
                if event.promised:
                    self.due.append(event)
                else:
                    self.write(event, "refused")

    def unsent(self, events):
        """Never left this process: as if it had not been thought of, but for what was promised."""
        with self.lock:
            for event in events:
                if event.promised:
                    self.due.append(event)
                elif event.log is not None:
                    event.log.order -= 1
                    event.log.busy = False

    def write(self, event, state):
        event.journal["state"] = state
        self.counts[f"{event.kind} {state}"] += 1
        self.counts[state] += 1
        self.journal.write(json.dumps(event.journal) + "\n")

    def summary(self):
        return {"acked": self.counts["acked"], "unacked": self.counts["unacked"],
                "refused": dict(self.refusals),
                "by_kind": {k: n for k, n in self.counts.items() if " " in k},
                "reconnections": sum(w.reconnections for w in self.workers)}


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class Address:
    """Where a daemon that somebody else started listens."""

    def __init__(self, api, runtime):
        self.port = int(api.rpartition(":")[2])
        self.api_socket = Path(runtime, "api.sock")
        self.events_socket = Path(runtime, "events.sock")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--api", default="127.0.0.1:7575")
    parser.add_argument("--runtime-dir", required=True)
    parser.add_argument("--journal", required=True)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", default=",".join(WAYS), help="a worker each: " + ", ".join(WAYS))
    parser.add_argument("--mixed-sizes", action="store_true", help="up to 32 KB instead of 1 KB")
    options = parser.parse_args()
    load = Load(Address(options.api, options.runtime_dir), options.journal, options.seed,
                Mix(mixed_sizes=options.mixed_sizes), options.events, options.seconds,
                options.ways.split(","))
    began = time.monotonic()
    load.start().join()
    seconds = time.monotonic() - began
    print(json.dumps(load.summary(), indent=1))
    for way, values in load.latencies.items():
        if values:
            print(f"{way:12} {len(values)} requests, p50 {percentile(values, .5) * 1000:.2f} ms, "
                  f"p99 {percentile(values, .99) * 1000:.2f} ms")
    print(f"{load.counts['acked'] / seconds:.0f} acknowledged events/s in {seconds:.1f} s")
    for fault, count in load.faults().items():
        print(f"FAULT {fault}: {count}")
    return 1 if load.faults() else 0


if __name__ == "__main__":
    harness_main(main)
