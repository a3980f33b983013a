"""The suite's own test, run by `sdk_suite.py --self-test`: with an honest forwarder in the daemon's
place every live check must pass, and with each planted fault some must fail.
"""
import contextlib
import io
import logging
import socket

import sdk_operations
import sdk_suite
from sdk_check import RecordingProxy
from sdk_upstream import Upstream

# What a bad daemon would change on the way, and in how many checks it must show.
PLANTS = [("the daemon's own key", b"hl_sk_the_callers", b"hl_sk_the_daemons", 106),
          ("another path", b"pr_1/active", b"pr_2/active", 4),
          ("the query's order", b"size=5&page=2", b"page=2&size=5", 4),
          ("the query's encoding", b"%20b/", b"%20b%2F", 2),
          ("the body's bytes", b'\\"so\\"', b'\\"sO\\"', 6),
          ("the User-Agent", b"Konfig", b"Konfog", 106),
          ("upstream's words", b"is taken", b"is TAKEN", 2)]


class Forwarder(RecordingProxy):
    """Hands bytes on, and changes some."""
    old, new = b"", b""

    def pump(self, source, target, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(self.changed(data))
            target.shutdown(socket.SHUT_WR)

    def changed(self, data):
        return data.replace(self.old, self.new) if self.old else data


class Hoarder(Forwarder):
    """Keeps a stream back until its end."""
    held = b""

    def changed(self, data):
        if b"text/event-stream" not in data and not self.held:
            return data
        self.held += data
        if not data.endswith(b"0\r\n\r\n"):
            return b""
        data, self.held = self.held, b""
        return data


def failures(kind, old=b"", new=b"", streamed_only=False):
    """How many of the live checks fail with that in the daemon's place."""
    operations = sdk_operations.rows()
    upstream = Upstream(operations, sdk_operations.answer, sdk_operations.stream_events())
    upstream.patience = 1
    checks, daemon = sdk_suite.Checks(), kind(upstream.port)
    daemon.old, daemon.new = old, new
    with contextlib.redirect_stdout(io.StringIO()):
        if not streamed_only:
            sdk_suite.live(checks, daemon, upstream, operations)
        sdk_suite.streams(checks, daemon, upstream, operations)
    upstream.close()
    return checks.failed


def self_test():
    logging.disable(logging.ERROR)
    sdk_operations.finish_models()
    missed = failures(Forwarder)
    print(f"{'good' if not missed else 'BAD'}: an honest forwarder fails {missed} checks")
    for what, old, new, least in PLANTS:
        found = failures(Forwarder, old, new)
        missed += found < least
        print(f"{'caught' if found >= least else 'MISSED'}: {what}: {found} checks fail")
    found = failures(Hoarder, streamed_only=True)
    missed += found != 6
    print(f"{'caught' if found == 6 else 'MISSED'}: streams kept back: {found} checks fail")
    print(f"SELF-TEST: {missed} missed of {len(PLANTS) + 2}")
    return 1 if missed else 0
