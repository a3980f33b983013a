"""The judge's own test: a history that holds, then the same with one planted fault each, all of
which it must name. Run by `check_record.py --self-test`.
"""
import json
import sys
import tempfile
from pathlib import Path

from check_record import digest, judge_files, report


class Story:
    """A small history that holds, to plant faults into."""

    def __init__(self):
        self.record, self.journal, self.ids = [], [], 0
        a, b = self.body("a"), self.body("b", parent_reference_id="a")
        minted = json.dumps({"project": "p", "output": "minted é \\ \""}, ensure_ascii=False,
                            separators=(",", ":"))
        self.sent("log", a, log="a", group="g1", stamps=["created_at"])
        self.sent("log", minted, stamps=["reference_id", "created_at"], group="g1")
        self.sent("log", b, log="b", parent="a", stamps=["created_at"])
        child = self.body("c", parent_id="data_provisional_a")
        self.sent("log", child, log="c", parent="a", stamps=["created_at"],
                  swap={"field": "parent_id", "log": "a"})
        lost1, lost2 = self.body("lost1"), self.body("lost2")
        for name, text in (("lost1", lost1), ("lost2", lost2)):
            self.sent("log", text, log=name, state="unacked", group="g2", stamps=["created_at"])
        self.sent("log", self.body("no"), log="no", state="refused", stamps=["created_at"])
        u1, u2 = '{"output":"first"}', '{"output":"second"}'
        self.sent("update", u1, log="a", order=1)
        self.sent("update", u2, log="a", order=2)
        f1 = '{"type":"rating","value":"1","data_id":"data_provisional_a"}'
        self.sent("feedback", f1, log="a", order=3, stamps=["created_at"],
                  swap={"field": "data_id", "log": "a"})
        at = '{"created_at":"2026-01-02T03:04:05.678+00:00",'
        self.post("/v4/logs", [at + a[1:], '{"reference_id":"ls_1",' + at[1:] + minted[1:]])
        self.post("/v4/logs", [at + b[1:],
                               at + child[1:].replace("data_provisional_a", "data_1")])
        self.patch("a", "{}", 200)
        self.patch("a", u1, 200)
        self.patch("a", u2, 200)
        real = at + f1[1:].replace("data_provisional_a", "data_1")
        self.post("/v4/feedback", [real])
        self.post("/v4/feedback", [real])        # a repeat that the daemon counted
        self.status = {"possible_duplicates": {"feedback": 1}, "ledger": {
            "accepted": 7, "queued": 0, "in_flight": 0, "delivered": 7, "dead": 0,
            "discarded": {"operator": 0}}}

    @staticmethod
    def body(name, **more):
        return json.dumps({"project": "p", "reference_id": name, **more}, separators=(",", ":"))

    def sent(self, kind, text, **rest):
        text = text.replace("data_provisional_a", "")
        self.journal.append({"kind": kind, "state": "acked", "sha": digest(text), **rest})

    def post(self, path, texts, status=200):
        answers = []
        for _ in texts:
            self.ids += 1
            answers.append({"id": f"data_{self.ids}"})
        self.record.append({"time": "t", "method": "POST", "path": path, "status": status,
                            "body": "[" + ", ".join(texts) + "]", "answer": json.dumps(answers)})

    def patch(self, reference, body, status):
        self.record.append({"time": "t", "method": "PATCH", "status": status, "body": body,
                            "path": f"/v4/logs?reference_id={reference}", "answer": "{}"})


def changed(record, index, old, new):
    assert old in record[index]["body"]
    record[index]["body"] = record[index]["body"].replace(old, new, 1)


