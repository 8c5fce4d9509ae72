"""`livetwin up`, run as a program: it restarts processes, keeps its data, and leaves no process behind."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from cli.process.procfs import is_alive, processes_of_data_dir
from tests.support.waiting import wait_until

DEADLINE_S = 60
ENTITY = "alkmaar.a9"
TOPIC = "livetwin/alkmaar/traffic-a9-1/observations"
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)


def observation(number: int) -> bytes:
    moment = BEFORE + timedelta(minutes=number)
    return json.dumps({"time": moment.isoformat(), "values": {"vehicle_count": number}}).encode()


def count_of(system: Any) -> float | None:
    """Return the vehicle count in the API; None without one, or while the API is unavailable."""
    try:
        with urllib.request.urlopen(f"{system.http}/v1/entities/{ENTITY}/state") as answer:
            datastreams = json.load(answer)["datastreams"]
    except OSError:
        return None
    values = [
        datastream["value"]
        for datastream in datastreams
        if datastream["sensorId"] == "traffic-a9-1" and datastream["property"] == "vehicle_count"
    ]
    return values[0] if values else None


def stored(system: Any) -> list[float]:
    """Return all vehicle counts in the database by time, including duplicates."""
    found: list[float] = system.stored_values("traffic-a9-1", "vehicle_count")
    return found


def test_a_published_observation_reaches_state_and_history(running_system: Any) -> None:
    running_system.publish(TOPIC, observation(7))
    wait_until(lambda: count_of(running_system) == 7, "the state follows")
    wait_until(lambda: stored(running_system) == [7], "the history follows")


def test_redirected_output_holds_no_secret(running_system: Any) -> None:
    wait_until(lambda: "Ctrl-C stops it." in running_system.output, "the addresses are printed")
    password = conninfo_to_dict(running_system.postgres)["password"]
    printed = running_system.output.splitlines()
    assert [line for line in printed if running_system.operator_key in line or password in line] == []
    for name in ("operator.key", "ports.json"):
        assert any(str(running_system.data_dir / name) in line for line in printed), printed


def test_every_killed_process_is_restarted(start_system: Callable[..., Any]) -> None:
    system = start_system()
    system.wait_ready()
    before = system.ports["pids"]
    for (pid,) in before.values():
        os.kill(pid, signal.SIGKILL)

    def all_back() -> bool:
        pids = system.ports["pids"]
        return all(pids[name] and pids[name] != before[name] and is_alive(pids[name][0]) for name in before)

    wait_until(all_back, "every part runs again under a new process id")

    def works() -> bool:
        # A broker that is killed may lose its last second, a subscription made in it among the rest.
        system.publish(TOPIC, observation(8))
        return count_of(system) == 8

    wait_until(works, "the whole path works again")
    wait_until(lambda: stored(system) == [8], "the history, too")


def test_a_killed_supervisor_leaves_no_process_and_the_next_one_continues(
    start_system: Callable[..., Any], service_folder: Path
) -> None:
    first = start_system()
    first.wait_ready()
    first.publish(TOPIC, observation(1))
    wait_until(lambda: count_of(first) == 1 and stored(first) == [1], "the observation is stored")
    key = first.operator_key
    first.stop(signal.SIGKILL)
    wait_until(lambda: processes_of_data_dir(service_folder) == [], "nothing of it runs")

    second = start_system()
    second.wait_ready()
    assert second.operator_key == key
    assert stored(second) == [1]
    # The state may have been lost with the log; the stream makes it again from history.
    wait_until(lambda: count_of(second) == 1, "the state is there")
    second.publish(TOPIC, observation(2))
    wait_until(lambda: count_of(second) == 2 and stored(second) == [1, 2], "it goes on")


def test_acknowledged_messages_survive_a_stop(start_system: Callable[..., Any]) -> None:
    first = start_system()
    first.wait_ready()
    first.publish_all([(TOPIC, observation(number)) for number in range(500)])
    assert first.stop(signal.SIGINT) == 0
    second = start_system()
    second.wait_ready()
    wait_until(lambda: stored(second) == list(range(500)), "every observation, once")
    wait_until(lambda: count_of(second) == 499, "the newest is the state")


def test_a_second_system_on_the_same_data_dir_is_refused(start_system: Callable[..., Any]) -> None:
    first = start_system()
    first.wait_ready()
    second = start_system()
    assert second.process.wait(DEADLINE_S) == 1
    last = second.output.splitlines()[-1]
    assert last.startswith("error: ")
    assert str(first.process.pid) in last
    assert "--data-dir" in last
    assert first.process.poll() is None


@pytest.mark.parametrize("option", ["--port", "--mqtt-port"])
def test_a_taken_port_is_an_error_of_one_line(
    option: str, start_system: Callable[..., Any], running_system: Any
) -> None:
    taken = running_system.ports["http"]
    system = start_system(f"{option}={taken}")
    assert system.process.wait(DEADLINE_S) == 1
    errors = [line for line in system.output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert f"port {taken}" in errors[0]
    assert f"(pid {running_system.ports['pids']['api'][0]})" in errors[0]
    assert option in errors[0]
    assert "Traceback" not in system.output


def test_the_error_of_a_wrong_role_setting_names_its_variable(
    start_system: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETWIN_RECEIVE_MAX", "none")
    system = start_system()
    assert system.process.wait(DEADLINE_S) == 1
    last = system.output.splitlines()[-1]
    assert last.startswith("error: ingest does not start")
    assert "LIVETWIN_RECEIVE_MAX" in last


def status_of_subscriptions(system: Any, headers: dict[str, str]) -> int:
    """Return the status of an answer that only operators get."""
    request = urllib.request.Request(f"{system.http}/v1/subscriptions", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_demo_prints_a_key_of_an_operator_and_its_devices_publish(
    start_system: Callable[..., Any],
) -> None:
    system = start_system("--speed=60", simulate=True, terminal=True)
    system.wait_ready()
    wait_until(lambda: "Ctrl-C stops it." in system.output, "the addresses are printed")
    [key] = re.findall(r"^  operator key  (\S+)$", system.output, re.MULTILINE)
    assert status_of_subscriptions(system, {}) == 401
    assert status_of_subscriptions(system, {"Authorization": f"Bearer {key}"}) == 200
    assert key == system.operator_key
    wait_until(lambda: len(stored(system)) > 0, "the simulated city is stored")


def test_ctrl_c_twice_ends_everything_at_once(start_system: Callable[..., Any], service_folder: Path) -> None:
    system = start_system()
    system.wait_ready()
    os.kill(system.ports["pids"]["stream"][0], signal.SIGSTOP)
    system.process.send_signal(signal.SIGINT)
    wait_until(lambda: "stopping" in system.output, "it stops")
    assert system.stop(signal.SIGINT) == 1
    wait_until(lambda: processes_of_data_dir(service_folder) == [], "nothing of it runs")
