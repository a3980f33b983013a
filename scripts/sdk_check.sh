#!/bin/sh
# Runs scripts/sdk_check.py with the official Python SDK, installed once into .venv/ (about 30 s).
set -eu
cd "$(dirname "$0")/.."
version=0.7.35
asks="import importlib.metadata as m; assert m.version('humanloop') == '$version'"
if ! .venv/bin/python -c "$asks" 2>/dev/null; then
    echo "installing humanloop==$version into .venv"
    python3 -m venv .venv || {
        echo "python3 -m venv failed: apt-get install python3-venv" >&2
        exit 1
    }
    .venv/bin/pip install --quiet --disable-pip-version-check "humanloop==$version"
fi
exec .venv/bin/python scripts/sdk_check.py "$@"
