"""What the harnesses share: starting, watching and killing the processes under test.

Every wait has a deadline and polls a condition; processes are ended by their own pid only, also
when the harness itself is killed (PR_SET_PDEATHSIG).
"""
import contextlib
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POLL = 0.02
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """Something under test did not do what it must: the message says what, and where to look."""


def find_binary(given=None):
    """The daemon: the argument, $LOOPSPOOL_BIN, or the newest local build."""
    if given or os.environ.get("LOOPSPOOL_BIN"):
        return os.path.abspath(given or os.environ["LOOPSPOOL_BIN"])
    builds = [ROOT / d / "loopspool" for d in
              (".build-release/release", ".build/release", ".build/debug")]
    found = [b for b in builds if b.exists()]
    if not found:
        raise Failure("no loopspool binary: run `make build`, or set LOOPSPOOL_BIN")
    return str(max(found, key=lambda b: b.stat().st_mtime))


def die_with_parent(number=signal.SIGKILL):
    """In a child: the signal it gets when its parent is gone, however that ended (prctl(2))."""
    LIBC.prctl(PR_SET_PDEATHSIG, number)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds, what, poll=POLL):
    """The first true value of condition(); Failure once the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:g} s in vain for {what() if callable(what) else what}")
        time.sleep(poll)
    return value


class UnixHTTP(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self.path)
        except OSError:
            self.sock.close()
            self.sock = None
            raise


class Program:
    """A process under test. Its output goes to a file, its pid is the only handle to it."""

    def __init__(self, name, arguments, directory, environment=None):
        self.name, self.arguments = name, [str(a) for a in arguments]
        mine = {k: v for k, v in os.environ.items() if not k.startswith("LOOPSPOOL_")}
        self.environment = {**mine, **(environment or {})}
        self.log_path = Path(directory, f"{name}.log")
        self.process = None

    def start(self, **more):
        """Starts it; `more` are environment variables of this start alone."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**self.environment, **more},
                                            preexec_fn=die_with_parent)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def require_running(self):
        if not self.running():
            code = self.process.returncode if self.process else "none"
            raise Failure(f"{self.name} exited (status {code}); its output:\n{self.tail()}")
        return True

    def tail(self, lines=8):
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def kill9(self):
        """`kill -9`, and gone when this returns."""
        if self.running():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, seconds=20):
        """SIGTERM, then its exit status; Failure (and SIGKILL) when it does not end in time."""
        if not self.running():
            return self.process.returncode if self.process else None
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise Failure(f"{self.name} did not end {seconds} s after SIGTERM")

    def memory(self):
        """(VmRSS, VmHWM) in MB."""
        fields = dict(line.split(":", 1) for line in
                      Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return tuple(int(fields[k].split()[0]) / 1024 for k in ("VmRSS", "VmHWM"))

    def cpu(self):
        """User and system seconds spent so far."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def answers(host, port, path):
    """True when GET path is answered 200."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def connects(host, port):
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), 1).close()
        return True
    return False


class Daemon(Program):
    """`loopspool run` on paths below one directory and a port of its own."""

    def __init__(self, binary, directory, upstream=None):
        self.binary = binary
        self.state, self.runtime = Path(directory, "state"), Path(directory, "run")
        self.port = free_port()
        for path in (self.state, self.runtime):
            path.mkdir(mode=0o700, exist_ok=True)
        arguments = [binary, "run", "--state-dir", self.state, "--runtime-dir", self.runtime,
                     "--listen", f"127.0.0.1:{self.port}"]
        if upstream:
            arguments += ["--upstream", upstream]
        super().__init__("daemon", arguments, directory)

    @property
    def api_socket(self):
        return self.runtime / "api.sock"

    @property
    def events_socket(self):
        return self.runtime / "events.sock"

    def start_and_wait(self, seconds=15):
        self.start()
        wait_for(lambda: self.require_running() and answers("127.0.0.1", self.port, "/readyz")
                 and self.events_socket.exists(), seconds, "the daemon to answer /readyz")
        return self

    def connect(self, unix=False, timeout=30):
        """A client connection; it opens with its first request."""
        if unix:
            return UnixHTTP(self.api_socket, timeout)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def status(self):
        """What `status --json` prints, or None while it cannot be asked."""
        command = [self.binary, "status", "--json", "--runtime-dir", self.runtime]
        try:
            done = subprocess.run(command, capture_output=True, timeout=15)
        except subprocess.TimeoutExpired:
            raise Failure("`loopspool status` did not end within 15 s")
        if done.returncode:
            self.require_running()
            return None
        return json.loads(done.stdout)

    def drained(self):
        """The status once nothing is queued or in flight, else None."""
        status = self.status()
        book = status["ledger"] if status else None
        return status if book and book["queued"] + book["in_flight"] == 0 else None

    def wait_drained(self, seconds):
        return wait_for(self.drained, seconds,
                        lambda: f"the queue to drain; ledger {(self.status() or {}).get('ledger')}",
                        poll=0.05)

    def spool_bytes(self):
        """Bytes of spool.db and its WAL."""
        files = [self.state / f"spool.db{end}" for end in ("", "-wal")]
        return [f.stat().st_size if f.exists() else 0 for f in files]


class ArchiveServer(Program):
    """`loopspool archive serve --record` on a port of its own; with `faults`, misbehaving so."""

    def __init__(self, binary, directory, faults=None, fault_seed=0):
        self.port = free_port()
        self.record = Path(directory, "record.ndjson")
        self.state = Path(directory, "archive")
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.control = Path(directory, "faults.sock")
        arguments = [binary, "archive", "serve", "--listen", f"127.0.0.1:{self.port}",
                     "--state-dir", self.state, "--record", self.record]
        if faults is not None:
            arguments += ["--faults", faults, "--fault-seed", fault_seed,
                          "--fault-control", self.control]
        super().__init__("archive", arguments, directory)

    def faults(self, text=None):
        """Sets the faults, if a text is given; what they did, as `GET /faults` says."""
        connection = UnixHTTP(self.control, 10)
        connection.request("GET" if text is None else "POST", "/faults", text)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status != 200:
            raise Failure(f"the faults were refused: {answer.decode()}")
        return json.loads(answer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v4"

    def start_and_wait(self, seconds=15):
        self.start()
        wait_for(lambda: self.require_running() and connects("127.0.0.1", self.port), seconds,
                 "the archive to listen")
        return self


class Workplace:
    """A temporary directory and the processes in it; both are gone afterwards.

    `keep` set: the directory stays, for whoever looks into a failure (but with $LOOPSPOOL_DISCARD).
    """

    def __init__(self, name):
        self.path = Path(tempfile.mkdtemp(prefix=f"loopspool-{name}-"))
        self.programs = []
        self.keep = False

    def own(self, program):
        self.programs.append(program)
        return program

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(143))
        return self

    def __exit__(self, kind, *_):
        for program in reversed(self.programs):
            program.kill9()
        if self.keep and not os.environ.get("LOOPSPOOL_DISCARD"):
            print(f"kept for inspection: {self.path}", flush=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)


def run_check(journal, record, status, directory, *options):
    """Runs the judge as a program of its own; its exit status."""
    file = Path(directory, "status.json")
    file.write_text(json.dumps(status))
    return subprocess.run([sys.executable, ROOT / "scripts/check_record.py", "--journal", journal,
                           "--record", record, "--status", file, *options]).returncode


def harness_main(main):
    """Runs main(); a Failure becomes one line and exit status 1."""
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
