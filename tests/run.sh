#!/usr/bin/env bash
# Installs everything that the tests need, browser and OpenCode included, into .venv and .tools where it can, and runs
# them all. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null; }

if [ ! -x .venv/bin/python ]; then
    python3 -m venv .venv
fi
.venv/bin/python -m pip install --quiet --editable '.[dev]'

missing=()
has git || missing+=(git)
has rg || missing+=(ripgrep)
has npm || missing+=(nodejs npm)
if has apt-get && [ "$(id -u)" = 0 ]; then
    has chromium || has google-chrome || missing+=(chromium fonts-dejavu-core)
    if [ ${#missing[@]} -gt 0 ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
elif [ ${#missing[@]} -gt 0 ]; then
    echo "Install first, for OpenCode, which the tests run: ${missing[*]}" >&2
    exit 1
fi
if ! has chromium && ! has google-chrome; then
    .venv/bin/python -m playwright install --with-deps chromium
fi
if [ ! -x .tools/node_modules/.bin/opencode ]; then
    npm install --prefix .tools opencode-ai@1.18.33 --no-audit --no-fund --loglevel=error
fi

.venv/bin/ruff check .
.venv/bin/ruff format --check .
# Two files at a time, a core each: threads of two processes that share two cores wait for one another. In the order of
# their names, by which those with few tests that take long come first.
OMP_NUM_THREADS=1 exec .venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder "$@"
