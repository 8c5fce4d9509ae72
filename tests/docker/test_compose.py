"""The compose file as an operator runs it: it becomes ready, values flow, it is secured, and recovers."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from storage.schema.rights import RIGHTS, role_user
from tests.docker.compose_project import ROLES, ComposeProject
from tests.docker.conftest import Running
from tests.support.repository import WHEEL_PACKAGES
from tests.support.waiting import wait_until
from twin.instant import MINUTE, Duration, format_instant

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"

SESSIONS = """
    SELECT DISTINCT usename FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

# A killed role restarts, reads the log and passes its health check.
BACK_S = 180.0
LIVE_S = 180.0
# Longer than the tests before and one wait.
HISTORY: Duration = 10 * MINUTE


def balance(project: ComposeProject) -> dict[str, Any]:
    answer = httpx.get(f"{project.http}/v1/ledger", params={"limit": 1}, timeout=LIVE_S)
    found: dict[str, Any] = answer.raise_for_status().json()["balance"]
    return found


def stored_observations(project: ComposeProject, entity: str, property: str) -> str:
    """Return the observations of the last minutes as JSON: they tell a late message from a missing one."""
    now = system_clock()
    span = {"start": format_instant(now - HISTORY), "end": format_instant(now)}
    url = f"{project.http}/v1/entities/{entity}/history"
    return httpx.get(url, params={"property": property, **span}, timeout=LIVE_S).text


