#!/usr/bin/env python3
"""A small stand-in for the daemon and its archive, to test the harnesses themselves.

It speaks the same command line and sockets, slowly and plainly. FAKE_FAULT plants a fault that the
harnesses must find: "resend" (does not ask after a lost answer), "forget" (acknowledges before the
commit), "hasty" (does not wait for causes), "reencode" (parses and prints the JSON), "eager" (swaps
ids in the user's own text), "shuffle" (keeps no order among the effects on a log), "uncounted"
(sends again without counting it), "full" (refuses all but its first 300 events with 503), "leak"
(keeps every event in memory), "hoard" (gives no page of its file back), "herd" (tries upstream with
many requests), "late" (tries it later than its status says).
"""
import argparse
import hashlib
import http.client
import json
import os
import re
import signal
import socketserver
import sqlite3
import threading
import time
import urllib.parse
from http.server import ThreadingHTTPServer
from pathlib import Path

from evidence import elements
from fake_archive import Archive, Faults, Handler, TCPHandler, UnixServer, now, serve
from fake_client import ask, feedback, log, send

KINDS = {"logs": "log", "feedback": "feedback", "sessions": "session", "log": "evaluation_log",
         "result": "evaluation_result"}
LOGS = ("log", "evaluation_log")
SWAPPED = ("parent_id", "session_id", "project_id", "data_id", "log_id")
FAULT = os.environ.get("FAKE_FAULT", "")


