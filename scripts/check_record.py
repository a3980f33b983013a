#!/usr/bin/env python3
"""The independent judge: what was acknowledged, against what the archive really received.

It shares no code with the daemon or with the load generators, only these two formats.

Acknowledgement journal, NDJSON, written by whoever produced the load:
  kind       "log" | "update" | "feedback"
  state      "acked"   a success was answered: must arrive
             "unacked" the answer was lost: may arrive, once, or not
             "refused" an error was answered: must not arrive
  sha        SHA-256 (hex) of the body as sent; of an update without its `reference_id` key, as
             that key does not travel; null where a command line built the body
  marker     a text found in this event only; identifies it where sha is null
  log        reference of the log: its own, or that of the log an update or feedback is about; null
             where the daemon minted it
  parent     reference of a log's parent, or null
  order      position of an update or feedback among the effects on its log, from 1
  stamps     keys that were absent when sent, so that the daemon adds them in front
  swap       {"field", "log"}: a provisional id that travels as the real id of that log; in `sha`
             the value of that field is empty
  group      same value for events of one array, which must be accepted whole or not at all
Several lines with the same sha are one event; acked wins over refused, refused over unacked.

Raw record, NDJSON, written by the archive: {time, method, path, body, status, answer}. A kill may
cut a line short. Only a 2xx applies anything. `PATCH {}` changes nothing: it is a question.

Exit status: 0 when everything holds, 1 when not, 2 when the input cannot be read.
"""
import argparse
import hashlib
import json
import re
import sys
import urllib.parse
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

KINDS = ("log", "update", "feedback")
RANK = {"unacked": 0, "refused": 1, "acked": 2}
STAMP = re.compile(r'\{"(reference_id|created_at|project)":"([^"\\]*)"(?:,|(?=\}))')
DECODER = json.JSONDecoder()


@dataclass(slots=True)
class Event:
    """A journal line, and where the record shows that it was applied."""
    kind: str
    state: str
    sha: str | None
    marker: str | None
    log: str | None
    parent: str | None
    order: int
    stamps: tuple
    swap: dict | None
    group: str | None
    seen: list = field(default_factory=list)    # request numbers of the record

    def name(self):
        if self.kind == "log":
            return f"log {self.log or self.marker or self.sha[:12]}"
        return f"{self.kind} {self.order} of {self.log}"


@dataclass(slots=True)
class Request:
    """A line of the raw record."""
    number: int
    method: str
    path: str
    body: str
    status: int
    answer: str


class Faults:
    """What does not hold, by kind of fault, with the first examples of each."""

    def __init__(self):
        self.counts = Counter()
        self.examples = defaultdict(list)

    def add(self, fault, example):
        self.counts[fault] += 1
        if len(self.examples[fault]) < 5:
            self.examples[fault].append(example)


# Reading

def read_journal(paths):
    """The events of all journals, each once."""
    events, by_sha = [], {}
    for path in paths:
        for line in open(path, encoding="utf-8"):
            j = json.loads(line)
            known = by_sha.get(j["sha"]) if j["sha"] else None
            if known:
                known.state = max(known.state, j["state"], key=RANK.get)
                continue
            event = Event(j["kind"], j["state"], j["sha"], j.get("marker"), j.get("log"),
                          j.get("parent"), j.get("order", 0), tuple(j.get("stamps", ())),
                          j.get("swap"), j.get("group"))
            events.append(event)
            if event.sha:
                by_sha[event.sha] = event
    return events, by_sha


def read_record(paths, counts):
    """Every request of the record; a line cut short by a kill is counted and passed over."""
    number = 0
    for path in paths:
        for line in open(path, encoding="utf-8", errors="surrogateescape", newline="\n"):
            try:
                r = json.loads(line)
            except ValueError:
                counts["cut lines"] += 1
                start = line.rfind('{"time":')      # the next line, glued on after a restart
                if start <= 0:
                    continue
                try:
                    r = json.loads(line[start:])
                except ValueError:
                    continue
            number += 1
            yield Request(number, r["method"], r["path"], r["body"] or "", r["status"],
                          r["answer"] or "")


