"""The judge's own test: a history that holds, then the same with one planted fault each, all of
which it must name. Run by `check_record.py --self-test`.
"""
import json
import re
import sys
import tempfile
from pathlib import Path

from check_record import digest, judge_files, seconds
from verdict import BROKEN, figures, report


AT = "2026-01-02T03:04:05.678+00:00"        # when everything happens


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
        at = f'{{"created_at":"{AT}",'
        self.post("/v4/logs", [at + a[1:], '{"reference_id":"ls_1",' + at[1:] + minted[1:]])
        self.post("/v4/logs", [at + b[1:],
                               at + child[1:].replace("data_provisional_a", "data_1")])
        self.patch("a", "{}", 200)
        self.patch("a", u1, 200)
        self.patch("a", u2, 200)
        self.patch("a", u2, 200)               # a repeat next to itself
        real = at + f1[1:].replace("data_provisional_a", "data_1")
        self.post("/v4/feedback", [real])
        self.post("/v4/feedback", [real])       # a repeat that the daemon counted
        self.status = {"possible_duplicates": {"feedback": 1}, "ledger": {
            "accepted": 7, "queued": 0, "in_flight": 0, "delivered": 7, "dead": 0,
            "discarded": {"operator": 0}}}

    @staticmethod
    def body(name, **more):
        return json.dumps({"project": "p", "reference_id": name, **more}, separators=(",", ":"))

    def sent(self, kind, text, **rest):
        text = re.sub('"[a-z]+_provisional_[a-z]+"', '""', text)
        self.journal.append({"kind": kind, "state": "acked", "sha": digest(text),
                             "since": seconds(AT) - 60, **rest})

    def post(self, path, texts, status=200, **more):
        answers = []
        for _ in texts:
            self.ids += 1
            answers.append({"id": f"data_{self.ids}", "project_id": "pr_1", **more})
        self.record.append({"time": AT, "method": "POST", "path": path, "status": status,
                            "body": "[" + ", ".join(texts) + "]", "answer": json.dumps(answers)})

    def write(self, method, path, status):
        self.record.append({"time": AT, "method": method, "path": path, "status": status,
                            "body": "", "answer": ""})

    def patch(self, reference, body, status):
        self.record.append({"time": AT, "method": "PATCH", "status": status, "body": body,
                            "path": f"/v4/logs?reference_id={reference}", "answer": "{}"})


