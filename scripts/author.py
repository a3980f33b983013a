"""What the load consists of: events of realistic shape and size, written from a seed."""
import hashlib
import json
import random
import time
import urllib.parse
from dataclasses import dataclass

DEPTH_MAX = 5
RUNS = ("evrun_1", "ev_2", "evrun ä+3")             # names of evaluations
RUNS_WITH_QUERY = (*RUNS, "evrun_4?evaluatee_id=evv_1")
NUMBER_NAMES = ("zero", "eins", "två", "três", "четыре", "五", "🙂", "ع")
WORDS = ("the model answered", "\"quoted\"", "line\nbreak", "tab\t", "back\\slash", "/path/to",
         "a <b>", "naïve café", "temperature", "tokens", "retrieved passage", "\u0007bell",
         *NUMBER_NAMES)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Event:
    """One event: the body that travels, and its journal line."""
    text: str
    journal: dict
    log: object = None          # the Log that an update or feedback is about
    depth: int = 0
    promised: bool = False      # a child was sent before it: it must get through
    stream_text: str = ""       # the body on a stream, where it differs
    path: str = ""              # of the request, without its base
    value: dict | None = None   # of a log: what its text says

    @property
    def kind(self):
        return self.journal["kind"]

    @property
    def is_log(self):
        return self.kind in ("log", "evaluation_log")


@dataclass(slots=True)
class Log:
    """An acknowledged log. One effect on it at a time, so that their order is known."""
    reference: str
    depth: int
    id: str | None              # provisional, from an HTTP answer
    busy: bool = False
    order: int = 0


@dataclass
class Mix:
    """What the load consists of; shares of 1."""
    children: float = 0.2
    early: float = 0.1          # of the children: sent before their parent
    updates: float = 0.08
    feedback: float = 0.05
    minted: float = 0.03        # logs without a reference, on HTTP
    sessions: float = 0
    evaluation_logs: float = 0
    results: float = 0
    in_session: float = 0       # of the logs: half by id, half by a reference of the caller's
    by_project_id: float = 0    # of the logs
    by_id: float = 0            # of the updates
    by_reference: float = 0     # of the feedback and the results
    size: int = 1024
    mixed_sizes: bool = False
    array: int = 20
    window: int = 200


