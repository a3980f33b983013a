"""The stand-in's archive, and the small HTTP server that both halves of the stand-in use."""
import json
import random
import socket
import threading
import urllib.parse
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; the server's `app(method, path, body)` gives (status, value)."""
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def address_string(self):
        return "-"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        answer = self.server.app(self.command, self.path, body)
        if answer is None:              # a fault that was asked for: no answer at all
            self.close_connection = True
            return
        status, value = answer
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_POST = do_PATCH = handle_any


class TCPHandler(Handler):
    disable_nagle_algorithm = True


class UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self):
        Path(self.server_address).unlink(missing_ok=True)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0

    def get_request(self):
        return self.socket.accept()[0], ("unix", 0)


def serve(server, app):
    server.daemon_threads = True
    server.app = app
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Archive:
    """A v4 store in memory, filled again from its own record at start."""

    def __init__(self, record):
        self.logs, self.ids, self.count, self.lock = {}, set(), 0, threading.Lock()
        self.named = {}             # (kind, the caller's name) -> id
        self.details = {}           # id of a log -> what every answer about it says
        if record.exists():
            for r in map(json.loads, open(record)):
                self.answer(r["method"], r["path"], r["body"])
        self.record = open(record, "a")

    def app(self, method, path, body):
        with self.lock:
            status, value = self.answer(method, path, body)
            self.record.write(json.dumps({"time": now(), "method": method, "path": path,
                                          "body": body, "status": status,
                                          "answer": json.dumps(value)}) + "\n")
            self.record.flush()
            return status, value

    def answer(self, method, path, body):
        parts = urllib.parse.urlsplit(path)
        route = [urllib.parse.unquote(p) for p in parts.path.split("/") if p not in ("", "v4")]
        if method == "PATCH":
            query = urllib.parse.parse_qs(parts.query)
            known = self.logs.get(query["reference_id"][0]) if len(route) == 1 else \
                route[1] if route[1] in self.ids else None
            return (200, self.details[known]) if known else (404, {"detail": "unknown"})
        if route == ["sessions"]:
            return 201, {"id": self.new("sesh_")}
        values = json.loads(body)
        many = values if isinstance(values, list) else [values]
        if route[-1] == "log":
            many = [values["log"]]
        for index, value in enumerate(many):
            for key, known in (("parent_reference_id", self.logs), ("parent_id", self.ids),
                               ("data_id", self.ids), ("log_id", self.ids),
                               ("session_id", self.ids), ("project_id", self.ids)):
                if value.get(key) and value[key] not in known:
                    return 422, {"detail": [{"loc": ["body", index, key], "msg": "?", "type": "?"}]}
        is_log = route[-1] in ("log", "logs")
        answers = [self.add_log(v) if is_log else {"id": self.new("ann_"), "type": "t",
                                                   "value": "v"} for v in many]
        return (201 if route[0] == "evaluations" else 200,
                answers if isinstance(values, list) else answers[0])

    def new(self, prefix):
        self.count += 1
        id = f"{prefix}{self.count + 10**9:021}"
        self.ids.add(id)
        return id

    def add_log(self, value):
        """A log; projects and sessions of the caller's own come into being with their first."""
        id = self.logs[value.get("reference_id")] = self.new("data_")
        project, session = value.get("project_id"), value.get("session_id")
        if not project:
            project = self.named.get(("pr", value["project"])) or self.new("pr_")
            self.named["pr", value["project"]] = project
        if name := value.get("session_reference_id"):
            session = self.named.get(("sesh", name)) or self.new("sesh_")
            self.named["sesh", name] = session
        self.details[id] = {"id": id, "project_id": project, "session_id": session}
        return self.details[id]


class Faults:
    """In front of an archive: `status` and `reset` of what `archive serve --faults` knows, with a
    share and with `after`."""

    def __init__(self, archive, text, seed):
        self.archive, self.random, self.lock = archive, random.Random(seed), threading.Lock()
        self.requests = self.handled = 0
        self.hits = {fault: 0 for fault in text.split(",") if fault}

    def app(self, method, path, body):
        with self.lock:
            self.requests += 1
            fault = next((f for f in self.hits if self.random.random() < self.share(f)), None)
            is_handled = not fault or fault.endswith(":after")
            self.handled += is_handled
            if fault:
                self.hits[fault] += 1
        answer = self.archive.app(method, path, body) if is_handled else None
        if fault and fault.startswith("status="):
            return int(fault[7:10]), {"detail": "a fault that was asked for"}
        return None if fault else answer

    def share(self, fault):
        return float(next((p[:-1] for p in fault.split(":") if p.endswith("%")), 100)) / 100

    def control(self, *_):
        return 200, {"requests": self.requests, "handled": self.handled,
                     "faults": [{"fault": f, "hits": n} for f, n in self.hits.items()]}
