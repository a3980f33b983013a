#!/usr/bin/env python3
"""Every operation of the official Python SDK against the daemon, sync and async.

Live ones with a recording upstream: each is called twice, once upstream directly and once through
the daemon, and neither upstream nor the caller may see a difference. Spooled ones and the reads of
the archive with `archive serve`, also while that is down and over a `kill -9`. Run it by
scripts/sdk_check.sh, which provides the SDK.
"""
import argparse
import asyncio
import inspect
import logging
import re
import time

import sdk_operations
from sdk_upstream import MISSING, REFUSAL, REFUSED, Upstream
from spooltools import POLL, ArchiveServer, Daemon, Workplace, find_binary, harness_main

CALLER_KEY = "hl_sk_the_callers_own_key"
STREAM_SECONDS = 40


class Checks:
    """What was tried: a line each, and the sums."""

    def __init__(self):
        self.passed = self.failed = 0

    def that(self, name, good, shown=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok ' if good else 'BAD'} {name}" + ("" if good else f": {str(shown)[:400]}"),
              flush=True)
        return good

    def run(self, name, attempt):
        """One check of what attempt() returns: None or "" when good, else what is wrong."""
        try:
            wrong = attempt()
        except Exception as error:      # every failure is a line of the report
            wrong = f"{type(error).__name__}: {' '.join(str(error).split())}"
        self.that(name, not wrong, wrong)


class Caller:
    """The SDK in one of its two forms. An error answer is a value: (status, body)."""

    def __init__(self, url, way):
        from humanloop import Humanloop
        self.client, self.way = Humanloop(api_key=CALLER_KEY, host=url), way

    def __call__(self, name, /, validate=True, **arguments):
        """Calls `group.method`; validated by the SDK's models where it can."""
        group, _, method = name.rpartition(".")
        target = getattr(self.client, group) if group else self.client
        function = getattr(target, ("a" if self.way == "async" else "") + method)
        if validate and "validate" in inspect.signature(function).parameters:
            arguments["validate"] = True
        value = function(**arguments)
        return asyncio.run(value) if inspect.iscoroutine(value) else value

    def outcome(self, name, /, **arguments):
        """The result, or what an error answer said."""
        from humanloop.exceptions import ApiException
        try:
            return self(name, **arguments)
        except ApiException as error:
            return error.status, error.body

    async def stream(self, name, arguments, upstream):
        """All events; upstream holds the second back until the first was seen here."""
        upstream.released.clear()
        response = await getattr(self.client, name)(**arguments)
        events = []
        async for event in response.content:
            upstream.released.set()
            events.append(event)
        return response.status, events


# Live operations, with a recording upstream

def unlike(direct, through):
    """What differs between two observations of one call, or None."""
    for what, a, b in zip(("result", "requests"), direct, through):
        if a != b:
            return f"other {what} through the daemon: {b!r}, directly: {a!r}"
    return None


def live(checks, daemon, upstream, operations):
    """All of them in both forms. The requests that came through the daemon."""
    url, came = f"http://127.0.0.1:{daemon.port}/v4", []
    for way in ("sync", "async"):
        direct, through = Caller(upstream.url, way), Caller(url, way)

        def both(name, arguments):
            return [(caller.outcome(name, **arguments), upstream.take())
                    for caller in (direct, through)]

        def same(operation):
            plain, relayed = both(operation.name, operation.arguments)
            came.extend(relayed[1])
            arrived = [(r.method, r.target) for r in relayed[1]]
            if arrived != [(operation.method, operation.target)]:
                return f"upstream got {arrived}, the caller {relayed[0]!r}"
            if dict(relayed[1][0].headers)["x-api-key"] != CALLER_KEY:
                return "upstream got another key than the caller's"
            return unlike(plain, relayed)

        for o in operations:
            checks.run(f"live {o.number:2} {o.name}, {way}: {o.method} {o.target}",
                       lambda o=o: same(o))
        for what, name, arguments, expected in (
                ("a 404 of upstream's", "projects.get", {"id": MISSING}, 404),
                ("a 422 of upstream's", "projects.get", {"id": REFUSED}, (422, REFUSAL)),
                ("an id with odd characters", "datasets.get", {"id": "evts_ä b%2F?&#"}, 404)):
            def error(name=name, arguments=arguments, expected=expected):
                plain, relayed = both(name, arguments)
                status = relayed[0] if isinstance(expected, tuple) else relayed[0][0]
                return unlike(plain, relayed) or (status != expected and f"got {status}")
            checks.run(f"live: {what} comes back as it is, {way}", error)
    return came


