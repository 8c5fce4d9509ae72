#!/usr/bin/env bash
# Ask the advisory services about known vulnerabilities of our dependencies: the exact versions of constraints.txt, and
# the libraries of the page. Exit code 1: there are some; 2: a service gave no answer. Checks without a service are in
# tests/unit/repository/test_dependencies.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
code=0

# worse CODE: keep the higher exit code, since a missing answer is worse than a known vulnerability.
worse() { [ "$1" -gt "$code" ] && code="$1" || true; }

printf 'Python: %s distributions of constraints.txt\n' "$(grep -c == constraints.txt)"
python3 -m venv "$folder/env"
if "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'; then
  # All versions are exact, so nothing is resolved or installed.
  "$folder/env/bin/pip-audit" --requirement constraints.txt --no-deps --disable-pip --progress-spinner=off \
    >"$folder/python.txt" 2>"$folder/python.err" || { grep -q 'Fix Versions' "$folder/python.txt" && worse 1 || worse 2; }
  # pip-audit lists distributions without an answer, but still reports that it found nothing.
  skipped="$(grep -c 'could not be audited' "$folder/python.txt" || true)"
  grep -v 'could not be audited' "$folder/python.txt" || true
  if [ "$skipped" -gt 0 ]; then
    printf '%s distributions were not audited: the service has no answer for them\n' "$skipped" >&2
    worse 2
  fi
else
  printf 'pip-audit could not be installed\n' >&2
  worse 2
fi

for package in web tests/pglite tests/standards tests/issuer tests/durable_streams tests/event_source; do
  printf '%s: libraries of package.json and their dependencies\n' "$package"
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
  0) printf 'no known vulnerability\n' ;;
  1) printf 'known vulnerabilities: use fixed versions, or justify them in docs/explanation/security.md\n' >&2 ;;
  *) printf 'an advisory service gave no answer, so the audit is incomplete\n' >&2 ;;
esac
exit "$code"