class WideStory(Story):
    """The same with sessions, projects and evaluations, and logs named by reference."""

    def __init__(self):
        super().__init__()
        self.at = {}                # name -> index in the record
        at = '{"created_at":"2026-01-02T03:04:05Z",'
        for name, state in (("s", "acked"), ("no", "refused")):
            self.journal.append({"kind": "session", "state": state, "sha": None, "session": name})
        self.single("session", "POST", "/v4/sessions", "", {"id": "sesh_1"}, 201)
        self.joined("d", "s", "sesh_1")
        e = self.body("e", session_reference_id="R")
        self.sent("log", e, log="e")
        self.post("/v4/logs", [e], session_id="sesh_2")
        self.joined("f", "ref:R", "sesh_2")
        named = '{"project_id":"pr_provisional_p","reference_id":"g"}'
        self.sent("log", named, log="g", swap=[{"field": "project_id", "project": "p"}])
        self.at["project"] = len(self.record)
        self.post("/v4/logs", [named.replace("pr_provisional_p", "pr_1")])
        inner = '{"project":"p","reference_id":"h","parent_id":"data_provisional_a"}'
        outer = '{"datapoint_id":"x","log":'
        self.sent("evaluation_log", outer + inner + "}", log="h", parent="a", address="ev ä?e=1",
                  stamps=["created_at"], swap=[{"field": "parent_id", "log": "a"}])
        self.single("evaluation log", "POST", "/v4/evaluations/ev%20%C3%A4/log?e=1",
                    outer + at + inner[1:].replace("data_provisional_a", "data_1") + "}",
                    {"id": "data_90", "project_id": "pr_1"}, 201)
        by_id = '{"log_id":"data_provisional_h","evaluator_id":"one","result":true}'
        self.sent("evaluation_result", by_id, log="h", order=1, address="ev_1",
                  swap=[{"field": "log_id", "log": "h"}])
        self.single("result", "POST", "/v4/evaluations/ev_1/result",
                    by_id.replace("data_provisional_h", "data_90"), {"id": "evr_1"}, 201)
        self.sent("update", '{"output":"third"}', log="h", order=2)
        self.single("update", "PATCH", "/v4/logs/data_90", '{"output":"third"}', {"id": "data_90"})
        rest = '"evaluator_id":"two","error":"none"}'
        self.sent("evaluation_result", "{" + rest, log="h", order=3, address="ev_1",
                  by_reference=True)
        self.single("result by reference", "POST", "/v4/evaluations/ev_1/result",
                    '{"log_id":"data_90",' + rest, {"id": "evr_2"}, 201)
        rest = '"type":"comment","value":"said"}'
        self.sent("feedback", "{" + rest, log="h", order=4, by_reference=True,
                  stamps=["created_at"])
        self.at["feedback by reference"] = len(self.record)
        self.post("/v4/feedback", ['{"data_id":"data_90",' + at[1:] + rest])
        pair = [f'"type":"comment","value":"{word}"}}' for word in ("one", "two")]
        for order, rest in enumerate(pair, 5):
            self.sent("feedback", "{" + rest, log="h", order=order, by_reference=True,
                      stamps=["created_at"])
        for _ in range(2):          # the whole request again, which the daemon counted
            self.post("/v4/feedback", ['{"data_id":"data_90",' + at[1:] + rest for rest in pair])
        for rest in (pair[0], *pair):   # the first alone, twice; the second when that is settled
            self.at["first of a pair"] = self.at.get("first of a pair", len(self.record))
            self.post("/v4/feedback", ['{"data_id":"data_90",' + at[1:] + rest])
        self.status["possible_duplicates"]["feedback"] += 5
        self.status["ledger"].update(accepted=19, delivered=19)

    def joined(self, name, session, real):
        """A log in a session, by its provisional id."""
        text = self.body(name, session_id="sesh_provisional_s")
        self.sent("log", text, log=name, swap=[{"field": "session_id", "session": session}])
        self.at[session] = len(self.record)
        self.post("/v4/logs", [text.replace("sesh_provisional_s", real)], session_id=real)

    def single(self, name, method, path, body, answer, status=200):
        self.at[name] = len(self.record)
        self.record.append({"time": AT, "method": method, "path": path, "status": status,
                            "body": body, "answer": json.dumps(answer)})

    def again(self, name):
        """The same request once more, at its end."""
        self.record.append(dict(self.record[self.at[name]]))

    def edit(self, name, old, new):
        changed(self.record, self.at[name], old, new)


def changed(record, index, old, new):
    assert old in record[index]["body"]
    record[index]["body"] = record[index]["body"].replace(old, new, 1)


