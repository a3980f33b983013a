#!/usr/bin/env python3
"""The independent judge: what was acknowledged, against what the archive really received.

It shares no code with the daemon or with the load generators, only these two formats.

Acknowledgement journal, NDJSON, written by whoever produced the load:
  kind       "log" | "update" | "feedback" | "session" | "evaluation_log" | "evaluation_result"
  state      "acked"   a success was answered: must arrive
             "unacked" the answer was lost: may arrive, once, or not
             "refused" an error was answered: must not arrive
  sha        SHA-256 (hex) of the body as sent, but without a key that names the event's log and
             does not travel: an update's `id` or `reference_id`, the `reference_id` of feedback
             and evaluation results; null where a command line built the body, and for sessions
  marker     a text found in this event only; identifies it where sha is null
  log        reference of the log: its own, or that of the log an effect (update, feedback,
             evaluation result) is about; null where the daemon minted it
  parent     reference of a log's parent, or null
  order      position of an effect among the effects on its log, from 1
  stamps     keys that were absent when sent, so that the daemon owes them, in front
  since      a time (seconds since 1970) at which the event was not sent yet: a `created_at` stamp
             lies between that, or else a day before, and the request that delivers it
  swap       a list of {"field", and "log", "session" or "project"}: a provisional id that travels
             as the real id of that log (by reference), session or project (by name); in `sha` the
             value of that field is empty
  session    name of a session that was created; "ref:R" is the one that logs with the
             `session_reference_id` R made. An acknowledged one must be named, by its id, by an
             acknowledged log: only that shows which of the sessions in the record it is
  address    of evaluation events: evaluation id, and "?query" if any, as in the request's path
  by_reference  true: feedback or a result that names its log by reference; its id travels in front
  group      same value for events of one array, which must be accepted whole or not at all
Several lines with the same sha are one event; acked wins over refused, refused over unacked.

Raw record, NDJSON, written by the archive: {time, method, path, body, status, answer}. A kill of
the archive may cut a line short; in every other run a cut line is a fault, as nobody can say what
it hides. Only a 2xx applies anything. `PATCH {}` changes nothing: it is a question. All
other writes must deliver events, whatever their answer was.

Exit status: 0 when everything holds, 1 when not, 2 when the input cannot be read.
"""
import argparse
import json
import sys
import urllib.parse
from collections import Counter, defaultdict
from pathlib import Path

from evidence import (NAMED_LOG, blanked, digest, elements, possible_originals, read_journal,
                      read_record, seconds, stamped_from, unstamped)
from verdict import figures, report

DAY = 86_400.0                  # seconds
CLOCK_SLACK = 1.0               # seconds; stamps and the record are in milliseconds
KINDS = ("log", "update", "feedback", "session", "evaluation_log", "evaluation_result")


class Faults:
    """What does not hold, by kind of fault, with the first examples of each."""

    def __init__(self):
        self.counts = Counter()
        self.examples = defaultdict(list)

    def add(self, fault, example):
        self.counts[fault] += 1
        if len(self.examples[fault]) < 5:
            self.examples[fault].append(example)


# Judging

