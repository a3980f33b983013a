#!/usr/bin/env python3
"""A small stand-in for the daemon and its archive, to test the harnesses themselves.

It speaks the same command line and sockets, slowly and plainly. FAKE_FAULT plants a fault that the
harnesses must find: "resend" (does not ask after a lost answer), "forget" (acknowledges before the
commit), "hasty" (does not wait for causes), "reencode" (parses and prints the JSON).
"""
import argparse
import http.client
import json
import os
import re
import signal
import socket
import socketserver
import sqlite3
import sys
import threading
import time
import urllib.parse
from http.server import ThreadingHTTPServer
from pathlib import Path

from fake_archive import NOW, Archive, Handler, TCPHandler, UnixServer, serve

FAULT = os.environ.get("FAKE_FAULT", "")


def elements(body):
    """The texts of an array's elements, or of the one object."""
    if not body.startswith("["):
        return [body], False
    decoder, at, found = json.JSONDecoder(), 1, []
    while body[at] != "]":
        at = re.compile(r"[\s,]*").match(body, at).end()
        end = decoder.raw_decode(body, at)[1]
        found.append(body[at:end])
        at = re.compile(r"\s*").match(body, end).end()
    return found, True


class Daemon:
    """A durable queue in SQLite, one commit a request, and one sender thread."""

    def __init__(self, state, upstream):
        self.lock = threading.RLock()
        self.db = sqlite3.connect(state / "spool.db", check_same_thread=False, isolation_level=None)
        self.db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
            CREATE TABLE IF NOT EXISTS event(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT,
                ref TEXT, cause TEXT, body TEXT, flying INT DEFAULT 0);
            CREATE INDEX IF NOT EXISTS event_cause ON event(cause);
            CREATE TABLE IF NOT EXISTS known(ref TEXT PRIMARY KEY, id TEXT);
            CREATE TABLE IF NOT EXISTS minted(id TEXT PRIMARY KEY, ref TEXT);
            CREATE TABLE IF NOT EXISTS book(name TEXT PRIMARY KEY, n INT);""")
        self.upstream = urllib.parse.urlsplit(upstream)
        self.connection = None
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
        """items: (kind, text). One transaction; an answer each."""
        if FAULT == "forget":
            answers = [self.answer_only(k, t) for k, t in items]
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

    def insert(self, kind, text):
        value = json.loads(text)
        if FAULT == "reencode" and kind == "log":
            text = json.dumps(value, separators=(",", ":"))
        reference, cause, stamps = value.get("reference_id"), None, ""
        if kind == "log":
            cause = value.get("parent_reference_id") or \
                self.one("SELECT ref FROM minted WHERE id=?", value.get("parent_id"))
            if not reference:
                reference = "ls_" + os.urandom(8).hex()
                stamps = f'"reference_id":"{reference}",'
        elif kind == "feedback":
            cause = self.one("SELECT ref FROM minted WHERE id=?", value.get("data_id"))
        else:
            cause = reference
        if kind != "update" and not value.get("created_at"):
            stamps += f'"created_at":"{NOW}",'
        seq = self.db.execute("INSERT INTO event(kind,ref,cause,body) VALUES(?,?,?,?)",
                              (kind, reference if kind == "log" else None, cause,
                               "{" + stamps + text[1:])).lastrowid
        name = "data_%021d" % seq
        if kind == "log":
            self.db.execute("INSERT INTO minted VALUES(?,?)", (name, reference))
        return {"id": name, "project_id": "pr_1", "reference_id": reference,
                "type": value.get("type", ""), "value": value.get("value", "")}

    # Delivery

    def deliver_for_ever(self):
        while True:
            try:
                if not self.deliver():
                    time.sleep(0.02)
            except (OSError, http.client.HTTPException):
                self.connection = None
                time.sleep(0.05)

    def request(self, method, path, body):
        if not self.connection:
            self.connection = http.client.HTTPConnection(self.upstream.hostname,
                                                         self.upstream.port, timeout=10)
        self.connection.request(method, self.upstream.path + path, body.encode())
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def deliver(self):
        with self.lock:
            flying = self.db.execute("SELECT seq,kind,ref,cause,body FROM event WHERE flying "
                                     "ORDER BY seq").fetchall()
        if flying:
            return self.resolve(flying)
        with self.lock:
            batch = self.due()
            seqs = ",".join(str(row[0]) for row in batch)
            self.db.execute(f"UPDATE event SET flying=1 WHERE seq IN ({seqs})")
        if not batch:
            return False
        kind, texts = batch[0][1], [row[4] for row in batch]
        if kind == "update":
            status, _ = self.request("PATCH", "/logs?reference_id="
                                     + urllib.parse.quote(batch[0][3], safe=""), texts[0])
            answers = [{}]
        else:
            path = "/logs" if kind == "log" else "/feedback"
            status, answers = self.request("POST", path, "[" + ",".join(texts) + "]")
        if status == 200:
            if FAULT == "resend":
                time.sleep(0.1)         # a wide moment to be killed in
            self.delivered(batch, answers)
        else:
            with self.lock:
                self.db.execute(f"UPDATE event SET flying=0 WHERE seq IN ({seqs})")
            time.sleep(0.05)
        return True

    def due(self):
        """The next batch of one kind whose causes were delivered."""
        batch = []
        ready = "cause IS NULL OR EXISTS (SELECT 1 FROM known WHERE known.ref=cause)"
        if FAULT == "hasty":
            ready += " OR kind='log'"
        for row in self.db.execute(f"SELECT seq,kind,ref,cause,body FROM event WHERE {ready} "
                                   "ORDER BY seq LIMIT 400"):
            kind, cause = row[1], row[3]
            if batch and (kind != batch[0][1] or kind == "update" or len(batch) == 50):
                continue
            if kind != "log" and self.one("SELECT seq FROM event WHERE cause=? AND kind<>'log' AND "
                                          "seq<?", cause, row[0]):
                continue
            batch.append((*row[:4], self.swapped(row[4])))
        return batch

    def swapped(self, text):
        def real(match):
            reference = self.one("SELECT ref FROM minted WHERE id=?", match[2])
            return f'"{match[1]}":"{self.one("SELECT id FROM known WHERE ref=?", reference)}"'
        return re.sub(r'"(parent_id|data_id)":"(data_[^"]*)"', real, text)

    def delivered(self, batch, answers):
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            for row, answer in zip(batch, answers):
                if row[1] == "log":
                    self.db.execute("INSERT OR REPLACE INTO known VALUES(?,?)",
                                    (row[2], answer["id"]))
                self.db.execute("DELETE FROM event WHERE seq=?", (row[0],))
            self.count("delivered", len(batch))
            self.db.execute("COMMIT")

    def resolve(self, flying):
        """After a restart or a lost answer: ask for logs, send the rest again."""
        for row in flying:
            if row[1] == "log":
                status, answer = self.request("PATCH", "/logs?reference_id="
                                              + urllib.parse.quote(row[2], safe=""), "{}")
                if status == 200:
                    self.delivered([row], [answer])
                    continue
            with self.lock:
                if row[1] == "feedback":
                    self.count("possible feedback", 1)
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
                    "possible_duplicates": {"feedback": book.get("possible feedback", 0)},
                    "deduplicated": 0, "malformed": 0}

    def app(self, method, path, body):
        parts = urllib.parse.urlsplit(path)
        route = parts.path.replace("/v4", "").replace("//", "/")
        if method == "GET":
            return 200, self.status() if route == "/status" else {}
        try:
            if method == "PATCH":
                reference = urllib.parse.parse_qs(parts.query)["reference_id"][0]
                self.update(reference, body)
                return 200, {"id": "data_x", "config": {"id": "", "type": "generic",
                             "status": "committed", "name": ""}, "evaluation_results": [],
                             "observability_status": "pending", "updated_at": NOW}
            texts, many = elements(body)
            answers = self.accept([("log" if route == "/logs" else "feedback", t) for t in texts])
            return 200, answers if many else answers[0]
        except ValueError as error:
            return 400, {"detail": str(error)}

    def update(self, reference, body):
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.execute("INSERT INTO event(kind,cause,body) VALUES('update',?,?)",
                            (reference, body))
            self.count("accepted", 1)
            self.db.execute("COMMIT")

    def line(self, text):
        kind = next(iter(json.loads(text)))
        inner = text[text.index(":") + 1:text.rindex("}")].strip()
        if kind != "update":
            self.accept([(kind, inner)])
            return
        match = re.match(r'\{"reference_id":("(?:[^"\\]|\\.)*"),', inner)
        self.update(json.loads(match[1]), "{" + inner[match.end():])


class StreamHandler(socketserver.StreamRequestHandler):
    def handle(self):
        acks, number = False, 0
        for raw in self.rfile:
            if not number and not acks and raw.strip() == b'{"acks":true}':
                acks = True
                continue
            number += 1
            self.server.daemon.line(raw.decode().strip())
            if acks:
                try:
                    self.wfile.write(f'{{"acked":{number}}}\n'.encode())
                except OSError:
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
    serve(ThreadingHTTPServer((host, int(port)), TCPHandler), store.app)
    wait_for_signal()


def ask(options, method, path, body=""):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.path.join(options.runtime_dir, "api.sock"))
    connection.request(method, path, body.encode())
    return connection.getresponse().read().decode()


def log(options):
    value = {"project": options.project, "output": options.output}
    print(ask(options, "POST", "/logs", json.dumps(value, separators=(",", ":"))))


def feedback(options):
    value = {"type": options.type, "value": options.value, "data_id": options.data_id}
    print(ask(options, "POST", "/feedback",
              json.dumps(value, separators=(",", ":"))))


def send(options):
    file = sys.stdin.buffer if options.file == "-" else open(options.file, "rb")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(options.runtime_dir, "events.sock"))
        data = file.read()
        s.sendall(b'{"acks":true}\n' + data)
        s.shutdown(socket.SHUT_WR)
        while answer := s.recv(65536):
            last = json.loads(answer.decode().split("\n")[-2])
        sys.exit(0 if last["acked"] == data.count(b"\n") else 1)


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
    command("archive", archive, "serve", "--listen", "--state-dir", "--record")
    command("status", lambda o: print(ask(o, "GET", "/status")), "--runtime-dir")
    commands.choices["status"].add_argument("--json", action="store_true")
    command("log", log, "--runtime-dir", "--project", "--output")
    command("feedback", feedback, "--runtime-dir", "--type", "--value", "--data-id")
    command("send", send, "file", "--runtime-dir")
    options = parser.parse_args()
    options.act(options)


if __name__ == "__main__":
    main()