class Daemon:
    """A durable queue in SQLite, one commit a request, and one sender thread."""

    def __init__(self, state, upstream):
        self.lock = threading.RLock()
        self.db = sqlite3.connect(state / "spool.db", check_same_thread=False, isolation_level=None)
        self.db.execute(f"PRAGMA auto_vacuum={'NONE' if FAULT == 'hoard' else 'FULL'}")
        self.db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
            CREATE TABLE IF NOT EXISTS event(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT,
                ref TEXT, cause TEXT, body TEXT, flying INT DEFAULT 0, path TEXT, needs TEXT);
            CREATE INDEX IF NOT EXISTS event_cause ON event(cause);
            CREATE TABLE IF NOT EXISTS known(ref TEXT PRIMARY KEY, id TEXT);
            CREATE TABLE IF NOT EXISTS minted(id TEXT PRIMARY KEY, ref TEXT);
            CREATE TABLE IF NOT EXISTS book(name TEXT PRIMARY KEY, n INT);""")
        self.upstream = urllib.parse.urlsplit(upstream)
        self.connection = None
        self.failures = self.next_try = 0       # in a row; when upstream is tried again
        self.leaked = []
        if FAULT == "resend":
            self.db.execute("UPDATE event SET flying=0")
        threading.Thread(target=self.deliver_for_ever, daemon=True).start()

    def one(self, sql, *values):
        row = self.db.execute(sql, values).fetchone()
        return row[0] if row else None

    def count(self, name, n):
        self.db.execute("INSERT INTO book VALUES(?,?) ON CONFLICT DO UPDATE SET n=n+excluded.n",
                        (name, n))

    # Acceptance

    def accept(self, items):
        """items: (kind, text, path). One transaction; an answer each."""
        if FAULT == "full" and (self.one("SELECT n FROM book WHERE name='accepted'") or 0) >= 300:
            raise OverflowError("the spool is full")
        if FAULT == "forget":
            answers = [self.answer_only(k, t) for k, t, _ in items]
            threading.Timer(0.2, self.commit, [items]).start()
            return answers
        return self.commit(items)

    def answer_only(self, kind, text):
        reference = json.loads(text).get("reference_id")
        return {"id": None, "project_id": "pr_1", "reference_id": reference or "x", "type": "t",
                "value": "v"}

    def commit(self, items):
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            answers = [self.insert(*item) for item in items]
            self.count("accepted", len(items))
            self.db.execute("COMMIT")
        return answers

    def insert(self, kind, text, path):
        value = json.loads(text or "{}")
        if FAULT == "reencode" and kind == "log":
            text = json.dumps(value, separators=(",", ":"))
        if FAULT == "leak":
            self.leaked.append(text.encode())
        inner = value["log"] if kind == "evaluation_log" else value
        reference, cause, stamps = inner.get("reference_id"), None, ""
        named = [self.one("SELECT ref FROM minted WHERE id=?", inner[k])
                 for k in SWAPPED if inner.get(k)]
        if kind in LOGS:
            named.append(inner.get("parent_reference_id"))
            if not reference:
                reference = "ls_" + os.urandom(8).hex()
                stamps = f'"reference_id":"{reference}",'
        elif kind == "update":
            cause = urllib.parse.parse_qs(path.partition("?")[2]).get("reference_id", [None])[0] \
                or self.one("SELECT ref FROM minted WHERE id=?", path.rpartition("/")[2])
        elif kind != "session":
            cause = reference or named[0]
        if kind in (*LOGS, "feedback") and not inner.get("created_at"):
            stamps += f'"created_at":"{now()}",'
        if stamps:
            at = text.index('"log":{') + 7 if kind == "evaluation_log" else 1
            text = text[:at] + stamps + text[at:]
        seq = self.db.execute(
            "INSERT INTO event(kind,ref,cause,body,path,needs) VALUES(?,?,?,?,?,?)",
            (kind, reference if kind in LOGS else None, cause, text, path,
             json.dumps([n for n in (*named, cause) if n]))).lastrowid
        return self.answer(kind, seq, reference, inner)

    def answer(self, kind, seq, reference, value):
        """The provisional ids, by what they will be known as."""
        name = ("sesh_%021d" if kind == "session" else "data_%021d") % seq
        session = value.get("session_reference_id")
        if session:
            session = self.mint("sesh", f"session {session}")
        project = self.mint("pr", f"project {value['project']}") if "project" in value else None
        if kind in LOGS or kind == "session":
            self.db.execute("INSERT INTO minted VALUES(?,?)",
                            (name, name if kind == "session" else reference))
        return {"id": name, "project_id": project or "pr_1", "reference_id": reference,
                "session_id": session, "type": value.get("type", ""),
                "value": value.get("value", "")}

    def mint(self, prefix, known_as):
        id = f"{prefix}_{hashlib.sha256(known_as.encode()).hexdigest()[:21]}"
        self.db.execute("INSERT OR IGNORE INTO minted VALUES(?,?)", (id, known_as))
        return id

    # Delivery

    def deliver_for_ever(self):
        time.sleep(0.5)         # what was in flight is seen in the status after a restart
        while True:
            try:
                if not self.deliver():
                    time.sleep(0.02)
            except (OSError, http.client.HTTPException):
                self.connection = None
                self.back_off()

    def back_off(self):
        """Waits twice as long after each failure, from 0.05 s on."""
        pause = 0.05 * 2 ** min(self.failures, 7)
        self.failures += 1
        self.next_try = time.monotonic() + pause
        time.sleep(pause + 9 * (FAULT == "late"))

    def request(self, method, path, body):
        if not self.connection:
            self.connection = http.client.HTTPConnection(self.upstream.hostname,
                                                         self.upstream.port, timeout=10)
        for _ in range(9 if FAULT == "herd" else 1):
            self.connection.request(method, self.upstream.path + path, body.encode())
            response = self.connection.getresponse()
            answer = response.read()
        return response.status, json.loads(answer or b"null")

    def deliver(self):
        with self.lock:
            flying = self.db.execute("SELECT seq,kind,ref,cause,body,path FROM event WHERE flying "
                                     "ORDER BY seq").fetchall()
        if flying:
            return self.resolve(flying)
        with self.lock:
            batch = self.due()
            seqs = ",".join(str(row[0]) for row in batch)
            self.db.execute(f"UPDATE event SET flying=1 WHERE seq IN ({seqs})")
        if not batch:
            return False
        kind, texts, path = batch[0][1], [row[4] for row in batch], batch[0][5]
        if kind in ("log", "feedback"):
            status, answers = self.request("POST", path, "[" + ",".join(texts) + "]")
        else:
            status, answer = self.request("PATCH" if kind == "update" else "POST", path, texts[0])
            answers = [answer]
        if status in (200, 201):
            if FAULT == "resend":
                time.sleep(0.1)         # a wide moment to be killed in
            self.delivered(batch, answers)
        else:
            with self.lock:
                self.db.execute(f"UPDATE event SET flying=0 WHERE seq IN ({seqs})")
            self.back_off()
        return True

    def due(self):
        """The next batch of one kind whose causes were delivered."""
        batch = []
        ready = "NOT EXISTS (SELECT 1 FROM json_each(needs) WHERE value NOT IN " \
                "(SELECT ref FROM known))"
        if FAULT == "hasty":
            ready += " OR kind='log'"
        for row in self.db.execute("SELECT seq,kind,ref,cause,body,path FROM event WHERE "
                                   f"{ready} ORDER BY seq LIMIT 400"):
            kind, cause = row[1], row[3]
            if batch and (kind != batch[0][1] or kind not in ("log", "feedback")
                          or len(batch) == 50):
                continue
            if cause and FAULT != "shuffle" and \
                    self.one("SELECT seq FROM event WHERE cause=? AND seq<?", cause, row[0]):
                continue
            batch.append((*row[:4], self.swapped(row[4], kind, cause),
                          self.swapped_path(row[5], cause)))
        return batch

    def swapped_path(self, path, cause):
        if path.startswith("/logs/"):
            return "/logs/" + self.one("SELECT id FROM known WHERE ref=?", cause)
        return path

    def swapped(self, text, kind, cause):
        def real(match):
            reference = self.one("SELECT ref FROM minted WHERE id=?", match[2])
            given = self.one("SELECT id FROM known WHERE ref=?", reference) or match[2]
            return f'"{match[1]}":"{given}"'
        if kind in ("feedback", "evaluation_result") and "reference_id" in json.loads(text):
            field = "data_id" if kind == "feedback" else "log_id"
            text = re.sub(r'"reference_id":"[^"]*",|,"reference_id":"[^"]*"', "", text, count=1)
            return f'{{"{field}":"{self.one("SELECT id FROM known WHERE ref=?", cause)}",{text[1:]}'
        fields = SWAPPED + ("about",) * (FAULT == "eager")
        return re.sub(rf'"({"|".join(fields)})":"([^"]*)"', real, text)

    def delivered(self, batch, answers):
        self.failures = 0
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            for row, answer in zip(batch, answers):
                self.learn(row, answer)
                self.db.execute("DELETE FROM event WHERE seq=?", (row[0],))
            self.count("delivered", len(batch))
            self.db.execute("COMMIT")

    def learn(self, row, answer):
        """Upstream's ids of a log, its project and its session, or of a session."""
        found = {}
        if row[1] in LOGS:
            value = json.loads(row[4])
            value = value.get("log", value)
            found = {row[2]: answer["id"], f"project {value.get('project')}":
                     answer.get("project_id")}
            if name := value.get("session_reference_id"):
                found[f"session {name}"] = answer.get("session_id")
        elif row[1] == "session":
            found["sesh_%021d" % row[0]] = answer["id"]
        for name, id in found.items():
            if id:
                self.db.execute("INSERT OR REPLACE INTO known VALUES(?,?)", (name, id))

    def resolve(self, flying):
        """After a restart or a lost answer: ask for logs, send the rest again."""
        for row in flying:
            if row[1] in LOGS and FAULT != "resend":
                status, answer = self.request("PATCH", "/logs?reference_id="
                                              + urllib.parse.quote(row[2], safe=""), "{}")
                if status == 200:
                    self.delivered([row], [answer])
                    continue
                if status != 404:
                    raise OSError("no answer to the question")
            with self.lock:
                if row[1] not in (*LOGS, "update") and FAULT != "uncounted":
                    self.count("possible " + row[1], 1)
                self.db.execute("UPDATE event SET flying=0 WHERE seq=?", (row[0],))
        return True

    # What is asked of it

    def status(self):
        with self.lock:
            flying = self.one("SELECT count(*) FROM event WHERE flying")
            book = dict(self.db.execute("SELECT name, n FROM book"))
            return {"ledger": {"accepted": book.get("accepted", 0),
                               "queued": self.one("SELECT count(*) FROM event") - flying,
                               "in_flight": flying, "delivered": book.get("delivered", 0),
                               "dead": 0, "discarded": {}},
                    "possible_duplicates": {k: book.get(f"possible {k}", 0) for k in
                                            ("feedback", "session", "evaluation_result")},
                    "upstream": {"next_try_seconds": max(0, self.next_try - time.monotonic())},
                    "deduplicated": 0, "malformed": 0}

    def app(self, method, path, body):
        parts = urllib.parse.urlsplit(path)
        route = parts.path.replace("/v4", "").replace("//", "/")
        if method == "GET":
            return 200, self.status() if route == "/status" else {}
        path = route + (f"?{parts.query}" if parts.query else "")
        try:
            if method == "PATCH":
                self.accept([("update", body, path)])
                return 200, {"id": "data_x", "config": {"id": "", "type": "generic",
                             "status": "committed", "name": ""}, "evaluation_results": [],
                             "observability_status": "pending", "updated_at": now()}
            kind = KINDS[route.rpartition("/")[2]]
            texts, many = elements(body)
            answers = self.accept([(kind, t, path) for t in texts])
            return 200, answers if many else answers[0]
        except ValueError as error:
            return 400, {"detail": str(error)}
        except OverflowError as error:
            return 503, {"detail": str(error)}

    def line(self, text):
        kind = next(iter(json.loads(text)))
        inner = text[text.index(":") + 1:text.rindex("}")].strip()
        path = {"log": "/logs", "feedback": "/feedback"}.get(kind)
        if not path:
            match = re.match(r'\{"(id|reference_id|evaluation_id)":("(?:[^"\\]|\\.)*"),', inner)
            name = urllib.parse.quote(json.loads(match[2]), safe="")
            inner = "{" + inner[match.end():]
            path = {"id": f"/logs/{name}", "reference_id": f"/logs?reference_id={name}"}.get(
                match[1], f"/evaluations/{name}/{kind.removeprefix('evaluation_')}")
        self.accept([(kind, inner, path)])


