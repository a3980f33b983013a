"""The points of the daemon's work where scripts/killpoints.py ends it, and strace, which does that.

SIGKILL is delivered when a thread enters the n-th call of a name among those that are selected, and
that call is not made: strace(1), "Tampering"; require_strace() proves it on the machine at hand.
"""
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from spooltools import Failure, wait_for

WRITES = ("write", "writev", "sendmsg", "sendto")
READS = ("read", "readv", "recvmsg", "recvfrom")
DATABASE, LOG, JOURNAL = "spool.db", "spool.db-wal", "spool.db-journal"


@dataclass(frozen=True)
class Point:
    """Where a life of the daemon ends: at one of these calls, on one of these files or sockets."""
    name: str
    meaning: str
    calls: tuple
    occurrences: range          # of one call, in one thread
    files: tuple = ()           # in the state directory
    peer: str = ""              # instead of files: the sockets' other end, "client" or "upstream"
    life: str = "first"         # "birth": the very first only; "recovery": one that follows a kill;
                                # "ending": it gets SIGTERM
    is_piled: bool = False      # large events, and upstream is down for the first life

    def pick(self, chance, divisor):
        """An occurrence at random, or one in the first part of them."""
        first, last = self.occurrences.start, self.occurrences.stop - 1
        return chance.randint(first, max(first, last // divisor))


POINTS = (
    Point("birth", "the first start, while the spool's file and its tables are made",
          ("pwrite64",), range(1, 8), (DATABASE, JOURNAL), life="birth"),
    Point("birth-sync", "the first tables, or what undoes them, are about to be synced",
          ("fdatasync",), range(1, 7), (DATABASE, JOURNAL), life="birth"),
    Point("birth-commit", "the journal that undoes the first tables is about to be removed",
          ("unlink",), range(1, 3), (JOURNAL,), life="birth"),
    Point("commit-bytes", "a commit's pages are about to be written to the log",
          ("pwrite64",), range(20, 1500), (LOG,)),
    Point("commit-sync", "a commit's pages are written, and about to be synced",
          ("fdatasync",), range(3, 45), (LOG,)),
    Point("checkpoint-bytes", "pages of the log are about to be copied into the database",
          ("pwrite64",), range(12, 70), (DATABASE,)),
    Point("checkpoint-sync", "copied pages are about to be synced, before the log starts anew",
          ("fdatasync",), range(3, 5), (DATABASE,)),
    Point("truncation", "the database is about to be cut to its length, at a checkpoint's end",
          ("ftruncate",), range(1, 3), (DATABASE,)),
    Point("vacuum", "most of the database is free pages, which are about to be cut off",
          ("ftruncate",), range(4, 6), (DATABASE,), life="recovery", is_piled=True),
    Point("answer", "something is committed, its answer or acks about to be written",
          WRITES, range(1, 40), peer="client"),
    Point("request", "a batch is leased, its request about to be written, whole or in part",
          WRITES, range(1, 20), peer="upstream"),
    Point("reply", "upstream has handled a request, its answer is about to be read",
          READS, range(1, 20), peer="upstream"),
    Point("recovery", "the start after a kill, while the log is synced, read and carried over",
          ("pwrite64", "fdatasync", "ftruncate"), range(1, 6), (DATABASE, LOG), life="recovery"),
    Point("close", "an orderly end: all is in the database, the log about to be removed",
          ("unlink",), range(1, 2), (LOG,), life="ending"),
)
CALL = re.compile(r"(\d+) +(\w+)\(")


class Trap:
    """strace, which ends one life at the n-th matching call."""

    def __init__(self, point, n, trace):
        self.point, self.n, self.trace = point, n, trace

    def command(self, paths, *how):
        """strace's command line, or the part of it in front of the daemon's."""
        calls = ",".join(self.point.calls)
        return ["strace", "-f", "-qq", "-y", "-s", "0", "-o", str(self.trace),
                *(part for path in paths for part in ("-P", str(path))), "-e", f"trace={calls}",
                "-e", f"inject={calls}:signal=SIGKILL:when={self.n}", *how]

    def words(self, pid):
        """What strace told, to the end. Failure unless it was this that ended the process."""
        end = re.compile(rf"^{pid} +\+\+\+ killed by SIGKILL", re.MULTILINE)
        wait_for(lambda: end.search(self.trace.read_text(errors="replace")), 10,
                 f"strace to tell of the kill in {self.trace}")
        text = self.trace.read_text(errors="replace")
        counts = Counter(CALL.findall(text))
        if self.n not in counts.values():
            raise Failure(f"SIGKILL did not come from strace: {self.trace} holds {counts}")
        return text


def require_strace():
    """strace must be there, may trace, and kills before the call it counts: a file stays short."""
    if not shutil.which("strace"):
        raise Failure("strace is missing; it is in Debian's package of that name: "
                      "`scripts/deps.sh strace` installs it")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "file")
        file.touch()
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-P", file, "-e", "trace=write",
             "-e", "inject=write:signal=SIGKILL:when=3", "dd", "if=/dev/zero", f"of={file}",
             "bs=10", "count=5", "status=none"], capture_output=True, text=True)
        if done.returncode != -signal.SIGKILL or file.stat().st_size != 20:
            raise Failure(f"strace cannot kill on entering a call here (status {done.returncode}, "
                          f"{file.stat().st_size} bytes written, 20 expected): "
                          f"{done.stderr.strip() or 'without a word'}")