def elements(body):
    """The text, as it came, of each element of an array, or of the one object; and which it was."""
    space = re.compile(r"[ \t\r\n]*")
    at = space.match(body).end()
    if body[at:at + 1] != "[":
        return [body.strip(" \t\r\n")], False
    found = []
    at = space.match(body, at + 1).end()
    while body[at] != "]":
        end = DECODER.raw_decode(body, at)[1]
        found.append(body[at:end])
        at = space.match(body, end).end()
        if body[at] == ",":
            at = space.match(body, at + 1).end()
    return found, True


def digest(text):
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def unstamped(text, names):
    """The text without the named members in front, and the values they had."""
    values = {}
    while (match := STAMP.match(text)) and match[1] in names and match[1] not in values:
        values[match[1]] = match[2]
        text = "{" + text[match.end():]
    return text, values


def blanked(text, name):
    """The text with the first value of that key made empty, and the value."""
    match = re.search(rf'("{name}"\s*:\s*)"([^"]*)"', text)
    return (text.replace(match[0], match[1] + '""', 1), match[2]) if match else (text, None)


def valid_time(text):
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


# Judging

class Judge:
    """Walks the record once, in its order, and compares it with the journal."""

    def __init__(self, journals):
        self.events, self.by_sha = read_journal(journals)
        self.logs = {e.log: e for e in self.events if e.kind == "log" and e.log}
        self.effects = {(e.kind, e.log, e.order): e for e in self.events if e.kind != "log"}
        self.marked = [e for e in self.events if not e.sha and e.marker]
        self.ids = {}                       # reference -> id given by the archive
        self.applied_at = {}                # reference -> request that applied the log
        self.chain = defaultdict(int)       # reference -> order of the last update seen
        self.chain_any = defaultdict(int)   # reference -> order of the last effect seen
        self.confirmed = set()              # references that a question found
        self.counts = Counter()
        self.extra = Counter()
        self.faults = Faults()

    def read(self, records):
        for request in read_record(records, self.counts):
            self.counts["requests"] += 1
            path, _, query = request.path.partition("?")
            route = (request.method, [p for p in path.split("/") if p and p != "v4"])
            if route == ("PATCH", ["logs"]):
                self.patch(request, query)
            elif 200 <= request.status < 300:
                if route == ("POST", ["logs"]):
                    self.posted(request, self.log)
                elif route == ("POST", ["feedback"]):
                    self.posted(request, self.feedback)
            else:
                self.counts["refused requests"] += 1

    def posted(self, request, apply):
        texts, is_array = elements(request.body)
        answer = json.loads(request.answer)
        answers = answer if is_array else [answer]
        if len(answers) != len(texts):
            self.faults.add("answer of another length", f"request {request.number}")
            answers += [{}] * (len(texts) - len(answers))
        references = set()
        for text, given in zip(texts, answers):
            apply(request, text, json.loads(text), given, references)

    def log(self, request, text, value, answer, together):
        reference = value.get("reference_id")
        event = self.logs.get(reference) or self.unnamed("log", text)
        if event is None:
            self.faults.add("log nobody sent", f"{reference} in request {request.number}")
            return
        if event.log is None:                           # the daemon minted the reference
            event.log = reference
            self.logs[reference] = event
        if event.seen:
            self.faults.add("log applied twice", f"{event.name()} in requests "
                            f"{event.seen[0]} and {request.number}")
            self.extra["log"] += 1
        self.same_payload(event, text, request)
        if event.parent:
            at = self.applied_at.get(event.parent)
            if event.parent in together or at == request.number:
                self.faults.add("child in its parent's request", event.name())
            elif at is None:
                self.faults.add("child before its parent", event.name())
        together.add(reference)
        event.seen.append(request.number)
        self.applied_at.setdefault(reference, request.number)
        self.ids.setdefault(reference, answer.get("id"))

    def feedback(self, request, text, value, answer, together):
        event = self.unnamed("feedback", text)
        if event is None:
            self.faults.add("feedback nobody sent", f"{text[:80]} in request {request.number}")
            return
        self.same_payload(event, text, request)
        self.effect(event, request)

    def patch(self, request, query):
        reference = urllib.parse.parse_qs(query).get("reference_id", [""])[0]
        if request.body.strip() in ("", "{}"):
            self.counts["questions"] += 1
            if 200 <= request.status < 300:
                self.confirmed.add(reference)
            return
        if not 200 <= request.status < 300:
            self.counts["refused requests"] += 1
            return
        event = self.by_sha.get(digest(request.body)) or self.unnamed("update", request.body)
        if event is None or event.kind != "update" or event.log != reference:
            self.faults.add("update nobody sent", f"{reference} in request {request.number}")
            return
        self.effect(event, request)

    def effect(self, event, request):
        """An update or feedback: after its log, in order, repeated only next to itself."""
        if event.log not in self.applied_at and event.log not in self.confirmed:
            self.faults.add(f"{event.kind} before its log", event.name())
        if event.seen:
            self.extra[event.kind] += 1
            if self.chain[event.log] > event.order:
                self.faults.add("repeat after a later update", event.name())
        elif self.chain_any[event.log] >= event.order:
            self.faults.add("effects of one log out of order", event.name())
        event.seen.append(request.number)
        self.chain_any[event.log] = max(self.chain_any[event.log], event.order)
        if event.kind == "update":
            self.chain[event.log] = max(self.chain[event.log], event.order)

    def unnamed(self, kind, text):
        """An event that its reference does not find: by its own bytes, or by its marker."""
        bare = unstamped(text, ("reference_id", "created_at"))[0]
        for candidate in (text, bare, blanked(text, "data_id")[0], blanked(bare, "data_id")[0]):
            event = self.by_sha.get(digest(candidate))
            if event and event.kind == kind:
                return event
        return next((e for e in self.marked if e.kind == kind and e.marker in text), None)

    def same_payload(self, event, text, request):
        """The bytes of the event as sent, apart from stamps in front and a swapped id."""
        place = f"{event.name()} in request {request.number}"
        if event.swap:
            text, given = blanked(text, event.swap["field"])
            if given != self.ids.get(event.swap["log"], ""):
                self.faults.add("another id than the log's", f"{place}: {given}")
        if event.sha is None or event.sha == digest(text):
            return
        bare, stamps = unstamped(text, event.stamps)
        good_time = "created_at" not in stamps or valid_time(stamps["created_at"])
        if event.sha != digest(bare) or not good_time or set(stamps) != set(event.stamps):
            self.faults.add("payload changed", place)

    def finish(self, possible, trust_questions, partial):
        """What must have arrived has; what must not has not."""
        groups = defaultdict(set)
        for event in self.events:
            if not event.seen and trust_questions and event.kind == "log":
                if event.log in self.confirmed:
                    event.seen.append(0)
                    self.counts["confirmed by a question only"] += 1
            if event.state == "acked" and not event.seen and not partial:
                self.faults.add(f"acknowledged {event.kind} missing", event.name())
            if event.state == "refused" and event.seen:
                self.faults.add(f"refused {event.kind} applied", event.name())
            if event.group and event.state == "unacked":
                groups[event.group].add(bool(event.seen))
        for group, seen in groups.items():
            if len(seen) > 1 and not partial:
                self.faults.add("array accepted in part", f"group {group}")
        for kind in ("update", "feedback"):
            counted = possible.get(kind, possible.get(kind + "s", 0))
            allowed = float("inf") if kind == "update" else counted
            if self.extra[kind] > allowed:
                self.faults.add(f"{kind} extra beyond possible_duplicates",
                                f"{self.extra[kind]} seen, {counted} counted by the daemon")

    def ledger(self, status, partial):
        """The daemon's own books against what was seen from outside."""
        book = status["ledger"]
        discarded = book["discarded"]
        gone = sum(discarded.values()) if isinstance(discarded, dict) else discarded
        states = {k: book[k] for k in ("queued", "in_flight", "delivered", "dead")}
        if book["accepted"] != sum(states.values()) + gone:
            self.faults.add("ledger does not balance", json.dumps(book))
        applied = sum(1 for e in self.events if e.seen)
        if book["delivered"] != applied and not partial:
            self.faults.add("ledger: delivered differs from the record",
                            f"ledger {book['delivered']}, record {applied}")
        acked = sum(1 for e in self.events if e.state == "acked")
        most = sum(1 for e in self.events if e.state != "refused")
        if not acked <= book["accepted"] <= most:
            self.faults.add("ledger: accepted differs from the journal", f"ledger "
                            f"{book['accepted']}, acknowledged {acked}, unanswered {most - acked}")
        if book["dead"] or gone:
            self.faults.add("ledger: dead or discarded events",
                            f"dead {book['dead']}, discarded {gone}")
        if (book["queued"] or book["in_flight"]) and not partial:
            self.faults.add("ledger: not drained",
                            f"queued {book['queued']}, in flight {book['in_flight']}")

    def summary(self):
        rows = {}
        for kind in KINDS:
            mine = [e for e in self.events if e.kind == kind]
            rows[kind] = {
                "acked": sum(e.state == "acked" for e in mine),
                "unacked": sum(e.state == "unacked" for e in mine),
                "refused": sum(e.state == "refused" for e in mine),
                "applied": sum(bool(e.seen) for e in mine),
                "missing": sum(e.state == "acked" and not e.seen for e in mine),
                "extra": self.extra[kind]}
        return rows


