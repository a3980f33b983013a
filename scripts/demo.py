#!/usr/bin/env python3
"""The main job in miniature, on temporary paths and free ports.

Logs go in every way while upstream is up, then while it is down; the daemon is killed with -9; both
come back; the archive's raw record must show every acknowledged event exactly once.
"""
import argparse
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

from author import Author, Log, Mix
from spooltools import (ArchiveServer, Daemon, Failure, Workplace, find_binary, harness_main,
                        run_check)

BEGAN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGAN:5.2f} s] {text}", flush=True)


def run(arguments, text=None, accept=(0,)):
    """The standard output of a command that must succeed."""
    done = subprocess.run([str(a) for a in arguments], input=text, capture_output=True, text=True,
                          timeout=30)
    if done.returncode not in accept:
        shown = " ".join(str(a) for a in arguments)[:300]
        raise Failure(f"{shown}\nended with status {done.returncode}: {done.stderr[-400:]}")
    return done.stdout


def half_closing_client():
    """The installed tool that sends a file to a Unix socket and waits for the answer."""
    if shutil.which("nc"):
        help_text = subprocess.run(["nc", "-h"], capture_output=True, text=True)
        if "-N" in help_text.stdout + help_text.stderr:
            return "nc -U -N", lambda path: ["nc", "-U", "-N", path]
    if shutil.which("socat"):
        return "socat", lambda path: ["socat", "-t", "10", "-", f"UNIX-CONNECT:{path}"]
    return "Python (neither nc -N nor socat is installed)", None


class Demo:
    """Sends in every way, and notes what was acknowledged."""

    def __init__(self, binary, daemon, place):
        self.binary, self.daemon, self.place = binary, daemon, place
        self.author = Author(1, "demo", Mix(minted=0))
        self.journal_path = place / "journal.ndjson"
        self.journal = open(self.journal_path, "w", encoding="utf-8")
        self.acknowledged = 0

    def note(self, *events):
        for event in events:
            journal = event if isinstance(event, dict) else event.journal
            self.journal.write(json.dumps({**journal, "state": "acked"}) + "\n")
            self.acknowledged += 1
        self.journal.flush()

    def logs(self, count, parents=()):
        return [self.author.log(parents[n % len(parents)].reference if parents else None)
                for n in range(count)]

    def curl(self, path, body, *options, method="POST"):
        """What a curl prints that is answered 200."""
        file = self.place / "body.json"
        file.write_text(body, encoding="utf-8")
        out = run(["curl", "-sS", "-X", method, "-H", "Content-Type: application/json",
                   "--data-binary", f"@{file}", "-w", "\n%{http_code}", *options, path])
        answer, _, status = out.rpartition("\n")
        if status != "200":
            raise Failure(f"curl {path}: {status} {answer[:300]}")
        return json.loads(answer)

    def by_tcp(self):
        """One log and an array of 25: the handles of both."""
        url = f"http://127.0.0.1:{self.daemon.port}/v4/logs"
        one, many = self.logs(1), self.logs(25)
        answers = [self.curl(url, one[0].text)]
        answers += self.curl(url, "[" + ",".join(e.text for e in many) + "]")
        self.note(*one, *many)
        say(f"curl, TCP: 1 log + an array of 25; first id {answers[0]['id']}")
        return [Log(e.journal["log"], 0, a["id"]) for e, a in zip(one + many, answers)]

    def by_unix_socket(self, parents):
        children = self.logs(25, parents)
        self.curl("http://localhost/logs", "[" + ",".join(e.text for e in children) + "]",
                  "--unix-socket", self.daemon.api_socket)
        parents[0].order += 1
        update = self.author.update(parents[0])
        self.curl(f"http://localhost/v4/logs?reference_id={parents[0].reference}", update.text,
                  "--unix-socket", self.daemon.api_socket, method="PATCH")
        self.note(*children, update)
        say("curl, Unix socket: an array of 25 children of these, and an update by reference")

    def by_stream(self, tool):
        name, arguments = tool
        events = self.logs(50)
        lines = "".join(f'{{"log":{e.text}}}\n' for e in events)
        text = '{"acks":true}\n' + lines
        if arguments:
            answers = run(arguments(self.daemon.events_socket), text)
        else:
            answers = self.python_stream(text)
        if not answers.strip() or json.loads(answers.splitlines()[-1]) != {"acked": len(events)}:
            raise Failure(f"{name}: 50 lines were answered {answers[-200:]!r}")
        self.note(*events)
        say(f"{name}, NDJSON stream with acks: 50 logs, answered {answers.splitlines()[-1]}")

    def python_stream(self, text):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(str(self.daemon.events_socket))
            s.sendall(text.encode())
            s.shutdown(socket.SHUT_WR)
            return s.makefile().read()

    def by_command_line(self, parents, word):
        where = ["--runtime-dir", self.daemon.runtime]
        marker = f"from the command line, {word}"
        run([self.binary, "log", "--project", "demo", "--output", marker, *where])
        self.note({"kind": "log", "sha": None, "marker": marker,
                   "stamps": ["reference_id", "created_at"]})
        parent = parents[0]
        parent.order += 1
        value = f"good, {word}"
        run([self.binary, "feedback", "--type", "rating", "--value", value, "--data-id", parent.id,
             *where])
        self.note({"kind": "feedback", "sha": None, "marker": value, "log": parent.reference,
                   "order": parent.order, "swap": {"field": "data_id", "log": parent.reference}})
        events = self.logs(20)
        file = self.place / "events.ndjson"
        file.write_text("".join(f'{{"log":{e.text}}}\n' for e in events), encoding="utf-8")
        run([self.binary, "send", file, *where])
        self.note(*events)
        say("command line: `log`, `feedback` on the first id, `send` with 20 logs")

    def everything(self, word, tool):
        parents = self.by_tcp()
        self.by_unix_socket(parents)
        self.by_stream(tool)
        self.by_command_line(parents, word)
        return parents


