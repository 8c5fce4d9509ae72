#!/usr/bin/env bash
# The tests with containers; `make test-docker` calls it with an engine at hand (deploy/with-docker.sh).
#
#   IMAGES=official   pulls the images that docker-compose.yml names, instead of building the services' from
#                     Debian's packages
#   TESTS=…           what to run, for pytest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Five times what they took on two cores. Then they are interrupted, and tell where.
TESTS_TIMEOUT_S=3000

# It changes files of the embedded cluster.
left_out=(--ignore=tests/integration/stream/test_path_over_tls.py)

export LIVETWIN_IMAGE=livetwin:test
case "${IMAGES:-built}" in
  built)
    tests/docker/build-images.sh
    for service in mosquitto kafka timescaledb prometheus alertmanager; do
      export "LIVETWIN_IMAGE_${service^^}=livetwin-test:$service"
    done
    # It sweeps up behind tests, and is an image that cannot be built here; we sweep ourselves.
    export TESTCONTAINERS_RYUK_DISABLED=true
    export COMPOSE_FILE=docker-compose.yml:tests/docker/plain-log.yml
    # Tansu says nothing of an offset that it does not have, where Kafka and our own broker do.
    left_out+=(--deselect tests/integration/runtime/test_broker_contract.py::test_reading_at_a_missing_offset_is_an_error)
    # Nor does it delete records.
    left_out+=(--deselect tests/integration/runtime/test_lease.py::test_a_topic_whose_records_have_expired_is_claimed_again)
    ;;
  official) tests/docker/build-images.sh livetwin ;;
  *)
    echo "docker: error: IMAGES: found $IMAGES, expected built or official" >&2
    exit 2
    ;;
esac

# Removes what tests made: of one run, or of every one. A run that was killed could not, and its containers start again
# with the engine.
sweep() {
  local mine="name=^/?livetwin-test-${1:-}"
  docker container ls --all --quiet --filter "$mine" | xargs -r docker container rm --force --volumes >/dev/null
  docker volume ls --quiet --filter "$mine" | xargs -r docker volume rm >/dev/null
  docker network ls --quiet --filter "$mine" | xargs -r docker network rm >/dev/null
}
[ -z "${STARTED_ENGINE:-}" ] || sweep
TEST_RUN="$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')"
export TEST_RUN
trap 'sweep "$TEST_RUN"' EXIT

# The bills of materials, that of the images with what is in ours.
.venv/bin/python -m release sbom dist/sbom --image "$LIVETWIN_IMAGE"

# The compose file, and what integration tests ask of a service, asked of those in containers (of those tests that
# have one: tests/integration/conftest.py).
TESTS="${TESTS:-tests/docker tests/integration/runtime tests/integration/ingest tests/integration/stream \
  tests/integration/alerting tests/integration/outlets tests/integration/simulators tests/integration/storage \
  tests/integration/scale}"
# shellcheck disable=SC2086 # words of their own
TEST_SERVICES=containers timeout --foreground --signal=INT --kill-after=60 "$TESTS_TIMEOUT_S" \
  .venv/bin/pytest -p no:cacheprovider "${left_out[@]}" $TESTS
