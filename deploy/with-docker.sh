#!/usr/bin/env bash
# Run a command with a Docker engine: a running one, else one that is started for the command and stopped after it.
#
#   deploy/with-docker.sh COMMAND…
#
# An engine needs a network bridge, a firewall and a layered file system, which some machines lack: the script tries
# several options and prints them. Images are kept for the next run. `deploy/setup.sh --docker` installs an engine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ANSWER_TIMEOUT_S=20
START_TIMEOUT_S=60
STOP_TIMEOUT_S=30

say() { printf 'docker: %s\n' "$*" >&2; }
fail() {
  printf 'docker: error: %s\n' "$*" >&2
  exit 1
}

# A socket may exist without a running engine.
answers() { timeout "$ANSWER_TIMEOUT_S" docker info >/dev/null 2>&1; }

engine=""
runtime=""

# ended_within PID SECONDS: wait for the end of a process; false after the time.
ended_within() {
  local waited=0
  while kill -0 "$1" 2>/dev/null; do
    [ "$waited" -lt $(($2 * 10)) ] || return 1
    waited=$((waited + 1))
    sleep 0.1
  done
}

# Stop the engine that this script has started, by its process id.
end_engine() {
  if [ -n "$engine" ] && kill "$engine" 2>/dev/null && ! ended_within "$engine" "$STOP_TIMEOUT_S"; then
    say "the engine (pid $engine) does not stop: killing it and its containerd"
    kill -KILL "$engine" "$(cat "$runtime/exec/containerd/containerd.pid" 2>/dev/null)" 2>/dev/null || true
    ended_within "$engine" "$STOP_TIMEOUT_S" || say "the engine (pid $engine) is still running"
  fi
  engine=""
}
clean_up() {
  end_engine
  [ -z "$runtime" ] || rm -rf "$runtime"
}

# Start an engine with options; false if it ends or gives no answer in time.
start_engine() {
  dockerd --pidfile="$runtime/dockerd.pid" --exec-root="$runtime/exec" "$@" >"$runtime/dockerd.log" 2>&1 &
  engine=$!
  local waited=0
  until answers; do
    if ! kill -0 "$engine" 2>/dev/null || [ "$waited" -ge $((START_TIMEOUT_S * 10)) ]; then
      end_engine
      return 1
    fi
    waited=$((waited + 1))
    sleep 0.1
  done
}

start_some_engine() {
  local options
  for options in \
    "" \
    "--iptables=false --ip6tables=false" \
    "--storage-driver=vfs" \
    "--iptables=false --ip6tables=false --storage-driver=vfs"; do
    # shellcheck disable=SC2086 # several options
    if start_engine $options; then
      say "started an engine${options:+ with $options}: $(docker info --format \
        '{{.ServerVersion}}, {{.Driver}}, cgroup v{{.CgroupVersion}} by {{.CgroupDriver}}')"
      return
    fi
    say "an engine does not start${options:+ with $options}: $(grep -iE 'fail|error' "$runtime/dockerd.log" | tail -n 1)"
  done
  tail -n 30 "$runtime/dockerd.log" >&2
  fail "no engine can be started on this machine, but tests with containers need one: see the messages above"
}

if answers; then
  say "using the running engine: $(docker info --format '{{.ServerVersion}}, {{.Driver}}')"
else
  command -v dockerd >/dev/null || fail "no engine is running or installed: run deploy/setup.sh --docker"
  [ "$(id -u)" -eq 0 ] || fail "no engine is running, and only root can start one: start it, or run this as root"
  runtime="$(mktemp -d)"
  trap clean_up EXIT
  start_some_engine
  # Nothing else uses this engine, so the command may remove leftovers of an earlier run.
  export STARTED_ENGINE=yes
fi
"$@"