def streams(checks, daemon, upstream, operations):
    direct = Caller(upstream.url, "async")
    through = Caller(f"http://127.0.0.1:{daemon.port}/v4", "async")
    by_number = {o.number: o for o in operations}
    for number, name in sdk_operations.STREAMS.items():
        def relayed(number=number, name=name):
            seen = []
            for caller in (direct, through):
                upstream.late = False
                call = caller.stream(name, by_number[number].arguments, upstream)
                result = asyncio.run(asyncio.wait_for(call, STREAM_SECONDS))
                seen.append((result, upstream.take()))
            if upstream.late:
                return "the first event reached the caller only after upstream had sent them all"
            return unlike(*seen) or (len(seen[1][0][1]) != 3 and f"events: {seen[1][0][1]}")
        checks.run(f"live {number:2} {name}: event by event, as it comes", relayed)


def nothing_kept(checks, daemon, came):
    """Neither keys nor the bodies that hold them are on disk or in a log."""
    relayed = sum(sdk_operations.SECRET.encode() in request.body for request in came)
    checks.that("live: all 14 bodies with provider keys went through", relayed == 14, relayed)
    files = [f for f in (*daemon.state.rglob("*"), *daemon.runtime.rglob("*"), daemon.log_path)
             if f.is_file()]
    for what, secret in (("provider keys", sdk_operations.SECRET), ("callers' keys", CALLER_KEY),
                         ("bodies with provider keys", "provider_api_keys")):
        found = [str(f) for f in files if secret.encode() in f.read_bytes()]
        checks.that(f"live: {what} are in no file and no log ({len(files)} files read)",
                    files and not found, found)
    checks.that("live: nothing of it was spooled", not daemon.status()["ledger"]["accepted"],
                daemon.status())


# Spooled operations and the archive's reads

MINTED = {"data": re.compile(r"data_[A-Za-z0-9]{21}"), "sesh": re.compile(r"sesh_[A-Za-z0-9]{21}")}


def minted(kind, text):
    return bool(text and MINTED[kind].fullmatch(text))


