#!/usr/bin/env bash
# Remove all files that set-up and runs created in this folder, including the data of `livetwin up`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -f .livetwin/lock ] && ! flock --nonblock .livetwin/lock true; then
  echo "clean: error: livetwin up is running here (pid $(cat .livetwin/lock)): stop it first" >&2
  exit 1
fi
# If a service cannot enter this folder, its data is elsewhere, behind a link.
for service in postgres mosquitto kafka; do
  if [ -L ".livetwin/$service" ]; then
    target="$(readlink -f ".livetwin/$service")"
    case "$target" in
      /var/lib/livetwin/*) rm -rf "$target" && rmdir --ignore-fail-on-non-empty "$(dirname "$target")" ;;
    esac
  fi
done
rm -rf .livetwin .venv dist api/static web/node_modules web/build clients/typescript/dist clients/typescript/node_modules tests/pglite/node_modules benchmarks/out docs/_build docs/reference/python/*/ docs/reference/http-api.md
rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
find . -name __pycache__ -type d -prune -exec rm -rf {} +
