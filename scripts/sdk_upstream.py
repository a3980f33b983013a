"""An upstream that answers as the API documents it, and keeps every request as it came."""
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What must reach upstream as the caller sent it. Encodings are the connection's own affair.
FORWARDED = ("accept", "content-type", "user-agent", "x-api-key")
MISSING = "pr_missing"
REFUSED = "pr_refused"
REFUSAL = {"detail": [{"loc": ["body", "name"], "msg": "is taken", "type": "value_error"}]}


@dataclass(frozen=True)
class Arrived:
    """A request, as far as the way through the daemon must not change it."""
    method: str
    target: str
    headers: tuple
    body: bytes


class Upstream:
    """The server: its answers by method and path, and what arrived."""

    def __init__(self, operations, answer, events):
        self.answers = {(o.method, o.target.partition("?")[0]): (o.status, answer(o))
                        for o in operations}
        self.events = events
        self.arrived = []
        self.released = threading.Event()       # lets a stream go on after its first event
        self.patience = 20                      # seconds that a stream waits for that
        self.late = False                       # that permission did not come in time
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self.server.daemon_threads = True
        self.server.upstream = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v4"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self):
        """What arrived since the last time."""
        taken, self.arrived = self.arrived, []
        return taken

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Exchange(BaseHTTPRequestHandler):
    """One connection."""
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle_any(self):
        upstream = self.server.upstream
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = self.read_chunks()
        target = self.path.removeprefix("/v4")
        upstream.arrived.append(Arrived(self.command, target, tuple(
            (name, self.headers.get(name)) for name in FORWARDED), body))
        value = json.loads(body) if body else {}
        if isinstance(value, dict) and value.get("stream"):
            return self.stream(upstream)
        path = target.partition("?")[0]
        status, answer = upstream.answers.get((self.command, path),
                                              (404, {"detail": f"nothing at {path}"}))
        if path.endswith(REFUSED):
            status, answer = 422, REFUSAL
        self.send_response(status)
        data = b"" if answer is None else json.dumps(answer, ensure_ascii=False).encode()
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def read_chunks(self):
        body = b""
        while length := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def stream(self, upstream):
        """Server-sent events, the second only when the test has seen the first."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(upstream.events):
            if number == 1:
                upstream.late = not upstream.released.wait(upstream.patience)
            data = f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