def live(project: ComposeProject, **query: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield kind and content of each event of the live stream, until the time limit."""
    over = threading.Event()
    timer = threading.Timer(LIVE_S, over.set)
    timer.start()
    try:
        with httpx.stream("GET", f"{project.http}/v1/live", params=query, timeout=LIVE_S) as answer:
            kind = ""
            events: list[str] = []
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                if line.startswith("data: "):
                    events.append(f"{kind} {line.removeprefix('data: ')}")
                    yield kind, json.loads(line.removeprefix("data: "))
                if over.is_set():
                    stored = f"stored {stored_observations(project, **query)}, " if query else ""
                    raise AssertionError(
                        f"{query}: not what was waited for in {LIVE_S:.0f} s: {events[-5:]}, {stored}"
                        f"{balance(project)}, {project.compose('logs', '--no-color', '--tail', '10')}"
                    )
    finally:
        timer.cancel()


def test_the_installed_wheel_is_typed(running: Running) -> None:
    """Type checkers read the annotations of a package only where they find `py.typed` beside it."""
    program = (
        "import importlib.util, pathlib\n"
        f"for name in {WHEEL_PACKAGES!r}:\n"
        "    folder = pathlib.Path(importlib.util.find_spec(name).origin).parent\n"
        "    assert 'site-packages' in folder.parts and (folder / 'py.typed').exists(), folder\n"
    )
    done = running.project.inside("api", "/opt/livetwin/bin/python", "-I", "-c", program)
    assert done.returncode == 0, done.stderr


def test_the_system_is_ready(running: Running) -> None:
    def answer() -> httpx.Response:
        return httpx.get(f"{running.project.http}/v1/health/ready", timeout=LIVE_S)

    wait_until(lambda: answer().status_code == 200, lambda: answer().text, BACK_S)
    assert answer().json()["status"] == "ok"
    page = httpx.get(f"{running.project.http}/", timeout=LIVE_S)
    assert page.status_code == 200
    assert "<title>" in page.text


def test_values_of_simulated_devices_are_emitted_live_and_stored(running: Running) -> None:
    event = next(data for kind, data in live(running.project) if kind == "state")
    assert event["entityId"].startswith("alkmaar.")
    wait_until(lambda: balance(running.project)["stored"] > 0, lambda: balance(running.project), LIVE_S)
    assert balance(running.project)["lost"] == 0


def test_a_device_connects_by_tls_with_a_password_of_its_own(running: Running) -> None:
    """Its value becomes the state although the same station is simulated.

    The record has no time, so that the time of reception counts. That is later than each simulated value
    received before. A time in whole seconds may be earlier, and a late value causes no event.
    """
    project = running.project
    host, port = project.mqtts
    events_of_entity = live(project, entity="alkmaar.overdie", property="wind_speed")
    kind, content = next(events_of_entity)
    assert kind == "snapshot"
    if "value" not in content:
        # The stream starts from what is stored already, and emits only the newest of that. After the first
        # value it applies each record, in order of reception.
        next(data for kind, data in events_of_entity if kind == "state")
    record = {"bn": "weather-overdie:", "n": "wind_speed", "u": "km/h", "v": 18.9}
    command = ["mosquitto_pub", "-h", host, "-p", str(port), "-q", "1", "-V", "mqttv5"]
    command += ["--cafile", str(project.secrets / "accounts/server.crt"), "-u", "weather-overdie"]
    command += ["-t", "livetwin/alkmaar/weather-overdie/observations", "-m", json.dumps([record])]
    refused = subprocess.run([*command, "-P", "wrong"], check=False, capture_output=True, text=True)
    assert refused.returncode != 0
    subprocess.run([*command, "-P", running.devices["weather-overdie"]], check=True)
    value = next(
        data for kind, data in events_of_entity if kind == "state" and data["value"] == pytest.approx(5.25)
    )
    assert value["unit"] == "m/s"


@pytest.mark.parametrize("service", [*ROLES, "simulate", "mosquitto", "timescaledb"])
def test_a_container_is_not_root_and_writes_only_where_it_may(running: Running, service: str) -> None:
    project = running.project
    found = project.inspect(service)
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert found["HostConfig"]["Privileged"] is False
    assert found["HostConfig"]["Memory"] > 0
    assert found["HostConfig"]["NanoCpus"] > 0
    assert project.inside(service, "id", "-u").stdout.strip() not in ("", "0")
    refused = project.inside(service, "sh", "-c", "echo x >/etc/livetwin-test")
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr
    allowed = project.inside(service, "sh", "-c", "echo x >/tmp/livetwin-test")
    assert allowed.returncode == 0, allowed.stderr


def test_the_image_can_install_and_compile_nothing(running: Running) -> None:
    for program in ("pip", "gcc", "cc", "make", "npm", "node", "git"):
        assert running.project.inside("api", "sh", "-c", f"command -v {program}").stdout == ""
    without = running.project.inside("api", "/opt/livetwin/bin/python", "-c", "import pip")
    assert "No module named 'pip'" in without.stderr


def test_secrets_are_in_no_environment_and_no_log(running: Running) -> None:
    project = running.project
    known = {
        path.read_text().strip()
        for folder in (".", "mqtt", "database-roles", "kafka-roles")
        for path in (project.secrets / folder).iterdir()
        if path.is_file()
    }
    assert len(known) >= 20
    for service in [*ROLES, "simulate", "mosquitto", "timescaledb", "kafka"]:
        events = json.dumps(project.inspect(service)["Config"]) + project.compose(
            "logs", "--no-color", service
        )
        assert not [secret for secret in known if secret in events], service


@pytest.mark.parametrize(
    ("service", "reached", "not_reached"),
    [
        ("api", ("kafka:9092", "timescaledb:5432"), ("mosquitto:1883", "kafka:9093", "kafka:9094")),
        ("stream", ("kafka:9092", "timescaledb:5432"), ("mosquitto:1883",)),
        ("ingest", ("kafka:9092", "timescaledb:5432", "mosquitto:1883"), ()),
        ("simulate", ("mosquitto:1883",), ("kafka:9092", "timescaledb:5432", "api:8080", "stream:9100")),
    ],
)
def test_a_container_reaches_only_the_services_that_it_talks_to(
    running: Running, service: str, reached: tuple[str, ...], not_reached: tuple[str, ...]
) -> None:
    def connects(address: str) -> bool:
        words = ("/opt/livetwin/bin/python", "-I", "-c", CONNECT, *address.split(":"))
        return running.project.inside(service, *words).returncode == 0

    assert [address for address in reached if not connects(address)] == []
    assert [address for address in not_reached if connects(address)] == []


def test_each_role_uses_the_database_with_its_own_account(running: Running) -> None:
    def users() -> set[str]:
        command = ("psql", "--username=livetwin", "--tuples-only", "--no-align", f"--command={SESSIONS}")
        return set(running.project.inside("timescaledb", *command).stdout.split())

    # TimescaleDB's own workers are no clients, and `migrate` and `city` have ended.
    wait_until(lambda: users() == {role_user(role) for role in RIGHTS}, lambda: sorted(users()), BACK_S)


@pytest.mark.parametrize("role", ["ingest", "stream"])
def test_a_role_that_is_killed_comes_back_and_values_go_on(running: Running, role: str) -> None:
    project = running.project
    before = project.inspect(role)["RestartCount"]
    # The first process of the container is the engine's init; the role is its child.
    killed = project.inside(role, "bash", "-c", "kill -KILL $(cat /proc/1/task/1/children)")
    assert killed.returncode in (0, 137), killed.stderr
    wait_until(
        lambda: project.inspect(role)["RestartCount"] == before + 1 and project.health(role) == "healthy",
        lambda: json.dumps(project.inspect(role)["State"]),
        BACK_S,
    )
    first = next(data for kind, data in live(project) if kind == "state")
    assert first["quality"] in ("good", "estimated", "suspect")


def test_everything_is_ended_and_started_again_and_what_was_stored_is_there(running: Running) -> None:
    project = running.project
    before = balance(project)["stored"]
    assert before > 0
    project.compose("down", "--timeout", "20")
    project.up()
    assert balance(project)["stored"] >= before
