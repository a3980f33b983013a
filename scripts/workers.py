"""The connections of the load: one thread each, for HTTP and for the NDJSON stream."""
import http.client
import json
import socket
import threading
import time
from collections import deque

from author import DEPTH_MAX, RUNS_WITH_QUERY, Author
from spooltools import POLL, UnixHTTP


class Worker(threading.Thread):
    """One connection at a time, and events for it until the load ends."""

    def __init__(self, load, way, number, courier=False):
        super().__init__(name=f"{way}-{number}", daemon=True)
        self.load, self.way, self.mix = load, way, load.mix
        self.author = Author(load.seed, f"w{number}", load.mix)
        if way != "stream":
            self.author.runs = RUNS_WITH_QUERY
        self.random = self.author.random
        self.reconnections = -1
        self.error = None
        self.courier = courier
        self.deadline = load.deadline

    def run(self):
        try:
            self.work()
        except Exception as error:      # told by Load.join(), in the caller's thread
            self.error = error

    def events(self, count):
        """The next events: promised parents first, then whatever the mix says."""
        events = []
        while len(events) < count and (event := self.load.next_due()):
            events.append(event)
        for _ in range(self.load.take(count - len(events))):
            events.append(self.event())
        return events

    def event(self):
        dice, mix = self.random.random(), self.mix
        for share, make in ((mix.updates, self.update), (mix.feedback, self.feedback),
                            (mix.results, self.result), (mix.sessions, self.session),
                            (mix.evaluation_logs, self.evaluation_log)):
            if dice < share:
                if event := make():
                    return event
                break
            dice -= share
        return self.log()

    def chance(self, share):
        return share > 0 and self.random.random() < share

    def update(self):
        if log := self.load.subject(needs_id=False):
            return self.author.update(log, bool(log.id) and self.chance(self.mix.by_id))

    def feedback(self):
        by_reference = self.chance(self.mix.by_reference)
        if log := self.load.subject(needs_id=not by_reference):
            return self.author.feedback(log, by_reference)

    def result(self):
        by_reference = self.chance(self.mix.by_reference)
        if log := self.load.subject(needs_id=not by_reference):
            return self.author.result(log, by_reference)

    def session(self):
        return None if self.way == "stream" else self.author.session()

    def evaluation_log(self):
        return self.author.evaluation_log(**self.family(), **self.belonging())

    def log(self):
        if self.random.random() < self.mix.children * self.mix.early:
            return self.early_child()
        mint = self.way != "stream" and self.random.random() < self.mix.minted
        return self.author.log(mint=mint, **self.family(), **self.belonging())

    def family(self):
        """A parent, by reference or by provisional id, for the share of logs that have one."""
        by_id = self.random.random() < 0.3
        if self.random.random() < self.mix.children and (parent := self.load.parent(by_id)):
            return {"parent": parent.reference, "parent_id": parent.id if by_id else None,
                    "depth": parent.depth + 1}
        return {}

    def belonging(self):
        """A session and a project for the shares of logs that name them so."""
        found = {}
        if self.chance(self.mix.in_session):
            if self.random.random() < 0.5:
                found["session"] = self.load.session()
            else:
                found["session"] = (f"{self.load.seed}-{self.random.randrange(200)}", None)
        if self.chance(self.mix.by_project_id):
            found["project"] = self.load.project()
        return found

    def early_child(self):
        """A child whose parent is sent later, by whichever worker comes first."""
        parent = self.author.log()
        parent.promised = True
        child = self.author.log(parent.journal["log"], depth=1)
        with self.load.lock:
            self.load.due.append(parent)
        return child

    def reachable(self, connect):
        """Connects, again until it works or the load is over. True when connected."""
        while self.courier or self.load.going():
            try:
                connect()
                self.reconnections += 1
                return True
            except OSError:
                if self.courier and time.monotonic() > self.deadline:
                    return False
                time.sleep(POLL)
        return False