def plants():
    """Each fault that the judge must name, and how to plant it."""
    def delivered_again(s): s.record.append(dict(s.record[0]))
    def lost(s): s.record.pop(1)
    def byte(s): changed(s.record, 0, "minted", "mintet")
    def stamp(s): changed(s.record, 0, "2026-01-02T", "someday, ")
    def stamp_missing(s): changed(s.record, 1, f'"created_at":"{AT}",', "")
    def reference_missing(s): changed(s.record, 0, '"reference_id":"ls_1",', "")
    def feedback_unstamped(s): changed(s.record, 6, f'"created_at":"{AT}",', "")
    def stamp_before(s): changed(s.record, 0, "T03:04:05.678+00:00", "T03:04:05.678+01:00")
    def stamp_after(s): changed(s.record, 0, "T03:04:05.678+00:00", "T03:04:05.678-01:00")
    def stamp_last_year(s):
        for line in s.journal:
            del line["since"]
        changed(s.record, 0, "2026-", "2025-")
    def stamp_without_zone(s): changed(s.record, 0, ".678+00:00", ".678")
    def spacing(s): changed(s.record, 1, '"project":"p"', '"project": "p"')
    def swap(s): changed(s.record, 1, '"parent_id":"data_1"', '"parent_id":"data_2"')
    def unswapped(s): changed(s.record, 6, "data_1", "data_provisional_a")
    def together(s):
        s.record[0]["body"] = s.record[0]["body"][:-1] + "," + s.record[1]["body"][1:]
        s.record[0]["answer"] = json.dumps([{"id": f"data_{n}"} for n in range(1, 5)])
        s.record.pop(1)
    def child_first(s): s.record[0], s.record[1] = s.record[1], s.record[0]
    def update_first(s): s.record.insert(0, s.record.pop(3))
    def disorder(s): s.record[3], s.record[4] = s.record[4], s.record[3]
    def late_repeat(s): s.record.insert(5, dict(s.record[3]))
    def repeat_after_feedback(s): s.record.append(dict(s.record[4]))
    def deletion(s): s.write("DELETE", "/v4/logs?id=data_1", 204)
    def elsewhere(s): s.write("POST", "/v4/evaluators", 201)
    def refused_elsewhere(s): s.write("PUT", "/v4/logs", 405)
    def nothing(s):
        s.journal, s.record = [], []
        s.status["ledger"].update(accepted=0, delivered=0)
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
        ("created_at is not the time of acceptance", stamp), ("log nobody sent", byte),
        ("payload changed", stamp_missing), ("payload changed", reference_missing),
        ("payload changed", feedback_unstamped),
        ("created_at is not the time of acceptance", stamp_before),
        ("created_at is not the time of acceptance", stamp_after),
        ("created_at is not the time of acceptance", stamp_last_year),
        ("created_at is not the time of acceptance", stamp_without_zone),
        ("another id than the log's", unswapped), ("child in its parent's request", together),
        ("child before its parent", child_first), ("update before its log", update_first),
        ("effects of one log out of order", disorder), ("repeat after a later effect", late_repeat),
        ("repeat after a later effect", repeat_after_feedback),
        ("write that delivers no event", deletion), ("write that delivers no event", elsewhere),
        ("write that delivers no event", refused_elsewhere),
        ("nothing was acknowledged, so nothing is shown", nothing),
        ("feedback extra beyond possible_duplicates", feedback_again),
        ("refused log applied", refused), ("array accepted in part", part),
        ("log nobody sent", stranger), ("update nobody sent", odd_update),
        ("feedback nobody sent", odd_feedback), ("answer of another length", short),
        ("ledger does not balance", balance),
        ("ledger: delivered differs from the record", delivered),
        ("ledger: not drained", queued), ("ledger: dead or discarded events", dead),
        ("ledger: accepted differs from the journal", accepted)]


