#!/usr/bin/env python3
"""Tests the harnesses themselves, with scripts/fake_loopspool.py in the daemon's place: they must
pass with the honest stand-in, and fail with each fault planted into it. Most of a case is waiting,
so several run side by side: about a minute on two idle cores.
"""
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
FAKE = str(SCRIPTS / "fake_loopspool.py")
CRASH = ["crash.py", "--kills", "6", "--seed", "2", "--events", "1200", "--faults",
         "status=500:3%,reset:6%:after", "--drain-seconds", "8"]
DRILL = ["drill.py", "--events", "1500"]
BACKLOG = ["outage.py", "--events", "4000", "--size", "16384", "--dead-seconds", "0"]
DOWNTIME = ["outage.py", "--events", "300", "--dead-seconds", "6", "--rate", "400"]
AT_A_TIME = 6
# Name, command, planted fault, words that the output must have.
CASES = [
    ("judge: planted faults", ["check_record.py", "--self-test"], "", "0 missed"),
    ("crash: honest", [*CRASH[:-1], "60"], "", "duplicates 0, lost 0"),
    ("crash: archive restarted too",
     [*CRASH[:2], "12", *CRASH[3:-1], "60", "--restart-archive"], "", "duplicates 0, lost 0"),
    ("crash: two portions at a time", [*CRASH[:-1], "60", "--portion", "600"], "",
     "duplicates 0, lost 0"),
    ("crash: faults that never happen",
     [*CRASH[:-3], "status=418:0.0001%", "--drain-seconds", "60"], "none", "never happened"),
    ("crash: sends feedback again and does not count it",
     [*CRASH[:-3], "reset:25%:after", "--drain-seconds", "60"], "uncounted",
     "extra beyond possible_duplicates"),
    ("crash: sends again without asking", CRASH, "resend", "log applied twice"),
    ("crash: refuses nearly everything", [*CRASH, "--seconds", "5"], "full",
     "FAULT asked for, and not acknowledged in time"),
    ("crash: acknowledges before the commit", CRASH, "forget", "acknowledged log missing"),
    ("crash: re-encodes the JSON", CRASH, "reencode", "payload changed"),
    ("crash: does not wait for causes", CRASH, "hasty", "FAILED"),
    ("drill: honest", ["drill.py", "--events", "3000"], "", "VERDICT: good"),
    ("drill: swaps ids in the user's text", DRILL, "eager", "payload changed"),
    ("drill: no order among effects", DRILL, "shuffle", "effects of one log out of order"),
    ("outage: backlog, honest", BACKLOG, "", "VERDICT: good"),
    ("outage: backlog, keeps it in memory", BACKLOG, "leak", "FAULT memory: "),
    ("outage: backlog, keeps its file", BACKLOG, "hoard", "FAULT files: "),
    ("outage: in real time, honest", DOWNTIME, "", "next try was due"),
    ("outage: in real time, keeps it in memory", DOWNTIME, "leak", "FAULT memory grew by "),
    ("outage: in real time, many requests a try", DOWNTIME, "herd", "requests in "),
    ("outage: in real time, back late", DOWNTIME, "late", "FAULT delivery began "),
    ("demo", ["demo.py"], "", "\nOK: 248 acknowledged, 248 delivered"),
    ("demo: re-encodes the JSON", ["demo.py"], "reencode", "payload changed"),
]


def play(case):
    """Runs a case; True when it came out as it must."""
    name, command, fault, words = case
    began = time.monotonic()
    done = subprocess.run([sys.executable, SCRIPTS / command[0], *command[1:]], timeout=180,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "LOOPSPOOL_BIN": FAKE, "FAKE_FAULT": fault,
                               "LOOPSPOOL_DISCARD": "1"})
    good = bool(done.returncode) == bool(fault) and words in done.stdout
    told = f"{'ok ' if good else 'BAD'} {name} ({time.monotonic() - began:.1f} s)"
    print(told if good else f"{told}\n{done.stdout}", flush=True)
    return good


def main():
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        failed = list(pool.map(play, CASES)).count(False)
    print(f"{failed} of {len(CASES)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