class Requests(Worker):
    """HTTP, over TCP or the Unix socket, one event or an array a request."""

    connection = None

    def work(self):
        while self.load.going():
            size = self.random.randint(2, self.mix.array) if self.way.endswith("array") else 1
            events = self.events(size)
            if not events:
                break
            logs = [e for e in events if e.kind == "log"]
            feedback = [e for e in events if e.kind == "feedback"]
            self.send(self.with_family(logs) if len(logs) > 1 else logs)
            self.send(feedback)
            for event in events:
                if event.kind not in ("log", "feedback"):
                    self.send([event])
        self.close()

    def with_family(self, logs):
        """Sometimes a child in front of, or behind, its parent in the same array."""
        parent = logs[0]
        if parent.journal["log"] and parent.depth < DEPTH_MAX and self.random.random() < 0.3:
            child = self.author.log(parent.journal["log"], depth=parent.depth + 1)
            logs.insert(self.random.randrange(2) * len(logs), child)
        return logs

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def connect(self):
        if self.way.startswith("unix"):
            connection = UnixHTTP(self.load.daemon.api_socket, 30)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.load.daemon.port, timeout=30)
        connection.connect()
        self.connection = connection

    def target(self, events):
        """Method, path and body."""
        base = self.random.choice(("", "/v4", "/v4/"))
        first = events[0]
        path = base + first.path
        if self.way.endswith("array") and first.kind in ("log", "feedback"):
            return "POST", path, "[" + ", ".join(e.text for e in events) + "]"
        return "PATCH" if first.kind == "update" else "POST", path, first.text

    def send(self, events):
        """One request, and what its answer says about its events."""
        if not events:
            return
        group = self.load.group() if len(events) > 1 else None
        for event in events:
            event.journal["group"] = group
        if not self.connection and not self.reachable(self.connect):
            return self.load.unsent(events)
        method, path, body = self.target(events)
        began = time.perf_counter()
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            self.connection.request(method, path, body.encode(), headers)
            response = self.connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return self.load.unacked(events)
        if self.way in self.load.latencies:
            self.load.latencies[self.way].append(time.perf_counter() - began)
        if response.will_close:
            self.close()
        if not 200 <= response.status < 300:
            self.load.refused(events, f"{response.status} {answer[:120].decode(errors='replace')}"
                              if response.status != 503 else "503")
            if response.status == 503:
                self.load.stopped.wait(0.1)
            return None
        answers = json.loads(answer)
        return self.load.acked(events, answers if isinstance(answers, list) else [answers])


class Stream(Worker):
    """NDJSON with acks on events.sock."""

    def work(self):
        self.socket = None
        self.waiting = deque()      # events of the lines without an ack yet, in order
        while self.load.going():
            events = self.events(self.random.randint(1, 40))
            if not events:
                break
            if not self.socket and not self.reachable(self.connect):
                self.load.unsent(events)
                break
            self.waiting.extend(events)
            try:
                self.socket.sendall("".join(map(self.line, events)).encode())
                while len(self.waiting) > self.mix.window - 40:
                    self.read()
            except OSError:
                self.give_up()
        self.finish()

    def line(self, event):
        return f'{{"{event.kind}":{event.stream_text or event.text}}}\n'

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        try:
            self.socket.connect(str(self.load.daemon.events_socket))
            self.socket.sendall(b'{"acks":true}\n')
        except OSError:
            self.socket.close()
            self.socket = None
            raise
        self.base, self.refused_lines, self.buffer = 0, {}, b""

    def finish(self):
        """Half-closes, as `nc -N` does, and waits for the acks of all lines."""
        if self.socket:
            try:
                self.socket.shutdown(socket.SHUT_WR)
                while self.waiting:
                    self.read()
            except OSError:
                pass
            self.give_up()

    def give_up(self):
        self.load.unacked(list(self.waiting))
        self.waiting.clear()
        self.socket.close()
        self.socket = None

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("closed")
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if "refused" in answer:
                self.refused_lines[answer["refused"]] = json.dumps(answer["detail"])[:120]
            else:
                self.settle(answer["acked"])

    def settle(self, upto):
        good = []
        while self.base < upto:
            self.base += 1
            event = self.waiting.popleft()
            if self.base in self.refused_lines:
                self.load.refused([event], "line: " + self.refused_lines.pop(self.base))
            else:
                good.append(event)
        self.load.acked(good)
