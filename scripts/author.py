"""What the load consists of: events of realistic shape and size, written from a seed."""
import hashlib
import json
import random
from dataclasses import dataclass

DEPTH_MAX = 5
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

    @property
    def kind(self):
        return self.journal["kind"]


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

    def log(self, parent=None, parent_id=None, depth=0, mint=False, size=None):
        """A log, with its parent named by reference, or by provisional id."""
        r, name = self.random, self.name()
        value = {"project": f"load-{r.randrange(8)}"}
        stamps = []
        if not mint:
            value["reference_id"] = name
        else:
            stamps.append("reference_id")
        if parent_id:
            value["parent_id"] = parent_id
        elif parent:
            value["parent_reference_id"] = parent
        if r.random() < 0.5:
            value["created_at"] = f"2026-01-02T03:04:{r.randrange(10, 60)}.{r.randrange(10**6):06}Z"
        else:
            stamps.append("created_at")
        value |= {"config": {"type": "model", "model": "gpt-4", "temperature": 0.7},
                  "metadata": {"uid": name, "big": 2**60 + self.count, "small": 1e-07},
                  "messages": [{"role": "user", "content": self.prose(160)}],
                  "inputs": {"question": self.prose(80), "none": None},
                  "duration": 1.25, "prompt_tokens": r.randrange(4096)}
        ascii_only = r.random() < 0.3
        text = self.dump(value, ascii_only)
        missing = (size or self.size()) - len(text.encode()) - 12
        if missing > 0:
            value["output"] = self.prose(missing * (2 if ascii_only else 3) // 4)
            text = self.dump(value, ascii_only)
        journal = {"kind": "log", "log": None if mint else name, "parent": parent,
                   "stamps": stamps, "sha": digest(text)}
        if parent_id:
            journal["swap"] = {"field": "parent_id", "log": parent}
            journal["sha"] = digest(text.replace(f'"{parent_id}"', '""', 1))
        return Event(text, journal, depth=depth)

    def dump(self, value, ascii_only):
        return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))

    def update(self, log):
        name = self.name()
        rest = self.dump({"output": f"{name} {self.prose(60)}", "duration": 2.5}, False)[1:]
        journal = {"kind": "update", "log": log.reference, "order": log.order,
                   "sha": digest("{" + rest)}
        return Event("{" + rest, journal, log,
                     stream_text=f'{{"reference_id":{json.dumps(log.reference)},{rest}')

    def feedback(self, log):
        value = {"type": "rating", "value": self.random.choice(("good", "bad")), "data_id": log.id,
                 "user": self.name()}
        text = self.dump(value, False)
        journal = {"kind": "feedback", "log": log.reference, "order": log.order,
                   "stamps": ["created_at"], "swap": {"field": "data_id", "log": log.reference},
                   "sha": digest(text.replace(f'"{log.id}"', '""', 1))}
        return Event(text, journal, log)
