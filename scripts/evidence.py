"""The two files that the judge reads, and the texts in them. Formats: see check_record.py."""
import hashlib
import json
import re
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime

RANK = {"unacked": 0, "refused": 1, "acked": 2}
STAMPS = ("reference_id", "created_at")
NAMED_LOG = {"feedback": "data_id", "evaluation_result": "log_id"}
IDS = ("parent_id", "session_id", "project_id", "data_id", "log_id")
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
    since: float | None
    swaps: tuple
    group: str | None
    session: str | None
    address: str | None
    by_reference: bool
    seen: list = field(default_factory=list)    # request numbers of the record

    @property
    def is_log(self):
        return self.kind in ("log", "evaluation_log")

    def name(self):
        if self.is_log:
            return f"{self.kind} {self.log or self.marker or self.sha[:12]}"
        if self.kind == "session":
            return f"session {self.session}"
        return f"{self.kind} {self.order} of {self.log}"


@dataclass(slots=True)
class Request:
    """A line of the raw record."""
    number: int
    time: str
    method: str
    path: str
    body: str
    status: int
    answer: str

    @property
    def good(self):
        return 200 <= self.status < 300

    @property
    def is_empty(self):
        return self.body.strip() in ("", "{}")

    def route(self):
        """The path's decoded segments without `v4`, and the query as it came."""
        path, _, query = self.path.partition("?")
        segments = [urllib.parse.unquote(p) for p in path.split("/") if p]
        return segments[1:] if segments[:1] == ["v4"] else segments, query


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
                          j.get("since"), swaps(j.get("swap")), j.get("group"),
                          j.get("session"), j.get("address"), j.get("by_reference", False))
            events.append(event)
            if event.sha:
                by_sha[event.sha] = event
    return events, by_sha


def swaps(given):
    return tuple(given if isinstance(given, list) else [given] if given else [])


def read_record(paths, counts):
    """Every request of the record; a line cut short is counted and passed over."""
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
            yield Request(number, r["time"], r["method"], r["path"], r["body"] or "", r["status"],
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


def stamped_from(text, kind):
    """Where the object that gets the stamps begins: the log inside an evaluation log."""
    match = re.search(r'"log"\s*:\s*(?=\{)', text) if kind == "evaluation_log" else None
    return match.end() if match else 0


def unstamped(text, names, start=0):
    """The text without the named members in front of that object, and the values they had."""
    head, text, values = text[:start], text[start:], {}
    member = re.compile(r'\{"(' + "|".join(names) + r')":"([^"\\]*)"(?:,|(?=\}))')
    while names and (match := member.match(text)) and match[1] not in values:
        values[match[1]] = match[2]
        text = "{" + text[match.end():]
    return head + text, values


def blanked(text, name):
    """The text with the first value of that key made empty, and the value."""
    match = re.search(rf'("{name}"\s*:\s*)"([^"]*)"', text)
    return (text.replace(match[0], match[1] + '""', 1), match[2]) if match else (text, None)


def possible_originals(text, kind):
    """The texts that may have been sent, given the one that arrived: without what is put in front,
    and without the ids that may have been swapped."""
    named = (NAMED_LOG[kind],) if kind in NAMED_LOG else ()
    start = stamped_from(text, kind)
    bases = {text, unstamped(text, STAMPS, start)[0], unstamped(text, STAMPS + named, start)[0]}
    for base in bases:
        found = [base]
        for name in IDS:
            found += [b for t in found if (b := blanked(t, name)[0]) != t]
        yield from found


def seconds(text):
    """A time with its zone as seconds since 1970; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
