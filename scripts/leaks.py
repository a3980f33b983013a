#!/usr/bin/env python3
"""Looks for memory that the daemon loses with every event: leaks.py --bin BINARY.

BINARY is built with AddressSanitizer, whose leak check runs when a process ends. Some objects live as
long as the process and are taken for lost, because only tagged pointers lead to them; their number does not
depend on the work. So two daemons do little and much work, and what is lost must be the same.
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

LITTLE, MUCH = 500, 5000
# Objects that come and go by chance: connections, threads.
SLACK = 20


def work(port, events):
    """Logs, feedback on them and live calls, over several connections."""
    for number in range(events):
        if number % 20 == 0:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        requests = [
            ("POST", "/v4/logs", {"project": f"p{number % 5}", "reference_id": f"r{number}", "output": "x" * 300}),
            ("POST", "/v4/feedback", {"reference_id": f"r{number}", "type": "rating", "value": "good"}),
        ]
        if number % 10 == 0:
            requests.append(("GET", "/v4/logs?project_id=none", None))
            requests.append(("POST", "/v4/logs", {"output": 1}))
        for method, path, body in requests:
            connection.request(
                method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"}
            )
            connection.getresponse().read()


def lost(binary, events):
    """How many allocations a daemon has lost that did so much work."""
    with tempfile.TemporaryDirectory() as directory:
        daemon = subprocess.Popen(
            [binary, "run", "--state-dir", directory, "--runtime-dir", f"{directory}/run", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
        )
        words = []
        port = None
        for line in daemon.stdout:
            words.append(line)
            if found := re.search(r"HTTP +http://127\.0\.0\.1:(\d+)", line):
                port = int(found[1])
                break
        if port is None:
            sys.exit("leaks.py: the daemon did not start:\n" + "".join(words))
        reader = threading.Thread(target=lambda: words.extend(daemon.stdout))
        reader.start()
        work(port, events)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(timeout=120)
        reader.join()
    text = "".join(words)
    if "AddressSanitizer: heap" in text or "AddressSanitizer: stack" in text:
        sys.exit("leaks.py: more than a leak:\n" + text)
    found = re.search(r"SUMMARY: AddressSanitizer: \d+ byte\(s\) leaked in (\d+) allocation", text)
    return int(found[1]) if found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="the daemon, built with AddressSanitizer")
    options = parser.parse_args()
    little, much = lost(options.bin, LITTLE), lost(options.bin, MUCH)
    print(f"allocations lost: {little} after {LITTLE} events, {much} after {MUCH}")
    if much > little + SLACK:
        sys.exit(f"leaks.py: {(much - little) / (MUCH - LITTLE):.2f} allocations an event are lost")


if __name__ == "__main__":
    main()
