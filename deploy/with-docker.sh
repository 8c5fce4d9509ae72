#!/usr/bin/env bash
# Runs a command with a Docker engine: the one that answers, else one that is started for it and ended after it.
#
#   deploy/with-docker.sh COMMAND…
#
# An engine needs a bridge, a firewall and a file system in layers, and not every machine has all three: what it starts
# with is tried out, and said. Images stay for the next time. `deploy/setup.sh --docker` installs one.
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

# A socket may be there behind which nobody answers.
answers() { timeout "$ANSWER_TIMEOUT_S" docker info >/dev/null 2>&1; }

engine=""
runtime=""

# Whether a process has ended within a time.
ended_within() {
  local waited=0
  while kill -0 "$1" 2>/dev/null; do
    [ "$waited" -lt $(($2 * 10)) ] || return 1
    waited=$((waited + 1))
    sleep 0.1
  done
}

# Ends what we started, by its process id, and nothing else.
end_engine() {
  if [ -n "$engine" ] && kill "$engine" 2>/dev/null && ! ended_within "$engine" "$STOP_TIMEOUT_S"; then
    say "the engine (pid $engine) does not end by itself: it is killed, and what keeps its containers"
    kill -KILL "$engine" "$(cat "$runtime/exec/containerd/containerd.pid" 2>/dev/null)" 2>/dev/null || true
    ended_within "$engine" "$STOP_TIMEOUT_S" || say "the engine (pid $engine) does not end at all"
  fi
  engine=""
}
clean_up() {
  end_engine
  [ -z "$runtime" ] || rm -rf "$runtime"
}

# Starts an engine with options; false when it ends or does not answer in time.
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
    # shellcheck disable=SC2086 # words of their own
    if start_engine $options; then
      say "started an engine${options:+ with $options}: $(docker info --format \
        '{{.ServerVersion}}, {{.Driver}}, cgroup v{{.CgroupVersion}} by {{.CgroupDriver}}')"
      return
    fi
    say "an engine does not start${options:+ with $options}: $(grep -iE 'fail|error' "$runtime/dockerd.log" | tail -n 1)"
  done
  tail -n 30 "$runtime/dockerd.log" >&2
  fail "no engine can be had on this machine: the last one's messages are above. The tests with containers need one"
}

if answers; then
  say "using the engine that runs: $(docker info --format '{{.ServerVersion}}, {{.Driver}}')"
else
  command -v dockerd >/dev/null || fail "no engine answers, and none is installed: deploy/setup.sh --docker"
  [ "$(id -u)" -eq 0 ] || fail "no engine answers, and only root can start one: start it, or run this as root"
  runtime="$(mktemp -d)"
  trap clean_up EXIT
  start_some_engine
  # Nobody else is on it: the command may remove what an earlier run left behind.
  export STARTED_ENGINE=yes
fi
"$@"
