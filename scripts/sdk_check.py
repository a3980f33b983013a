#!/usr/bin/env python3
"""The official Python SDK against a running daemon, unchanged but for its base URL.

A recording proxy before the daemon keeps the bytes that the SDK really sent; the judge then
compares them with the archive's raw record. Run it by scripts/sdk_check.sh, which provides the SDK.
"""
import argparse
import json
import socket
import threading
import time
import urllib.parse
from datetime import datetime, timezone

from check_record import digest, elements
from spooltools import (ArchiveServer, Daemon, Failure, Workplace, find_binary, harness_main,
                        run_check)


class RecordingProxy:
    """Forwards TCP connections byte by byte, and keeps what the clients sent."""

    def __init__(self, port):
        self.target = port
        self.sent = []          # a bytearray per connection
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept = bytearray()
            self.sent.append(kept)
            threading.Thread(target=self.pump, args=(client, server, kept), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, None), daemon=True).start()

    @staticmethod
    def pump(source, target, kept):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def requests(self):
        """(method, target, body) of every request, in the order of each connection."""
        found = []
        for data in map(bytes, self.sent):
            while data:
                head, _, rest = data.partition(b"\r\n\r\n")
                first, *fields = head.decode("latin-1").split("\r\n")
                names = {k.lower(): v for k, _, v in (f.partition(": ") for f in fields)}
                length = int(names.get("content-length", 0))
                method, target, _ = first.split(" ")
                found.append((method, target, rest[:length].decode()))
                data = rest[length:]
        return found


def use_the_sdk(url):
    """What an instrumented app does. Returns reference -> provisional id of the logs it named."""
    from humanloop import Humanloop
    client = Humanloop(api_key="not-needed-here", host=url)

    def check(what, good, value):
        print(f"{'ok ' if good else 'BAD'} {what}: {str(value)[:110]}", flush=True)
        if not good:
            raise Failure(f"the SDK did not get what it needs from {what}")

    one = client.log(project="sdk", reference_id="sdk-1",
                     inputs={"q": "Où? \"так\" \\ 🙂", "n": 1e-07},
                     messages=[{"role": "user", "content": "line\nbreak"}], output="first",
                     config={"type": "model", "model": "gpt-4", "temperature": 0.7},
                     metadata={"big": 2**60, "nothing": None}, duration=0.5,
                     created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc))
    check("log", one.id.startswith("data_") and bool(one.project_id), one)
    bare = client.log(project="sdk", output="without a reference")
    check("log without a reference", bare.id.startswith("data_"), bare)
    many = client.log([{"project": "sdk", "reference_id": f"sdk-array-{n}", "output": f"é {n}",
                        "parent_reference_id": "sdk-1"} for n in range(3)])
    check("log with an array", len(many) == 3 and all(m["id"] if isinstance(m, dict) else m.id
                                                      for m in many), many)
    update = client.logs.update_by_ref(reference_id="sdk-1", output="second", duration=1.5)
    check("update_by_ref", bool(update.id), update)
    rating = client.feedback(type="rating", value="good", data_id=one.id, user="u@example.com")
    check("feedback", bool(rating.id) and rating.type == "rating", rating)
    return {"sdk-1": one.id}


def journal_lines(requests, ids):
    """The journal of what the proxy saw, in the judge's format."""
    orders = {}
    by_id = {given: reference for reference, given in ids.items()}
    for method, target, body in requests:
        if method == "PATCH":
            query = urllib.parse.urlsplit(target).query
            reference = urllib.parse.parse_qs(query)["reference_id"][0]
            orders[reference] = orders.get(reference, 0) + 1
            yield {"kind": "update", "log": reference, "order": orders[reference],
                   "sha": digest(body)}
            continue
        for text in elements(body)[0]:
            value = json.loads(text)
            if target.endswith("/logs"):
                yield {"kind": "log", "log": value.get("reference_id"), "sha": digest(text),
                       "parent": value.get("parent_reference_id"),
                       "stamps": [k for k in ("reference_id", "created_at") if k not in value]}
            else:
                reference = by_id[value["data_id"]]
                orders[reference] = orders.get(reference, 0) + 1
                yield {"kind": "feedback", "log": reference, "order": orders[reference],
                       "stamps": ["created_at"], "swap": {"field": "data_id", "log": reference},
                       "sha": digest(text.replace(f'"{value["data_id"]}"', '""', 1))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin")
    options = parser.parse_args()
    binary = find_binary(options.bin)
    began = time.monotonic()
    with Workplace("sdk") as place:
        archive = place.own(ArchiveServer(binary, place.path)).start_and_wait()
        daemon = place.own(Daemon(binary, place.path, archive.url)).start_and_wait()
        proxy = RecordingProxy(daemon.port)
        ids = use_the_sdk(f"http://127.0.0.1:{proxy.port}/v4")
        status = daemon.wait_drained(60)
        journal = place.path / "journal.ndjson"
        lines = list(journal_lines(proxy.requests(), ids))
        journal.write_text("".join(json.dumps({**j, "state": "acked"}) + "\n" for j in lines))
        bad = run_check(journal, archive.record, status, place.path)
        print(f"{'FAILED' if bad else 'OK'}: {len(lines)} events from the SDK, byte-identical "
              f"apart from the stamps: {'no' if bad else 'yes'}, {time.monotonic() - began:.1f} s")
        return bad


if __name__ == "__main__":
    harness_main(main)
