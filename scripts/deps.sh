#!/bin/sh
# Installs what the build needs and the machine lacks: SQLite's header.
set -eu

if pkg-config --exists sqlite3 2>/dev/null || [ -e /usr/include/sqlite3.h ]; then
    exit 0
fi
echo "installing libsqlite3-dev (the header of the system's SQLite)"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq libsqlite3-dev