class StreamHandler(socketserver.StreamRequestHandler):
    def handle(self):
        acks, number = False, 0
        for raw in self.rfile:
            if not number and not acks and raw.strip() == b'{"acks":true}':
                acks = True
                continue
            number += 1
            try:
                self.server.daemon.line(raw.decode().strip())
                if acks:
                    self.wfile.write(f'{{"acked":{number}}}\n'.encode())
            except (OSError, OverflowError):
                time.sleep(0.1)         # a client that comes back at once is not worth the cores
                return


class StreamServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def wait_for_signal():
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def run(options):
    daemon = Daemon(Path(options.state_dir), options.upstream)
    host, _, port = options.listen.rpartition(":")
    runtime = Path(options.runtime_dir)
    serve(UnixServer(str(runtime / "api.sock"), Handler), daemon.app)
    (runtime / "events.sock").unlink(missing_ok=True)
    stream = StreamServer(str(runtime / "events.sock"), StreamHandler)
    stream.daemon = daemon
    threading.Thread(target=stream.serve_forever, daemon=True).start()
    serve(ThreadingHTTPServer((host, int(port)), TCPHandler), daemon.app)
    print("listening on", options.listen, flush=True)
    wait_for_signal()


def archive(options):
    store = Archive(Path(options.record))
    host, _, port = options.listen.rpartition(":")
    faults = Faults(store, options.faults or "", options.fault_seed)
    if options.fault_control:
        serve(UnixServer(options.fault_control, Handler), faults.control)
    serve(ThreadingHTTPServer((host, int(port)), TCPHandler), faults.app)
    wait_for_signal()


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)

    def command(name, act, *flags):
        sub = commands.add_parser(name)
        for flag in flags:
            sub.add_argument(flag)
        sub.set_defaults(act=act)

    command("run", run, "--upstream", "--state-dir", "--runtime-dir", "--listen")
    command("archive", archive, "serve", "--listen", "--state-dir", "--record",
            "--faults", "--fault-seed", "--fault-control")
    command("status", lambda o: print(ask(o, "GET", "/status")), "--runtime-dir")
    commands.choices["status"].add_argument("--json", action="store_true")
    command("log", log, "--runtime-dir", "--project", "--output")
    command("feedback", feedback, "--runtime-dir", "--type", "--value", "--data-id")
    command("send", send, "file", "--runtime-dir")
    options = parser.parse_args()
    options.act(options)


if __name__ == "__main__":
    main()