def wide_plants():
    """The same for sessions, projects, evaluations and names by reference."""
    def no_session(s): s.record.pop(s.at["session"])
    def session_twice(s): s.single("again", "POST", "/sessions", "", {"id": "sesh_9"}, 201)
    def never_named(s):
        s.journal.append({"kind": "session", "state": "acked", "sha": None, "session": "s2"})
        session_twice(s)
        s.status["ledger"].update(accepted=20, delivered=20)
    def lost_beside_twice(s):
        never_named(s)
        s.joined("z", "s2", "sesh_provisional_s")
        s.status["possible_duplicates"]["session"] = 1
        s.status["ledger"].update(accepted=21, delivered=21)
    def lost_to_another(s):
        never_named(s)
        s.joined("z", "s2", "sesh_1")
        s.status["possible_duplicates"]["session"] = 1
        s.status["ledger"].update(accepted=21, delivered=21)
    def wrong_session(s): s.edit("s", "sesh_1", "sesh_7")
    def unswapped_session(s): s.edit("s", "sesh_1", "sesh_provisional_s")
    def session_late(s): s.record.insert(s.at["s"], s.record.pop(s.at["session"]))
    def shared_session(s):
        s.journal[-12]["swap"] = [{"field": "session_id", "session": "other"}]
        s.edit("ref:R", "sesh_2", "sesh_1")
    def wrong_reference(s): s.edit("ref:R", "sesh_2", "sesh_1")
    def wrong_project(s): s.edit("project", "pr_1", "pr_2")
    def evaluation_log_again(s): s.again("evaluation log")
    def wrong_parent(s): s.edit("evaluation log", "data_1", "data_2")
    def stamp_outside(s):
        s.edit("evaluation log", '"created_at":"2026-01-02T03:04:05Z",', "")
        s.edit("evaluation log", "{", '{"created_at":"2026-01-02T03:04:05Z",')
    def query_lost(s): s.record[s.at["evaluation log"]]["path"] = "/evaluations/ev%20%C3%A4/log"
    def wrong_run(s): s.record[s.at["result"]]["path"] = "/evaluations/ev_2/result"
    def result_again(s): s.again("result by reference")
    def wrong_log(s): s.edit("result", "data_90", "data_1")
    def wrong_named(s): s.edit("result by reference", "data_90", "data_1")
    def not_resolved(s):
        s.edit("feedback by reference", '"data_id":"data_90"', '"reference_id":"h"')
    def other_log(s): s.edit("feedback by reference", "data_90", "data_2")
    def update_elsewhere(s): s.record[s.at["update"]]["path"] = "/v4/logs/data_1"
    def disorder(s):
        a, b = s.at["result"], s.at["update"]
        s.record[a], s.record[b] = s.record[b], s.record[a]
    def late_feedback(s): s.again("first of a pair")
    def late_result(s):
        s.again("result")
        s.status["possible_duplicates"]["evaluation_result"] = 1
    def result_first(s): s.record.insert(0, s.record.pop(s.at["result"]))
    def lost(s): s.record.pop(s.at["result by reference"])
    return [
        ("acknowledged session missing", no_session),
        ("session extra beyond possible_duplicates", session_twice),
        ("acknowledged session missing", lost_beside_twice),
        ("acknowledged session missing", lost_to_another),
        ("session that no acknowledged log names", never_named),
        ("another id than the session's", wrong_session),
        ("another id than the session's", unswapped_session),
        ("another id than the session's", session_late),
        ("another id than the session's", shared_session),
        ("another id than the session's", wrong_reference),
        ("another id than the project's", wrong_project),
        ("log applied twice", evaluation_log_again), ("another id than the log's", wrong_parent),
        ("payload changed", stamp_outside), ("another evaluation than named", query_lost),
        ("another evaluation than named", wrong_run),
        ("evaluation_result extra beyond possible_duplicates", result_again),
        ("another id than the log's", wrong_log), ("another id than the log's", wrong_named),
        ("payload changed", not_resolved), ("another id than the log's", other_log),
        ("update of another log", update_elsewhere),
        ("effects of one log out of order", disorder),
        ("repeat after a later effect", late_result),
        ("repeat after a later effect", late_feedback),
        ("evaluation_result before its log", result_first),
        ("acknowledged evaluation_result missing", lost)]


def judge_story(story, directory, cut=None, **more):
    """What the judge says; the request before line `cut` of the record is there once more, cut."""
    journal, record = Path(directory, "journal"), Path(directory, "record")
    journal.write_text("".join(json.dumps(j) + "\n" for j in story.journal))
    lines = [json.dumps(r) + "\n" for r in story.record]
    if cut is not None:
        lines.insert(cut, lines[cut - 1][:-20] + "\n" * (cut < len(lines)))
    record.write_text("".join(lines))
    return judge_files([journal], [record], story.status, **more)


def self_test():
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        for honest in (Story(), WideStory()):
            good = judge_story(honest, directory)
            report(good, sys.stdout)
            missed += bool(good.faults.counts)
        for at in (1, len(Story().record)):     # a log sent again is what a cut line may hide
            killed = judge_story(Story(), directory, at, trust_questions=True)
            found = judge_story(Story(), directory, at).faults.counts
            missed += bool(killed.faults.counts) or killed.counts["cut lines"] != 1
            missed += list(found) != ["line cut in the record of an archive that was not killed"]
        planted = [(Story, *p) for p in plants()] + [(WideStory, *p) for p in wide_plants()]
        promises = set()
        for kind, fault, plant in planted:
            story = kind()
            plant(story)
            judge = judge_story(story, directory)
            found, broken = judge.faults.counts, figures(judge)["broken"]
            missed += fault not in found or sum(broken.values()) != sum(found.values())
            promises.update(p for p, n in broken.items() if n)
            print(f"{'caught' if fault in found else 'MISSED'}: {plant.__name__}: {dict(found)}")
        missed += promises != {*BROKEN, "other"}
    print(f"SELF-TEST: {missed} missed of {len(planted) + 7}")
    return 1 if missed else 0
