#!/bin/sh
# Runs scripts/sdk_check.py and sdk_suite.py with the official Python SDK, installed once into
# .venv/ (about 30 s). Where the package index cannot be reached there is nothing to run: said in
# one line, and no failure; but never in CI.
set -eu
cd "$(dirname "$0")/.."
version=0.7.35
asks="import importlib.metadata as m; assert m.version('humanloop') == '$version'"

# Whether a connection to pip's index opens.
reaches_index() {
    .venv/bin/python - "$(.venv/bin/pip config get global.index-url 2>/dev/null || true)" <<'PYTHON'
import os, socket, sys, urllib.parse
from pip._internal.models.index import PyPI
url = urllib.parse.urlsplit(os.environ.get("PIP_INDEX_URL") or sys.argv[1] or PyPI.simple_url)
try:
    port = url.port or (80 if url.scheme == "http" else 443)
    socket.create_connection((url.hostname, port), timeout=10).close()
except OSError:
    sys.exit(1)
PYTHON
}

if ! .venv/bin/python -c "$asks" 2>/dev/null; then
    echo "installing humanloop==$version into .venv"
    python3 -m venv .venv || {
        echo "python3 -m venv failed: apt-get install python3-venv" >&2
        exit 1
    }
    if ! .venv/bin/pip install --quiet --disable-pip-version-check "humanloop==$version"; then
        if [ "${CI:-}" != true ] && ! reaches_index; then
            echo "SKIPPED: the Python SDK was not tested, as its package index cannot be reached"
            exit 0
        fi
        exit 1
    fi
fi
if [ "${1:-}" = --bin ]; then
    shift
fi
.venv/bin/python scripts/sdk_check.py ${1:+--bin "$1"}
exec .venv/bin/python scripts/sdk_suite.py ${1:+--bin "$1"}