class Author:
    """Writes events from a seed."""

    def __init__(self, seed, name, mix):
        self.random = random.Random(f"{seed}/{name}")
        self.prefix = f"{name}-{seed}"
        self.mix = mix
        self.count = 0
        self.runs = RUNS
        r = random.Random(7)
        self.corpus = " ".join(r.choice(WORDS) for _ in range(12_000))

    def name(self):
        self.count += 1
        return f"{self.prefix}-{self.count}"

    def prose(self, length):
        start = self.random.randrange(len(self.corpus) - length)
        return self.corpus[start:start + length]

    def size(self):
        if not self.mix.mixed_sizes:
            return self.mix.size
        return self.random.choices((300, 1024, 4096, 32 * 1024), (20, 60, 17, 3))[0]

    def log(self, parent=None, parent_id=None, depth=0, mint=False, size=None, session=None,
            project=None, of_datapoint=True):
        """A log, with its parent named by reference, or by provisional id.

        `session` is the name and id of one to join, or a name alone that is a reference; `project`
        the name and id of one to be named by id.
        """
        r, name = self.random, self.name()
        value, stamps, swaps = {"project": f"load-{r.randrange(8)}"}, [], []
        if project:
            value = {"project_id": project[1]}
            swaps.append({"field": "project_id", "project": project[0]})
        if not mint:
            value["reference_id"] = name
        else:
            stamps.append("reference_id")
        if parent_id:
            value["parent_id"] = parent_id
            swaps.append({"field": "parent_id", "log": parent})
        elif parent:
            value["parent_reference_id"] = parent
        if session and session[1]:
            value["session_id"] = session[1]
            swaps.append({"field": "session_id", "session": session[0]})
        elif session:
            value["session_reference_id"] = session[0]
        if of_datapoint and self.mix.results:       # only such logs are judged by evaluations
            value["source_datapoint_id"] = f"point {name}"
        if r.random() < 0.5:
            value["created_at"] = f"2026-01-02T03:04:{r.randrange(10, 60)}.{r.randrange(10**6):06}Z"
        else:
            stamps.append("created_at")
        value |= {"config": {"type": "model", "model": "gpt-4", "temperature": 0.7},
                  # An id in the user's own text is text.
                  "metadata": {"uid": name, "big": 2**60 + self.count, "small": 1e-07,
                               "about": parent_id},
                  "messages": [{"role": "user", "content": self.prose(160)}],
                  "inputs": {"question": self.prose(80), "none": None},
                  "duration": 1.25, "prompt_tokens": r.randrange(4096)}
        text = self.filled(value, size or self.size(), ascii_only=r.random() < 0.3)
        journal = {"kind": "log", "log": None if mint else name, "parent": parent,
                   "since": time.time(), "stamps": stamps, "swap": swaps, "sha": self.unswapped(text, value, swaps)}
        return Event(text, journal, depth=depth, path="/logs", value=value)

    def filled(self, value, size, ascii_only):
        """The text of a log of about that size: what is missing becomes its output."""
        text = self.dump(value, ascii_only)
        missing = size - len(text.encode()) - 12
        if missing > 0:
            value["output"] = self.prose(missing * (2 if ascii_only else 3) // 4)
            text = self.dump(value, ascii_only)
        return text

    def dump(self, value, ascii_only=False):
        return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))

    def unswapped(self, text, value, swaps):
        """The digest of a text with the ids that will be swapped made empty."""
        for swap in swaps:
            name = swap["field"]
            text = text.replace(f'"{name}":"{value[name]}"', f'"{name}":""', 1)
        return digest(text)

    def evaluation_log(self, **more):
        """A log of an evaluation, whose stamps go into the log inside."""
        log = self.log(of_datapoint=False, **more)
        datapoint = self.dump(f"point {self.name()}")
        text = f'{{"datapoint_id":{datapoint},"log":{log.text}}}'
        inner_free = {**log.journal, "kind": "evaluation_log"}
        inner_free["sha"] = self.unswapped(text, log.value, log.journal["swap"])
        return self.of_evaluation(Event(text, inner_free, depth=log.depth, value=log.value), "log")

    def of_evaluation(self, event, what):
        """The same with an evaluation; a stream's events have no place for a query."""
        run = self.random.choice(self.runs)
        event.journal["address"] = run
        name, _, query = run.partition("?")
        event.path = f"/evaluations/{urllib.parse.quote(name, safe='')}/{what}"
        event.path += f"?{query}" if query else ""
        event.stream_text = f'{{"evaluation_id":{self.dump(name)},{event.text[1:]}'
        return event

    def session(self):
        return Event("", {"kind": "session", "sha": None, "session": self.name()}, path="/sessions")

    def update(self, log, by_id=False):
        name = self.name()
        rest = self.dump({"output": f"{name} {self.prose(60)}", "duration": 2.5})[1:]
        journal = {"kind": "update", "log": log.reference, "order": log.order,
                   "sha": digest("{" + rest)}
        if by_id:
            return Event("{" + rest, journal, log, path=f"/logs/{log.id}",
                         stream_text=f'{{"id":{json.dumps(log.id)},{rest}')
        quoted = urllib.parse.quote(log.reference, safe="")
        return Event("{" + rest, journal, log, path=f"/logs?reference_id={quoted}",
                     stream_text=f'{{"reference_id":{json.dumps(log.reference)},{rest}')

    def feedback(self, log, by_reference=False):
        event = self.effect("feedback", log, by_reference, "data_id", {
            "type": "rating", "value": self.random.choice(("good", "bad")), "user": self.name()})
        event.journal |= {"stamps": ["created_at"], "since": time.time()}
        event.path = "/feedback"
        return event

    def result(self, log, by_reference=False):
        verdict = self.random.choice(({"result": True}, {"result": 0.25}, {"error": "no \"way\""}))
        event = self.effect("evaluation_result", log, by_reference, "log_id",
                            {"evaluator_id": f"evfn_{self.name()}", **verdict})
        return self.of_evaluation(event, "result")

    def effect(self, kind, log, by_reference, field, value):
        """What is said about a log, which is named somewhere among the members."""
        journal = {"kind": kind, "log": log.reference, "order": log.order}
        members = list(value.items())
        at = self.random.randrange(len(members) + 1)
        if by_reference:
            named = dict(members[:at] + [("reference_id", log.reference)] + members[at:])
            journal |= {"by_reference": True, "sha": digest(self.dump(value))}
        else:
            named = dict(members[:at] + [(field, log.id)] + members[at:])
            journal["swap"] = [{"field": field, "log": log.reference}]
            journal["sha"] = self.unswapped(self.dump(named), named, journal["swap"])
        return Event(self.dump(named), journal, log)