def book_line(status):
    book = status["ledger"]
    discarded = book["discarded"]
    gone = sum(discarded.values()) if isinstance(discarded, dict) else discarded
    return (f"accepted {book['accepted']} = queued {book['queued']} + in flight "
            f"{book['in_flight']} + delivered {book['delivered']} + dead {book['dead']} + "
            f"discarded {gone}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    options = parser.parse_args()
    if not shutil.which("curl"):
        raise Failure("curl is not installed: apt-get install curl")
    binary = find_binary(options.bin)
    with Workplace("demo") as place:
        place.keep = options.keep
        archive = place.own(ArchiveServer(binary, place.path)).start_and_wait()
        daemon = place.own(Daemon(binary, place.path, archive.url)).start_and_wait()
        say(f"archive on {archive.url} (pid {archive.pid}), daemon on 127.0.0.1:{daemon.port} "
            f"(pid {daemon.pid})")
        demo, tool = Demo(binary, daemon, place.path), half_closing_client()
        demo.everything("upstream up", tool)
        say(f"ledger: {book_line(daemon.wait_drained(30))}")
        archive.stop()
        say("the archive is stopped; the same again, into the outage:")
        demo.everything("upstream down", tool)
        say(f"ledger: {book_line(daemon.status())}")
        daemon.kill9()
        say(f"kill -9 {daemon.pid}: the daemon is gone, {demo.acknowledged} events acknowledged")
        archive.start_and_wait()
        daemon.start_and_wait()
        say(f"both are back (archive pid {archive.pid}, daemon pid {daemon.pid})")
        status = daemon.wait_drained(120)
        say("nothing is queued any more; the judge reads the archive's raw record:")
        print(flush=True)
        bad = run_check(demo.journal_path, archive.record, status, Path(place.path))
        print(f"ledger: {book_line(status)}")
        whole = status["ledger"]["delivered"] == demo.acknowledged
        good = not bad and whole
        print(f"{'OK' if good else 'FAILED'}: {demo.acknowledged} acknowledged, "
              f"{status['ledger']['delivered']} delivered, {time.monotonic() - BEGAN:.1f} s")
        return 0 if good else 1


if __name__ == "__main__":
    harness_main(main)