class Judge:
    """Walks the record once, in its order, and compares it with the journal."""

    def __init__(self, journals):
        self.events, self.by_sha = read_journal(journals)
        self.logs = {e.log: e for e in self.events if e.is_log and e.log}
        self.marked = [e for e in self.events if not e.sha and e.marker]
        self.ids = {}                       # reference -> id given by the archive
        self.references = {}                # id given by the archive -> reference
        self.sessions = {}                  # name of a session -> its id
        self.sessions_made = {}             # id that answered POST /sessions -> name, once known
        self.projects = {}                  # name -> id
        self.applied_at = {}                # reference -> request that applied the log
        self.chain = defaultdict(lambda: (0, 0))    # reference -> its last effect's order, request
        self.confirmed = set()              # references that a question found
        self.counts = Counter()
        self.extra = Counter()
        self.faults = Faults()

    def read(self, records):
        for request in read_record(records, self.counts):
            self.counts["requests"] += 1
            segments, query = request.route()
            if request.method in ("GET", "HEAD"):
                self.counts["reads"] += 1
            elif request.method == "PATCH" and segments == ["logs"] and request.is_empty:
                self.question(request, query)
            elif not (apply := self.delivery(request, segments, query)):
                self.faults.add("write that delivers no event", f"{request.method} {request.path}")
            elif request.good:
                apply()
            else:
                self.counts["refused requests"] += 1

    def delivery(self, request, segments, query):
        """What a success of the request means; None for one that delivers nothing."""
        match request.method, segments:
            case "PATCH", ["logs"]:
                return lambda: self.update(request, reference_in(query))
            case "PATCH", ["logs", id]:
                return lambda: self.update(request, self.references.get(id))
            case "POST", ["logs"]:
                return lambda: self.posted(request, self.log)
            case "POST", ["feedback"]:
                return lambda: self.posted(request, self.feedback)
            case "POST", ["sessions"]:
                return lambda: self.sessions_made.setdefault(json.loads(request.answer)["id"])
            case "POST", ["evaluations", run, "log"]:
                return lambda: self.evaluation(request, run, query, self.evaluation_log)
            case "POST", ["evaluations", run, "result"]:
                return lambda: self.evaluation(request, run, query, self.result)
        return None

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

    def evaluation(self, request, run, query, apply):
        text = request.body.strip(" \t\r\n")
        event = apply(request, text, json.loads(text), json.loads(request.answer), set())
        address = run + (f"?{query}" if query else "")
        if event and event.address != address:
            self.faults.add("another evaluation than named", f"{event.name()}: {address}")

    def evaluation_log(self, request, text, value, answer, together):
        return self.log(request, text, value["log"], answer, together, "evaluation_log")

    def log(self, request, text, value, answer, together, kind="log"):
        reference = value.get("reference_id")
        event = self.logs.get(reference) or self.unnamed(kind, text)
        if event is None or event.kind != kind:
            self.faults.add("log nobody sent", f"{reference} in request {request.number}")
            return None
        if event.log is None:                           # the daemon minted the reference
            event.log = reference
            self.logs[reference] = event
        if event.seen:
            self.faults.add("log applied twice", f"{event.name()} in requests "
                            f"{event.seen[0]} and {request.number}")
            self.extra[kind] += 1
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
        self.learn(reference, value, answer)
        return event

    def learn(self, reference, value, answer):
        """The ids that the archive gave: first come, as later ones are extra."""
        id = answer.get("id")
        self.ids.setdefault(reference, id)
        self.references.setdefault(id, reference)
        if name := value.get("session_reference_id"):
            self.sessions.setdefault(f"ref:{name}", answer.get("session_id"))
        if name := value.get("project"):
            self.projects.setdefault(name, answer.get("project_id"))

    def feedback(self, request, text, value, answer, together):
        return self.said(request, text, "feedback")

    def result(self, request, text, value, answer, together):
        return self.said(request, text, "evaluation_result")

    def said(self, request, text, kind):
        event = self.unnamed(kind, text)
        if event is None:
            self.faults.add(f"{kind} nobody sent", f"{text[:80]} in request {request.number}")
            return None
        self.same_payload(event, text, request)
        self.effect(event, request)
        return event

    def question(self, request, query):
        self.counts["questions"] += 1
        if request.good:
            reference = reference_in(query)
            self.confirmed.add(reference)
            if id := json.loads(request.answer).get("id"):
                self.ids.setdefault(reference, id)
                self.references.setdefault(id, reference)

    def update(self, request, reference):
        event = self.by_sha.get(digest(request.body)) or self.unnamed("update", request.body)
        if event is None or event.kind != "update":
            self.faults.add("update nobody sent", f"{reference} in request {request.number}")
        elif event.log != reference:
            self.faults.add("update of another log", f"{event.name()}: {request.path}")
        else:
            self.effect(event, request)

    def effect(self, event, request):
        """What is said about a log: after it, in order, repeated only next to itself. Feedback that
        shared a request with later feedback is repeated alone, before that is."""
        if event.log not in self.applied_at and event.log not in self.confirmed:
            self.faults.add(f"{event.kind} before its log", event.name())
        order, number = self.chain[event.log]
        if event.seen:
            self.extra[event.kind] += 1
            if order > event.order and number not in event.seen:
                self.faults.add("repeat after a later effect", event.name())
        elif order >= event.order:
            self.faults.add("effects of one log out of order", event.name())
        event.seen.append(request.number)
        self.chain[event.log] = max((order, number), (event.order, request.number))

    def unnamed(self, kind, text):
        """An event that its reference does not find: by its own bytes, or by its marker."""
        for candidate in possible_originals(text, kind):
            event = self.by_sha.get(digest(candidate))
            if event and event.kind == kind:
                return event
        return next((e for e in self.marked if e.kind == kind and e.marker in text), None)

    def same_payload(self, event, text, request):
        """The bytes of the event as sent, apart from what is put in front, and swapped ids."""
        place = f"{event.name()} in request {request.number}"
        for swap in event.swaps:
            text, given = blanked(text, swap["field"])
            self.same_id(swap, given, place)
        in_front = event.stamps
        if event.by_reference:
            in_front += (NAMED_LOG[event.kind],)
        if event.sha is None:
            return
        bare, values = unstamped(text, in_front, stamped_from(text, event.kind))
        if event.by_reference:
            field = NAMED_LOG[event.kind]
            self.same_id({"field": field, "log": event.log}, values.get(field), place)
        if event.sha != digest(bare) or set(values) != set(in_front):
            self.faults.add("payload changed", place)
        if "created_at" in values and not self.timely(event, values["created_at"], request):
            self.faults.add("created_at is not the time of acceptance",
                            f"{place}: {values['created_at']}")

    @staticmethod
    def timely(event, stamp, request):
        """Whether the daemon can have accepted the event at that time."""
        stamped, arrived = seconds(stamp), seconds(request.time)
        since = arrived - DAY if event.since is None else event.since
        return stamped is not None and since - CLOCK_SLACK <= stamped <= arrived + CLOCK_SLACK

    def same_id(self, swap, given, place):
        """A swapped id must be the one that upstream gave to that log, session or project."""
        if "log" in swap:
            expected = self.ids.get(swap["log"], "")
        elif "project" in swap:
            expected = self.projects.get(swap["project"], "")
        else:
            expected = self.session_of(swap["session"], given)
        if given != expected:
            fault = {"log": "another id than the log's", "project": "another id than the project's",
                     "session": "another id than the session's"}
            self.faults.add(fault[next(k for k in fault if k in swap)], f"{place}: {given}")

    def session_of(self, name, given):
        """The id of a created session shows in the first log that names it: one id each, given in
        an earlier answer, and never that of another session."""
        if name not in self.sessions and not name.startswith("ref:"):
            if self.sessions_made.get(given, "unknown") is None:
                self.sessions[name] = given
                self.sessions_made[given] = name
        return self.sessions.get(name, "")

    def finish(self, possible, trust_questions, partial):
        """What must have arrived has; what must not has not."""
        groups = defaultdict(set)
        untold = self.match_sessions(partial)
        if not any(e.state == "acked" for e in self.events):
            self.faults.add("nothing was acknowledged, so nothing is shown", "the journal")
        if self.counts["cut lines"] and not trust_questions and not partial:
            self.faults.add("line cut in the record of an archive that was not killed",
                            f"{self.counts['cut lines']} lines")
        for event in () if partial else untold:
            self.faults.add("session that no acknowledged log names", event.name())
        for event in self.events:
            if not event.seen and trust_questions and event.is_log:
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
        for kind in ("update", "feedback", "session", "evaluation_result"):
            counted = possible.get(kind, 0)
            allowed = float("inf") if kind == "update" else counted
            if self.extra[kind] > allowed:
                self.faults.add(f"{kind} extra beyond possible_duplicates",
                                f"{self.extra[kind]} seen, {counted} counted by the daemon")

    def match_sessions(self, partial):
        """Sessions have no bytes of their own: that one arrived is shown by the log that named it.
        Those that no log named are counted, and taken for those that nobody could tell: for one
        that a log had to name, a session made twice would pay."""
        known = [name for name in self.sessions_made.values() if name]
        told = {swap.get("session") for e in self.events if e.state == "acked" for swap in e.swaps}
        sessions = [e for e in self.events if e.kind == "session"]
        named = [e for e in sessions if e.session in known]
        unsure = [e for e in sessions if e.session not in known and (
            e.state == "unacked" or e.state == "acked" and (partial or e.session not in told))]
        unnamed = len(self.sessions_made) - len(known)
        for number, event in enumerate(named + unsure[:unnamed]):
            event.seen.append(number)
        self.extra["session"] = max(0, unnamed - len(unsure))
        return [e for e in sessions if e.state == "acked" and e.session not in told]

    def ledger(self, status, partial):
        """The daemon's own books against what was seen from outside."""
        book = status["ledger"]
        discarded = book["discarded"]
        gone = sum(discarded.values()) if isinstance(discarded, dict) else discarded
        states = {k: book[k] for k in ("queued", "in_flight", "delivered", "dead")}
        if book["accepted"] != sum(states.values()) + gone:
            self.faults.add("ledger does not balance", json.dumps(book))
        applied = sum(1 for e in self.events if e.seen)
        # A session whose answer was lost looks like one that was made twice.
        unclear = min(status.get("possible_duplicates", {}).get("session", 0),
                      sum(e.kind == "session" and e.state == "unacked" for e in self.events))
        if not applied - unclear <= book["delivered"] <= applied and not partial:
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


def reference_in(query):
    return urllib.parse.parse_qs(query).get("reference_id", [""])[0]


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
                        help="the archive was killed: a log its answer to a question shows counts, "
                        "and the record may have cut lines")
    parser.add_argument("--json", help="file that gets the verdict in numbers")
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
    if options.json:
        Path(options.json).write_text(json.dumps(figures(judge)))
    return 1 if judge.faults.counts else 0


if __name__ == "__main__":
    sys.exit(main())
