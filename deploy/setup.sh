#!/usr/bin/env bash
# Install what is missing: Debian packages, the Python environment .venv, the page.
#
#   deploy/setup.sh          what `make demo` needs
#   deploy/setup.sh --checks also the needs of `make check`: the linter of the API's description,
#                            if NLGOV_RULESETS is a folder
#   deploy/setup.sh --tests  also the needs of the tests: a browser, Prometheus' promtool,
#                            TimescaleDB's Community edition
#   deploy/setup.sh --docker also the needs of the tests with containers: a Docker engine
#
# It is quick if nothing is missing, and needs root or sudo only to install Debian packages.
# PYTHON is the interpreter for .venv (3.11 or later; by default /usr/bin/python3, else python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Some build services set no home folder, which pip and npm need for their caches.
if [ -z "${HOME:-}" ] || [ ! -w "${HOME}" ]; then
  HOME="$(mktemp -d)"
  export HOME
  made_home="$HOME"
fi
made_policy=""
apt_log="$(mktemp)"
clean_up() {
  rm -f "$apt_log"
  [ -z "${made_home:-}" ] || rm -rf "$made_home"
  [ -z "$made_policy" ] || as_root rm -f "$made_policy"
}
trap clean_up EXIT

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: error: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Hide hundreds of lines of output unless the command fails.
quietly() {
  "$@" >"$apt_log" 2>&1 && return
  tail -n 40 "$apt_log" >&2
  return 1
}

# --- Debian packages ----------------------------------------------------------------------------------------

# Debian builds its interpreter with profile-guided optimisation; others on the PATH are often a sixth slower. Use
# another one only if Debian's cannot create environments, and the packages for that cannot be installed.
default_python() {
  if /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
    { /usr/bin/python3 -c 'import ensurepip, venv' || [ "$(id -u)" -eq 0 ] || command -v sudo; } >/dev/null 2>&1
  then
    echo /usr/bin/python3
  else
    echo python3
  fi
}
PYTHON="${PYTHON:-$(default_python)}"

# An installed program counts, whatever its source.
missing_packages() {
  local path="$PATH:/usr/sbin:/usr/local/sbin"
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || [ -x .venv/bin/python ] || echo python3-venv
  PATH="$path" command -v setpriv >/dev/null || echo util-linux
  PATH="$path" command -v mosquitto >/dev/null || echo mosquitto
  PATH="$path" command -v mosquitto_pub >/dev/null || echo mosquitto-clients
  [ -x /usr/lib/postgresql/17/bin/postgres ] || echo postgresql-17
  [ -f /usr/share/postgresql/17/extension/timescaledb.control ] || echo postgresql-17-timescaledb
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
  if [ "${1:-}" = --tests ]; then
    command -v chromium >/dev/null || echo chromium
    command -v promtool >/dev/null || echo promtool
  fi
  if [ "${1:-}" = --docker ]; then
    PATH="$path" command -v dockerd >/dev/null || docker info >/dev/null 2>&1 || echo docker.io
    PATH="$path" command -v iptables >/dev/null || docker info >/dev/null 2>&1 || echo iptables
    command -v docker >/dev/null || echo docker-cli
    docker compose version >/dev/null 2>&1 || echo docker-compose
    docker buildx version >/dev/null 2>&1 || echo docker-buildx
    PATH="$path" command -v debootstrap >/dev/null || echo debootstrap
  fi
}

# Debian starts a service when it installs it, on the port that `livetwin up` needs for its own. So the services of new
# packages are disabled. Services that were installed before do not change.
install_packages() {
  command -v apt-get >/dev/null || fail "apt-get is missing: this needs Debian 13, or install by hand: $*"
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    fail "root is needed once; run as root: apt-get update && apt-get install --no-install-recommends $*"
  fi
  say "installing $* (a minute or so)"
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    made_policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$made_policy" >/dev/null
    as_root chmod 755 "$made_policy"
  fi
  quietly as_root apt-get update -q || fail "apt-get update failed: is the Debian registry reachable?"
  # A new machine may be installing its own upgrades: wait for them.
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" ||
    fail "apt-get could not install $*: see its message above"
  if command -v systemctl >/dev/null; then
    local package service
    for package in "$@"; do
      case "$package" in
        mosquitto) service=mosquitto ;;
        postgresql-17) service=postgresql ;;
        *) continue ;;
      esac
      as_root systemctl disable --quiet "$service" 2>/dev/null || true
    done
  fi
}

mapfile -t packages < <(missing_packages "${1:-}")
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"

# --- Python -------------------------------------------------------------------------------------------------

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$PYTHON is not Python 3.11 or later: set PYTHON=/path/to/python3.11"
  say "making the Python environment .venv with $("$PYTHON" --version)"
  rm -rf .venv
  "$PYTHON" -m venv .venv || fail "no environment: apt-get install python3-venv"
fi
# The path of the checkout counts, too: a moved environment does not work.
wanted="$(cat pyproject.toml constraints.txt <(pwd) | sha256sum)"
if [ "$(cat .venv/livetwin-setup 2>/dev/null)" != "$wanted" ]; then
  say "installing the Python packages"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
    --constraint constraints.txt --editable '.[tracing,dev]' ||
    fail "pip could not install the packages: see its message above; is the Python registry reachable?"
  printf '%s' "$wanted" >.venv/livetwin-setup
fi

# --- the page -----------------------------------------------------------------------------------------------

if [ -f web/package.json ]; then
  if [ ! -f web/node_modules/.livetwin-setup ] || [ web/package.json -nt web/node_modules/.livetwin-setup ]; then
    say "installing the page's libraries"
    (cd web && npm install --no-audit --no-fund --no-package-lock --no-progress --loglevel=error) ||
      fail "npm could not install the page's libraries: see its message above; is the npm registry reachable?"
    touch web/node_modules/.livetwin-setup
  fi
  # The client for TypeScript is a part of the page.
  if [ ! -f api/static/index.html ] || [ -n "$(find web clients/typescript/src -path web/node_modules -prune -o \
    -path web/build -prune -o -type f -newer api/static/index.html -print -quit)" ]; then
    say "building the page"
    (cd web && npm run --silent build -- --logLevel warn) || fail "the page could not be built: see the message above"
    # The build may keep the times of copied files.
    touch api/static/index.html
  fi
fi

# --- what checks and tests need of npm ----------------------------------------------------------------------

# install_npm FOLDER WHAT [OPTION...]: install the packages of a folder, unless they are there.
install_npm() {
  local folder="$1" what="$2"
  shift 2
  [ ! -f "$folder/node_modules/.livetwin-setup" ] ||
    [ "$folder/package.json" -nt "$folder/node_modules/.livetwin-setup" ] || return 0
  say "installing $what"
  (cd "$folder" && npm install "$@" --no-audit --no-fund --no-package-lock --no-progress --loglevel=error) ||
    fail "npm could not install $folder: see its message above; is the npm registry reachable?"
  touch "$folder/node_modules/.livetwin-setup"
}

if [ "${1:-}" = --checks ] && [ -d "${NLGOV_RULESETS:?}" ]; then
  install_npm tests/standards "the linter of the API's description"
fi
if [ "${1:-}" = --tests ]; then
  # Without peer dependencies, since the socket would install another PostgreSQL of 27 MB.
  install_npm tests/pglite "TimescaleDB's Community edition for the tests" --legacy-peer-deps
  install_npm tests/issuer "an OpenID provider for the tests"
  install_npm tests/durable_streams "a client of Durable Streams, and its conformance tests"
  install_npm tests/event_source "an EventSource for the tests"
fi