class Story:
    """What an instrumented app does, in one of the SDK's forms; names of its own."""

    def __init__(self, checks, daemon, archive, way):
        self.checks, self.daemon, self.archive, self.way = checks, daemon, archive, way
        self.call = Caller(f"http://127.0.0.1:{daemon.port}/v4", way)
        self.project = f"sdk-{way}"
        self.logs = 0

    def check(self, name, attempt):
        """A check of attempt()'s result, which later steps use; attempt gives (result, test)."""
        value = []

        def run():
            result, good = attempt()
            value.append(result)
            try:
                return None if good(result) else f"got {result!r}"
            except (AttributeError, TypeError, LookupError):    # an error answer, most likely
                return f"got {result!r}"
        self.checks.run(f"{name}, {self.way}", run)
        return value[0] if value else None

    def log(self, name, good=lambda log: minted("data", log.id) and bool(log.project_id), **more):
        """One log by `logs.log`, validated."""
        self.logs += 1
        def attempt():
            return self.call.outcome("logs.log", project=self.project, **more), good
        return self.check(name, attempt)

    def does(self, name, method, good, /, **arguments):
        """One call, validated, and whether its result is good."""
        return self.check(name, lambda: (self.call.outcome(method, **arguments), good))

    def online(self):
        """All seven ingest operations, in the forms that the SDK has."""
        way = self.way
        self.session = self.does("58 sessions.create", "sessions.create",
                                 lambda s: minted("sesh", s.id))
        self.one = self.log(
            "36 logs.log in a session", lambda log: log.session_id == self.session.id,
            session_id=self.session.id, reference_id=f"{way}-1", output="first",
            inputs={"q": "Où?", "n": 1e-07}, messages=sdk_operations.MESSAGES, duration=0.5,
            config={"type": "model", "model": "gpt-4"}, metadata={"big": 2**60},
            source_datapoint_id="point_2")
        self.bare = self.does("36 log without a reference", "log",
                              lambda log: minted("data", log.id), project=self.project,
                              output="find the needle here")
        many = [{"project": self.project, "output": f"é {n}", "parent_reference_id": f"{way}-1"}
                for n in range(3)]
        self.does("36 logs.log with an array of children", "logs.log",
                  lambda a: len({log.id for log in a}) == 3, body=many)
        self.logs += 4
        self.log("36 logs.log, a child by provisional id", parent_id=self.one.id, output="child",
                 session_id=self.session.id)
        self.log("36 logs.log with a session of the caller's own",
                 lambda log: minted("sesh", log.session_id), session_reference_id=f"{way}-s",
                 output="by reference")
        rating = {"type": "rating", "data_id": self.one.id}
        self.does("32 feedback", "feedback_api.feedback", lambda f: f.value == "good",
                  value="good", user="u@example.com", **rating)
        self.does("32 feedback with unset", "feedback_api.feedback", lambda f: f.value is not None,
                  unset=True, **rating)
        self.does("32 feedback with an array", "feedback_api.feedback", lambda a: len(a) == 2,
                  body=[{**rating, "value": "bad"}, {"type": "mood", "value": ["a", "b"],
                                                     "data_id": self.bare.id}])
        changed = {"id", "evaluation_results", "observability_status", "config", "updated_at"}
        self.does("37 logs.update", "logs.update", lambda u: changed <= u.model_fields_set,
                  id=self.one.id, output="second")
        self.does("38 logs.update_by_ref", "logs.update_by_ref",
                  lambda u: changed <= u.model_fields_set, reference_id=f"{way}-1", duration=1.5)
        self.evaluated = self.does(
            "24 evaluations.log", "evaluations.log", lambda log: minted("data", log.id),
            evaluation_id="evrun_1", datapoint_id="point_1",
            log={"project": self.project, "output": "evaluated"})
        self.logs += 1
        judged = {"evaluation_id": "evrun_1", "evaluator_id": "evfn_1"}
        self.does("25 evaluations.result", "evaluations.result",
                  lambda r: r.log_id == self.evaluated.id and r.value is True,
                  log_id=self.evaluated.id, result=True, **judged)
        self.does("25 evaluations.result, an error", "evaluations.result",
                  lambda r: r.error == "no verdict", log_id=self.one.id, error="no verdict",
                  **judged)
        self.drained("all of it is delivered")

    def deleted(self, id):
        """Deletes a log; one that is just being tried is 503 for a moment."""
        deadline = time.monotonic() + 15
        while True:
            outcome = self.call.outcome("logs.delete", id=[id])
            if outcome is None or outcome[0] != 503 or time.monotonic() > deadline:
                return outcome
            time.sleep(POLL)

    def drained(self, name):
        """Nothing is queued any more, and nothing died on the way."""
        self.check(name, lambda: (self.daemon.wait_drained(60)["ledger"],
                                  lambda book: book["dead"] == 0))

    def reads(self):
        """What the archive tells: by provisional ids too."""
        got = self.does("34 logs.get by provisional id", "logs.get",
                        lambda g: (g.output, g.reference_id) == ("second", f"{self.way}-1")
                        and g.session_id and g.id != self.one.id, id=self.one.id)
        self.check("34 its feedback and evaluation results",
                   lambda: (got, lambda g: g.feedback and len(g.evaluation_results) == 1))
        project = got.project_id
        self.does("35 logs.list", "logs.list", lambda p: p.total == self.logs == len(p.records),
                  project_id=project)
        self.does("35 logs.list by the provisional project id", "logs.list",
                  lambda p: p.total == self.logs, project_id=self.one.project_id)
        self.does("35 logs.list, a page", "logs.list",
                  lambda p: (p.page, p.size, len(p.records)) == (1, 2, 2), project_id=project,
                  page=1, size=2)
        self.does("35 logs.list, a search", "logs.list",
                  lambda p: [r.output for r in p.records] == ["find the needle here"],
                  project_id=project, search="needle")
        self.does("59 sessions.get by provisional id", "sessions.get",
                  lambda s: s.datapoints_count == 2, id=self.session.id)
        self.does("60 sessions.list", "sessions.list", lambda p: p.total == 2,
                  project_id=project)
        self.does("53 projects.list", "projects.list",
                  lambda p: project in [r.id for r in p.records])
        self.does("51 projects.get", "projects.get", lambda p: p.name == self.project, id=project)
        self.does("51 projects.get by provisional id", "projects.get", lambda p: p.id == project,
                  id=self.one.project_id)
        self.does("50 projects.export", "projects.export", lambda p: p.total == self.logs,
                  id=project, size=50)
        self.does("44 projects.create", "projects.create",
                  lambda p: p.name == f"{self.project}-new", name=f"{self.project}-new")
        self.does("33 logs.delete by provisional id", "logs.delete", lambda r: r is None,
                  id=[self.bare.id])
        self.does("34 logs.get of a deleted log", "logs.get", lambda r: r[0] == 404,
                  id=self.bare.id)
        self.does("33 logs.delete without ids", "logs.delete", lambda r: r[0] == 422)
        self.does("1 chat: the archive has no model", "chat",
                  lambda r: r[0] == 501 and r[1]["detail"], messages=sdk_operations.MESSAGES,
                  project=self.project, model_config=sdk_operations.CHAT_CONFIG)

    def offline(self):
        """Upstream is down, and the daemon killed between a log and what is said about it."""
        self.archive.stop()
        off = self.log("offline: 36 logs.log", output="offline", reference_id=f"{self.way}-off",
                       source_datapoint_id="point_3")
        doomed = self.log("offline: 36 logs.log, to be deleted", output="doomed")
        self.daemon.kill9()
        self.daemon.start_and_wait()
        self.does("offline, after kill -9: 32 feedback by provisional id", "feedback_api.feedback",
                  lambda f: f.value == "kept", type="comment", value="kept", data_id=off.id)
        self.does("offline: 25 evaluations.result by provisional id", "evaluations.result",
                  lambda r: r.log_id == off.id, evaluation_id="evrun_1", evaluator_id="evfn_1",
                  log_id=off.id, result=0.5)
        self.does("offline: 37 logs.update by provisional id", "logs.update", lambda u: bool(u.id),
                  id=off.id, output="changed")
        self.does("offline: 34 logs.get of a queued log", "logs.get",
                  lambda g: str(getattr(g.observability_status, "value", g.observability_status))
                  == "pending" and g.output == "offline", id=off.id)
        self.does("offline: 11 datasets.create_datapoint of a queued log",
                  "datasets.create_datapoint", lambda r: r[0] == 503 and r[1]["detail"],
                  dataset_id="evts_1", log_ids=[off.id])
        self.check("offline: 33 logs.delete of a queued log",
                   lambda: (self.deleted(doomed.id), lambda r: r is None))
        self.does("offline: 53 projects.list, upstream unreachable", "projects.list",
                  lambda r: r[0] == 502 and r[1]["detail"])
        self.archive.start_and_wait()
        self.drained("offline: all of it is delivered once upstream is back")
        self.does("offline: 34 logs.get, delivered", "logs.get",
                  lambda g: g.output == "changed" and [f.value for f in g.feedback] == ["kept"]
                  and [r.value for r in g.evaluation_results] == [0.5], id=off.id)
        self.does("offline: the deleted log never arrived", "logs.list", lambda p: p.total == 0,
                  project_id=off.project_id, search="doomed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        import sdk_suite_test
        return sdk_suite_test.self_test()
    binary = find_binary(options.bin)
    logging.disable(logging.ERROR)      # the SDK's deprecations, and what aiohttp says of it
    sdk_operations.finish_models()
    checks, began = Checks(), time.monotonic()
    with Workplace("sdk-suite") as place:
        operations = sdk_operations.rows()
        upstream = Upstream(operations, sdk_operations.answer, sdk_operations.stream_events())
        for name in ("live", "spooled"):
            (place.path / name).mkdir()
        daemon = place.own(Daemon(binary, place.path / "live", upstream.url)).start_and_wait()
        came = live(checks, daemon, upstream, operations)
        streams(checks, daemon, upstream, operations)
        nothing_kept(checks, daemon, came)
        archive = place.own(ArchiveServer(binary, place.path / "spooled")).start_and_wait()
        spool = place.own(Daemon(binary, place.path / "spooled", archive.url)).start_and_wait()
        for way in ("sync", "async"):
            story = Story(checks, spool, archive, way)
            for part in (story.online, story.reads, story.offline):
                try:
                    part()
                except Exception as error:      # a later step stands on one that failed
                    checks.that(f"{part.__name__} to its end, {way}", False, repr(error))
                if not archive.running():
                    archive.start_and_wait()
    print(f"{time.monotonic() - began:.1f} s")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    harness_main(main)
