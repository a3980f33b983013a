"""An outage in real time: an upstream that answers 503 to everything, while apps go on logging.

What is asked of the daemon: it tries as seldom as its backoff says, it needs no more memory the
longer this lasts, and it delivers again when the backoff interval is over in which upstream came
back. The events are large, so that a daemon that keeps them in memory shows: it would grow by all
that it accepts, and is allowed a share of that.
"""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from author import Author, Mix
from spooltools import Failure, wait_for

BASE, CAP = 1.0, 60.0           # seconds; the daemon's documented backoff
SLACK = 2.0                     # seconds that a try may be late on a busy machine
TRIES_MAX = 20                  # in the first minute 7 are expected; 20 and more: once in 10^5 runs
MAX_IN_FLIGHT = 8               # the daemon's documented limit of requests under way
SIZE = 16 * 1024                # bytes of an event
GROWTH_SHARE = 0.25             # of the payload accepted meanwhile; names only are known by heart


class DeadUpstream:
    """Answers 503, and remembers when it was asked."""

    def __init__(self, port):
        dead = self
        self.times = []

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def handle_any(self):
                dead.times.append(time.monotonic())
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def tries(self):
        """When it was tried; requests that were under way together are one try."""
        found = []
        for moment in sorted(self.times):
            if not found or moment - found[-1] > 0.05:
                found.append(moment)
        return found


class Chatter(threading.Thread):
    """An app that logs at a steady pace, and the journal of what was acknowledged."""

    def __init__(self, daemon, journal, seed, rate):
        super().__init__(daemon=True)
        self.under_test, self.journal, self.rate = daemon, open(journal, "w"), rate
        self.author = Author(seed, "chatter", Mix(size=SIZE))
        self.over = threading.Event()
        self.count, self.payload, self.error = 0, 0, None

    def run(self):
        try:
            connection = self.under_test.connect()
            while not self.over.wait(0.1):
                logs = [self.author.log() for _ in range(max(1, self.rate // 10))]
                body = ("[" + ",".join(log.text for log in logs) + "]").encode()
                connection.request("POST", "/v4/logs", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    raise Failure(f"the door answered {response.status} during the outage")
                for log in logs:
                    self.journal.write(json.dumps({**log.journal, "state": "acked"}) + "\n")
                self.count += len(logs)
                self.payload += len(body)
        except Exception as error:              # told by finish(), in the caller's thread
            self.error = error

    def finish(self):
        self.over.set()
        self.join()
        self.journal.close()
        if self.error:
            raise self.error


def schedule_faults(began, tries, until):
    """What the tries say against the documented backoff."""
    faults = []
    if len(tries) > TRIES_MAX:
        faults.append(f"{len(tries)} tries in {until - began:.0f} s")
    for number, (before, after) in enumerate(zip(tries, tries[1:] + [until]), 1):
        ceiling = min(CAP, BASE * 2 ** (number - 1))
        if after - before > ceiling + SLACK:
            faults.append(f"{after - before:.1f} s after try {number}; at most {ceiling:.0f} s")
    return faults


def herd_faults(tries, requests):
    """Only the first try may find requests under way; each later one is one request."""
    most = len(tries) + MAX_IN_FLIGHT
    return [f"{requests} requests in {len(tries)} tries; at most {most}"] * (requests > most)


def memory_faults(samples):
    """What (memory, payload accepted so far), in MB and at equal intervals, says about growth."""
    third = len(samples) // 3
    growth = max(m for m, _ in samples[-third:]) - max(m for m, _ in samples[:third])
    accepted = samples[-1][1] - samples[third - 1][1]
    print(f"memory: {growth:+.1f} MB between the first and the last third, while {accepted:.1f} MB "
          f"were accepted; at most {accepted * GROWTH_SHARE:.1f} MB")
    return [f"memory grew by {growth:.1f} MB, {accepted:.1f} MB being accepted"] \
        * (growth > accepted * GROWTH_SHARE)


def recovery_faults(recovery, next_try, tries):
    """The interval in force is one that so many tries may have led to, and is kept to."""
    faults, ceiling = [], min(CAP, BASE * 2 ** len(tries))
    if next_try > ceiling:
        faults.append(f"the next try was {next_try:.1f} s away; at most {ceiling:.0f} s")
    if recovery > next_try + SLACK:
        faults.append(f"delivery began {recovery:.1f} s after upstream was back, "
                      f"and was due after {next_try:.1f} s")
    return faults


def outage(daemon, archive, journal, seconds, rate, seed):
    """The outage and the recovery; (the status once all is delivered, what does not hold)."""
    dead = DeadUpstream(archive.port)
    daemon.start_and_wait()
    chatter = Chatter(daemon, journal, seed, rate)
    began = time.monotonic()
    chatter.start()
    samples = []
    while time.monotonic() - began < seconds:
        time.sleep(0.5)
        samples.append((daemon.memory()[0], chatter.payload / 2**20))
    dead.close()
    down = time.monotonic()
    tries, requests = dead.tries(), len(dead.times)
    archive.start_and_wait()        # the daemon may have tried in vain meanwhile: asked after that
    next_try = (daemon.status() or {})["upstream"]["next_try_seconds"] or 0
    back = time.monotonic()
    wait_for(lambda: archive.record.exists() and archive.record.stat().st_size, CAP + 10,
             "the first delivery after the outage", poll=0.01)
    recovery = time.monotonic() - back
    chatter.finish()
    status = daemon.wait_drained(120)
    print(f"{seconds:.0f} s of 503, {rate} events/s accepted meanwhile ({chatter.count} in all): "
          f"{len(tries)} tries with {requests} requests, at "
          f"{', '.join(f'{t - began:.1f}' for t in tries)} s\n"
          f"delivery began {recovery:.1f} s after upstream was back; the next try was due "
          f"after {next_try:.1f} s", flush=True)
    return status, [*schedule_faults(began, tries, down), *herd_faults(tries, requests),
                    *memory_faults(samples), *recovery_faults(recovery, next_try, tries)]
