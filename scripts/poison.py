#!/usr/bin/env python3
"""Events that upstream refuses, among many that it takes: the many must not feel them.

One log in 10,000 is poison: the daemon's door lets it pass, the archive refuses it with 422. One
more project is refused altogether: every request that holds a log of it is answered 403. All wait
in the spool when upstream comes up. Measured is how soon after that the other logs arrive, from the
archive's raw record, beside runs in the same minutes without poison and without that project.
"""
import argparse
import json
import statistics
import subprocess
import time
from collections import Counter
from datetime import datetime

from author import Author, Mix
from spooltools import (ArchiveServer, Daemon, Failure, Workplace, find_binary, harness_main,
                        wait_for)

BATCH = 100
REFUSED = "refused-project"
# An unlisted value: the door lets it pass, as a server may know more of them; the archive does not.
POISON = '"config":{"type":"model","model":"gpt-4","endpoint":"poison"}'


def batches(options, poisoned):
    """The requests, and how many logs of each sort they hold."""
    author = Author(options.seed, "good", Mix(size=options.size))
    found, logs = Counter(), []
    every = options.events // max(1, options.events // 10_000)
    for number in range(options.events):
        logs.append(author.log().text)
        found["good"] += 1
        if poisoned and number % every == every // 2:
            logs.append(f'{{"project":"load-0","reference_id":"poison-{number}",{POISON}}}')
            found["poison"] += 1
        if poisoned and number % options.refused_every == 0:
            logs.append(f'{{"project":"{REFUSED}","reference_id":"refused-{number}"}}')
            found["refused"] += 1
    return ["[" + ",".join(logs[at:at + BATCH]) + "]" for at in range(0, len(logs), BATCH)], found


def accept(daemon, requests):
    connection = daemon.connect()
    for body in requests:
        connection.request("POST", "/v4/logs", body.encode(), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise Failure(f"the door answered {response.status}: {answer[:300]!r}")
    connection.close()


def bring_up(daemon, archive):
    """Starts upstream, and has the daemon try it now: how long its backoff still lasts is chance.
    The time before that."""
    began = time.time()
    archive.start_and_wait()
    subprocess.run([daemon.binary, "dead", "resume", "--runtime-dir", daemon.runtime], check=True,
                   stdout=subprocess.DEVNULL, timeout=30)
    return began


def arrivals(record, began):
    """When each good log arrived, in seconds since `began`; what arrived that must not."""
    times, odd, seen = [], Counter(), set()
    for request in map(json.loads, open(record, encoding="utf-8")):
        if request["method"] != "POST" or request["status"] != 200:
            continue
        body = json.loads(request["body"])
        for log in body if isinstance(body, list) else [body]:
            reference = log["reference_id"]
            if reference in seen or reference.startswith(("poison", "refused")):
                odd["again" if reference in seen else reference.partition("-")[0]] += 1
            seen.add(reference)
            times.append(datetime.fromisoformat(request["time"]).timestamp())
    times.sort()
    return [t - began for t in times], odd


class Settled:
    """True once as many logs have left the queue as can."""

    def __init__(self, daemon, record, found):
        self.daemon, self.record, self.found, self.size = daemon, record, found, -1

    def __call__(self):
        size = self.record.stat().st_size if self.record.exists() else 0
        if size != self.size:                   # asking would slow the drain down
            self.size = size
            return None
        status = self.daemon.status()
        book = (status or {}).get("ledger", {})
        is_done = book.get("delivered") == self.found["good"] \
            and book["dead"] == self.found["poison"]
        return status if is_done else None


def run(binary, options, poisoned):
    """One drain: seconds until 99 % and all of the good logs had arrived."""
    with Workplace("poison") as place:
        place.keep = True
        requests, found = batches(options, poisoned)
        archive = place.own(ArchiveServer(binary, place.path, f"status=403:body={REFUSED}", 1))
        daemon = place.own(Daemon(binary, place.path, archive.url)).start_and_wait()
        accept(daemon, requests)
        began = bring_up(daemon, archive)
        status = wait_for(Settled(daemon, archive.record, found), options.seconds, lambda:
                          f"the good logs to arrive; ledger {(daemon.status() or {})['ledger']}",
                          poll=0.2)
        times, odd = arrivals(archive.record, began)
        book = status["ledger"]
        faults = [f"{count} {name} arrived" for name, count in odd.items()]
        if len(times) != found["good"]:
            faults.append(f"{found['good']} good logs were sent, {len(times)} arrived")
        if book["queued"] + book["in_flight"] != found["refused"]:
            faults.append(f"of {found['refused']} refused ones the queue holds: {book}")
        place.keep = bool(faults)
        row = {"poisoned": poisoned, "good": found["good"], "poison dead": book["dead"],
               "refused waiting": book["queued"] + book["in_flight"],
               "first after s": round(times[0], 2),
               "99 % after s": round(times[len(times) * 99 // 100], 2),
               "all after s": round(times[-1], 2), "faults": faults}
        print(json.dumps(row), flush=True)
        return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--events", type=int, default=100_000, help="good ones")
    parser.add_argument("--refused-every", type=int, default=50, help="good logs for one refused")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=3, help="of each sort, by turns")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=0.9,
                        help="ratio of the rates that passes, for 99 %% of the good logs")
    parser.add_argument("--least-all", type=float, default=0.8, help="for all of them: those that "
                        "shared a batch with the last poison come 0.2 to 0.3 s after the others")
    parser.add_argument("--seconds", type=float, default=300, help="for one drain")
    options = parser.parse_args()
    binary = find_binary(options.bin)
    rows = [run(binary, options, poisoned) for _ in range(options.runs)
            for poisoned in (False, True)]
    good = not any(row["faults"] for row in rows)
    for when, least in (("99 % after s", options.least), ("all after s", options.least_all)):
        plain, poisoned = (statistics.median(r[when] for r in rows if r["poisoned"] is p)
                           for p in (False, True))
        ratio = plain / poisoned
        good = good and ratio >= least
        print(f"{when.removesuffix(' after s'):5} of the good logs: {plain:.2f} s without, "
              f"{poisoned:.2f} s with poison; ratio of the rates {ratio:.2f}, at least {least}")
    print("OK" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    harness_main(main)