def report(judge, out):
    """A small table, the faults with examples, and one verdict line."""
    columns = ("acked", "unacked", "refused", "applied", "missing", "extra")
    print(f"{'':10}" + "".join(f"{c:>9}" for c in columns), file=out)
    for kind, row in judge.summary().items():
        print(f"{kind:10}" + "".join(f"{row[c]:>9}" for c in columns), file=out)
    print("record: " + ", ".join(f"{n} {what}" for what, n in judge.counts.items()), file=out)
    for fault, count in judge.faults.counts.most_common():
        examples = "; ".join(judge.faults.examples[fault][:3])
        print(f"FAULT {fault}: {count}, e.g. {examples}", file=out)
    total = sum(judge.faults.counts.values())
    print(f"VERDICT: {total} faults" if total else
          "VERDICT: good: all acknowledged arrived, once, unchanged, causes first", file=out)


def judge_files(journals, records, status=None, trust_questions=False, partial=False):
    judge = Judge(journals)
    judge.read(records)
    status = status or {}
    judge.finish(status.get("possible_duplicates", {}), trust_questions, partial)
    if status:
        judge.ledger(status, partial)
    return judge


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--journal", action="append", default=[], help="may be repeated")
    parser.add_argument("--record", action="append", default=[], help="may be repeated, in order")
    parser.add_argument("--status", help="file with the output of `loopspool status --json`")
    parser.add_argument("--partial", action="store_true",
                        help="not drained yet: nothing is missing")
    parser.add_argument("--trust-questions", action="store_true",
                        help="the archive was killed: a log its answer to a question shows counts")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        import check_record_test
        return check_record_test.self_test()
    if not options.journal or not options.record:
        parser.error("--journal and --record are needed")
    try:
        status = json.loads(Path(options.status).read_text()) if options.status else None
        judge = judge_files(options.journal, options.record, status, options.trust_questions,
                            options.partial)
    except (OSError, ValueError, KeyError) as error:
        print(f"check_record: cannot read the input: {error!r}", file=sys.stderr)
        return 2
    report(judge, sys.stdout)
    return 1 if judge.faults.counts else 0


if __name__ == "__main__":
    sys.exit(main())
