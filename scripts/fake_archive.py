"""The stand-in's archive, and the small HTTP server that both halves of the stand-in use."""
import json
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NOW = "2026-01-02T03:04:05.678+00:00"


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
        status, value = self.server.app(self.command, self.path, body)
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
        if record.exists():
            for r in map(json.loads, open(record)):
                self.answer(r["method"], r["path"], r["body"])
        self.record = open(record, "a")

    def app(self, method, path, body):
        with self.lock:
            status, value = self.answer(method, path, body)
            self.record.write(json.dumps({"time": NOW, "method": method, "path": path, "body": body,
                                          "status": status, "answer": json.dumps(value)}) + "\n")
            self.record.flush()
            return status, value

    def answer(self, method, path, body):
        parts = urllib.parse.urlsplit(path)
        route = parts.path.replace("/v4", "")
        if method == "PATCH":
            reference = urllib.parse.parse_qs(parts.query)["reference_id"][0]
            known = self.logs.get(reference)
            if not known:
                return 404, {"detail": "unknown"}
            return 200, {"id": known, "reference_id": reference}
        values = json.loads(body)
        many = values if isinstance(values, list) else [values]
        for index, value in enumerate(many):
            for key, known in (("parent_reference_id", self.logs), ("parent_id", self.ids),
                               ("data_id", self.ids)):
                if value.get(key) and value[key] not in known:
                    return 422, {"detail": [{"loc": ["body", index, key], "msg": "?", "type": "?"}]}
        answers = []
        for value in many:
            self.count += 1
            name = ("data_%021d" if route == "/logs" else "ann_%021d") % (self.count + 10**9)
            if route == "/logs":
                self.logs[value.get("reference_id")] = name
                self.ids.add(name)
            answers.append({"id": name, "project_id": "pr_1", "type": "t", "value": "v"})
        return 200, answers if isinstance(values, list) else answers[0]