def plants():
    """Each fault that the judge must name, and how to plant it."""
    def delivered_again(s): s.record.append(dict(s.record[0]))
    def lost(s): s.record.pop(1)
    def byte(s): changed(s.record, 0, "minted", "mintet")
    def stamp(s): changed(s.record, 0, "2026-01-02T", "someday, ")
    def spacing(s): changed(s.record, 1, '"project":"p"', '"project": "p"')
    def swap(s): changed(s.record, 1, '"parent_id":"data_1"', '"parent_id":"data_2"')
    def unswapped(s): changed(s.record, 5, "data_1", "data_provisional_a")
    def together(s):
        s.record[0]["body"] = s.record[0]["body"][:-1] + "," + s.record[1]["body"][1:]
        s.record[0]["answer"] = json.dumps([{"id": f"data_{n}"} for n in range(1, 5)])
        s.record.pop(1)
    def child_first(s): s.record[0], s.record[1] = s.record[1], s.record[0]
    def update_first(s): s.record.insert(0, s.record.pop(3))
    def disorder(s): s.record[3], s.record[4] = s.record[4], s.record[3]
    def late_repeat(s): s.record.insert(5, dict(s.record[3]))
    def feedback_again(s): s.record.append(dict(s.record[-1]))
    def refused(s): s.post("/logs", ['{"created_at":"2026-01-02T03:04:05+00:00",'
                                     + Story.body("no")[1:]])
    def part(s): s.post("/logs", ['{"created_at":"2026-01-02T03:04:05+00:00",'
                                  + Story.body("lost1")[1:]])
    def stranger(s): s.post("/logs", [Story.body("stranger")])
    def odd_update(s): s.patch("a", '{"output":"third"}', 200)
    def odd_feedback(s): s.post("/feedback", ['{"type":"x"}'])
    def short(s): s.record[0]["answer"] = '[{"id":"data_1"}]'
    def balance(s): s.status["ledger"]["accepted"] += 1
    def delivered(s): s.status["ledger"].update(accepted=8, delivered=8)
    def queued(s): s.status["ledger"].update(queued=1, delivered=6)
    def dead(s): s.status["ledger"].update(dead=1, delivered=6)
    def accepted(s): s.status["ledger"].update(accepted=10, delivered=10)
    return [
        ("log applied twice", delivered_again), ("acknowledged log missing", lost),
        ("another id than the log's", swap), ("payload changed", spacing),
        ("payload changed", stamp), ("log nobody sent", byte),
        ("another id than the log's", unswapped), ("child in its parent's request", together),
        ("child before its parent", child_first), ("update before its log", update_first),
        ("effects of one log out of order", disorder), ("repeat after a later update", late_repeat),
        ("feedback extra beyond possible_duplicates", feedback_again),
        ("refused log applied", refused), ("array accepted in part", part),
        ("log nobody sent", stranger), ("update nobody sent", odd_update),
        ("feedback nobody sent", odd_feedback), ("answer of another length", short),
        ("ledger does not balance", balance),
        ("ledger: delivered differs from the record", delivered),
        ("ledger: not drained", queued), ("ledger: dead or discarded events", dead),
        ("ledger: accepted differs from the journal", accepted)]


def judge_story(story, directory, tail=""):
    journal, record = Path(directory, "journal"), Path(directory, "record")
    journal.write_text("".join(json.dumps(j) + "\n" for j in story.journal))
    record.write_text("".join(json.dumps(r) + "\n" for r in story.record) + tail)
    return judge_files([journal], [record], story.status)


def self_test():
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        good = judge_story(Story(), directory)
        report(good, sys.stdout)
        missed += bool(good.faults.counts)
        cut = judge_story(Story(), directory, tail='{"time":"t","method":"PO')
        missed += bool(cut.faults.counts) or cut.counts["cut lines"] != 1
        for fault, plant in plants():
            story = Story()
            plant(story)
            found = judge_story(story, directory).faults.counts
            if fault not in found:
                missed += 1
            print(f"{'caught' if fault in found else 'MISSED'}: {plant.__name__}: {dict(found)}")
    print(f"SELF-TEST: {missed} missed of {len(plants()) + 2}")
    return 1 if missed else 0
