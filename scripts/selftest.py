#!/usr/bin/env python3
"""Tests the harnesses themselves, with scripts/fake_loopspool.py in the daemon's place: they must
pass with the honest stand-in, and fail with each fault planted into it. About two minutes.
"""
import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
FAKE = str(SCRIPTS / "fake_loopspool.py")
CRASH = ["crash.py", "--kills", "6", "--seed", "2", "--events", "1200", "--faults",
         "status=500:3%,reset:6%:after", "--drain-seconds", "8"]
DRILL = ["drill.py", "--events", "1500"]
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
    ("outage", ["outage.py", "--events", "3000", "--dead-seconds", "0"], "", "VERDICT: good"),
    ("demo", ["demo.py"], "", "\nOK: 248 acknowledged, 248 delivered"),
    ("demo: re-encodes the JSON", ["demo.py"], "reencode", "payload changed"),
]


def main():
    failed = 0
    for name, command, fault, words in CASES:
        began = time.monotonic()
        done = subprocess.run([sys.executable, SCRIPTS / command[0], *command[1:]], timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "LOOPSPOOL_BIN": FAKE, "FAKE_FAULT": fault,
                                   "LOOPSPOOL_DISCARD": "1"})
        good = bool(done.returncode) == bool(fault) and words in done.stdout
        failed += not good
        print(f"{'ok ' if good else 'BAD'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
        if not good:
            print(done.stdout)
    print(f"{failed} of {len(CASES)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
