"""The embedded services start, keep or drop their data, and stop."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.ports import free_port, is_port_free
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.service import EmbeddedService
from cli.process.procfs import is_alive, processes_of_data_dir
from runtime.kafka.consumer import log_identity
from twin.errors import ServiceError


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.mark.parametrize("service_type", [EmbeddedPostgres, EmbeddedMosquitto, EmbeddedKafka])
async def test_a_service_starts_and_leaves_nothing_when_stopped(
    service_type: type[EmbeddedService], service_folder: Path
) -> None:
    service = service_type(service_folder)
    await service.start()
    (pid,) = service.pids
    assert not is_port_free(service.port)
    assert pid in processes_of_data_dir(service_folder)
    await service.stop()
    assert service.pids == []
    assert not is_alive(pid)
    assert processes_of_data_dir(service_folder) == []


@pytest.mark.parametrize("service_type", [EmbeddedPostgres, EmbeddedMosquitto])
async def test_a_service_started_by_root_runs_as_another_user(
    service_type: type[EmbeddedService], service_folder: Path
) -> None:
    service = service_type(service_folder)
    await service.start()
    try:
        owner = owner_of(service.pids[0])
        assert owner != 0
        assert os.geteuid() in (0, owner)
    finally:
        await service.stop()


async def test_a_service_whose_account_cannot_enter_the_data_dir_gets_a_folder_elsewhere(
    service_folder: Path,
) -> None:
    closed = service_folder / "closed"
    closed.mkdir(mode=0o700)
    cluster = EmbeddedPostgres(closed / "data-dir", fallback_parent=service_folder / "elsewhere")
    await cluster.start()
    try:
        assert processes_of_data_dir(closed / "data-dir")
    finally:
        await cluster.stop()


async def test_a_second_start_of_postgres_finds_the_data_of_the_first(service_folder: Path) -> None:
    first = EmbeddedPostgres(service_folder)
    await first.start()
    await first.create_database("kept")
    await first.stop()
    second = EmbeddedPostgres(service_folder)
    await second.start()
    try:
        async with await psycopg.AsyncConnection.connect(second.dsn("kept")) as connection:
            row = await (await connection.execute("SHOW server_encoding")).fetchone()
            assert row == ("UTF8",)
    finally:
        await second.stop()


async def test_each_start_of_kafka_is_a_new_log(service_folder: Path) -> None:
    broker = EmbeddedKafka(service_folder)
    identities = set()
    for _ in range(2):
        await broker.start()
        identities.add(await log_identity(broker.bootstrap))
        assert broker.resident_bytes > 0
        await broker.stop()
    assert len(identities) == 2


async def test_the_error_of_a_taken_port_names_its_process_and_the_option(service_folder: Path) -> None:
    broker = EmbeddedMosquitto(service_folder, free_port())
    await broker.start()
    try:
        second = EmbeddedMosquitto(service_folder, broker.port)
        with pytest.raises(ServiceError) as caught:
            await second.start()
        message = str(caught.value)
        assert str(broker.port) in message
        assert f"mosquitto (pid {broker.pids[0]})" in message
        assert "--mqtt-port" in message
        assert "\n" not in message
    finally:
        await broker.stop()


async def test_the_error_of_a_failed_start_has_the_last_log_lines(service_folder: Path) -> None:
    cluster = EmbeddedPostgres(service_folder)
    await cluster.start()
    await cluster.stop()
    (service_folder / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServiceError, match=r"ended at once.*incompatible"):
        await cluster.start()
    assert processes_of_data_dir(service_folder) == []
