#!/usr/bin/env bash
# Makes the environment that every make target uses: .venv with what the locks name, our package in place, the console's page built.
# Idempotent; each part is skipped when the digest of what it is made from has not changed since it last succeeded.
# What belongs here: Python and Node only. Servers and Debian packages are deploy/local/obtain.py and debian-packages.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

VENV=.venv
WEB=services/console/web

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Digest of the files named on standard input, one a line: names and contents.
digest_of_files() { LC_ALL=C sort | tr '\n' '\0' | xargs -0 --no-run-if-empty sha256sum | sha256sum | cut -d' ' -f1; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [[ -n "$candidate" ]] && command -v "$candidate" >/dev/null || continue
    if "$candidate" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or newer is needed and was not found; install it or name it: make setup PYTHON=/path/to/python3.11"
}

python_environment() {
  local digest
  digest=$(printf '%s\n' pyproject.toml locks/dev.txt locks/tools.txt deploy/local/setup.sh | digest_of_files)
  if [[ -x $VENV/bin/kanhu && "$(cat $VENV/.kanhu-setup 2>/dev/null)" == "$digest" ]]; then return; fi

  if [[ ! -x $VENV/bin/python ]]; then
    local python
    python=$(find_python)
    say "making $VENV with $python"
    "$python" -m venv $VENV
  fi
  say "installing what locks/dev.txt names into $VENV"
  $VENV/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/tools.txt
  $VENV/bin/uv pip install --quiet --python $VENV/bin/python --require-hashes -r locks/dev.txt
  # hatchling comes from locks/tools.txt, so building our own package fetches nothing unpinned either.
  $VENV/bin/uv pip install --quiet --python $VENV/bin/python --no-deps --no-build-isolation -e .
  printf '%s\n' "$digest" > $VENV/.kanhu-setup
}

console_page() {
  [[ -f $WEB/package-lock.json ]] || return 0
  local digest stamp=$WEB/node_modules/.kanhu-setup
  digest=$(find $WEB \( -name node_modules -o -name dist \) -prune -o -type f -print | digest_of_files)
  if [[ -f $WEB/dist/index.html && "$(cat $stamp 2>/dev/null)" == "$digest" ]]; then return; fi

  command -v npm >/dev/null || fail "Node.js 20 or newer with npm is needed to build the console's page; install it and run make setup again"
  local lock_stamp=$WEB/node_modules/.kanhu-lock lock_digest
  lock_digest=$(printf '%s\n' $WEB/package-lock.json | digest_of_files)
  if [[ "$(cat $lock_stamp 2>/dev/null)" != "$lock_digest" ]]; then
    say "installing what $WEB/package-lock.json names"
    npm --prefix $WEB ci --no-audit --no-fund --loglevel=error
    printf '%s\n' "$lock_digest" > $lock_stamp
  fi
  say "building the console's page"
  npm --prefix $WEB run --silent build
  printf '%s\n' "$digest" > $stamp
}

# One at a time: several make targets may be started at once. The lock is this directory itself, so nothing is left behind.
exec 9< deploy/local
flock 9
python_environment
console_page
