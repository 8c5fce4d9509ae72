#!/usr/bin/env bash
# Asks the advisory services about known weaknesses of what we depend on: the exact versions of constraints.txt, and
# the page's libraries. Exit code 1: there are some; 2: a service could not be asked. What needs no service is in
# tests/unit/repository/test_dependencies.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
code=0

# worse CODE: an answer that is missing is worse than a bad one.
worse() { [ "$1" -gt "$code" ] && code="$1" || true; }

printf 'Python: %s distributions of constraints.txt\n' "$(grep -c == constraints.txt)"
python3 -m venv "$folder/env"
if "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'; then
  # Each version is exact: nothing is resolved, and nothing of them installed.
  "$folder/env/bin/pip-audit" --requirement constraints.txt --no-deps --disable-pip --progress-spinner=off \
    >"$folder/python.txt" 2>"$folder/python.err" || { grep -q 'Fix Versions' "$folder/python.txt" && worse 1 || worse 2; }
  # What the service does not answer for, pip-audit only lists, and says that nothing was found.
  skipped="$(grep -c 'could not be audited' "$folder/python.txt" || true)"
  grep -v 'could not be audited' "$folder/python.txt" || true
  if [ "$skipped" -gt 0 ]; then
    printf '%s distributions were not looked at: the service has no answer for them\n' "$skipped" >&2
    worse 2
  fi
else
  printf 'pip-audit could not be installed\n' >&2
  worse 2
fi

for package in web tests/pglite; do
  printf '%s: libraries of package.json and what they need\n' "$package"
  mkdir -p "$folder/$package"
  cp "$package/package.json" "$folder/$package/"
  (
    cd "$folder/$package"
    npm install --package-lock-only --legacy-peer-deps --no-fund --no-audit --no-progress --loglevel=error
    npm audit --no-fund
  ) >"$folder/npm.txt" 2>&1 || { grep -q 'Severity:' "$folder/npm.txt" && worse 1 || worse 2; }
  cat "$folder/npm.txt"
done

case "$code" in
  0) printf 'no known weakness\n' ;;
  1) printf 'there are known weaknesses: take a version that has them repaired, or say in docs/explanation/security.md why not\n' >&2 ;;
  *) printf 'an advisory service could not be asked: nothing is known of what it would have said\n' >&2 ;;
esac
exit "$code"
