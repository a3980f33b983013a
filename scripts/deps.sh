#!/bin/sh
# Installs what building and testing need and the machine lacks: SQLite's header, and Python's venv.
# Arguments: programs that are needed besides, each in the package of its name (strace).
set -eu

missing=""
if ! pkg-config --exists sqlite3 2>/dev/null && [ ! -e /usr/include/sqlite3.h ]; then
    missing="libsqlite3-dev"
fi
if ! python3 -c "import ensurepip, venv" 2>/dev/null; then
    missing="$missing python3-venv"
fi
for program in "$@"; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

echo "installing $missing"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi
$as_root apt-get update -qq
# Names are split into words on purpose.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $missing
