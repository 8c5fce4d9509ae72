"""The embedded system: services, database, city and roles, started, watched and ended in the right order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any

from alerting.delivery.channel_secrets import secret_names
from cities.folder_reader import read_city
from cli.commands.apply import apply_city
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.ports import LOOPBACK, claim_port, wait_until_healthy
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.service import EmbeddedService
from cli.process.log_files import rotate_logs
from cli.supervisor.data_dir import DataDir
from cli.supervisor.log_drain import LogDrain
from cli.supervisor.log_retention import LogRetention, LogTrimmer
from cli.supervisor.metrics import SUPERVISOR_NAME, SupervisedProcess, SupervisorMetrics, metrics_ports
from cli.supervisor.notify_socket import NotifySocket
from cli.supervisor.options import PARTITIONS, SystemSecrets, UpOptions, role_environments
from cli.supervisor.ports_file import PortsFiles, ports_content
from cli.supervisor.progress import TerminalProgress
from cli.supervisor.role_supervisor import RoleSupervisor
from runtime.backoff import Backoff
from runtime.clock import system_clock
from runtime.kafka.topics import create_topics, partition_counts
from runtime.telemetry.metrics import new_registry, serve_metrics
from twin.errors import ServiceError, TwinError
from twin.model.city_model import CityPlan

log = logging.getLogger(__name__)

READY_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 10.0

# Writers before readers, so that little is left to do when the log goes.
STOP_ORDER = ("simulate", "ingest", "stream", "historian", "alerting", "outlets", "api")


class EmbeddedSystem:
    """Everything that `livetwin up` runs."""

    def __init__(self, options: UpOptions, data_dir: DataDir, progress: TerminalProgress) -> None:
        self._options = options
        self._data_dir = data_dir
        self._progress = progress
        path = data_dir.path
        self.postgres = EmbeddedPostgres(path, options.postgres_port)
        self.mosquitto = EmbeddedMosquitto(path, options.mqtt_port)
        self.kafka = EmbeddedKafka(path, options.kafka_port)
        self.roles: dict[str, RoleSupervisor] = {}
        self.http_port = options.port
        self._operator_key = data_dir.secret("operator.key")
        self._keeper: LogRetention | None = None
        self._metrics_ports: dict[str, int] = {}
        asked = options.ports_file
        # Where asked, and where `livetwin doctor` looks.
        self._ports_files = PortsFiles(path / "ports.json", *([asked] if asked is not None else []))
        self._ready = False
        self._notifications = NotifySocket()

    async def start(self) -> None:
        """Start everything; return when a request would be answered with live state.

        Raises CityError or ServiceError; `stop` is due then, too.
        """
        self._ports_files.remove()  # of a run that was killed
        plan = read_city(self._options.city)
        ended = await self._data_dir.end_leftover_processes()
        if ended:
            self._progress.write_line(f"  ended {ended} processes that an earlier run left")
        self.http_port = claim_port(self.http_port, "HTTP", "--port")
        with self._progress.step("PostgreSQL, Mosquitto and Kafka run"):
            await _all(service.start() for service in self._services())
        with self._progress.step(f"database holds {plan.city.name}"):
            await asyncio.gather(
                create_topics(self.kafka.bootstrap, partition_counts(PARTITIONS)), self._apply(plan)
            )
        self._make_roles(plan)
        with self._progress.step(f"{', '.join(self.roles)} work"):
            await self._start_roles()
        self._ready = True
        self.write_ports_files()

    async def supervise(self) -> None:
        """Keep everything running, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._keeper is not None:
                tasks.create_task(self._keeper.run(), name="log")
            tasks.create_task(rotate_logs(self.log_folder), name="logs")
            for service in (self.postgres, self.mosquitto):
                tasks.create_task(keep_service_running(service, self.write_ports_files), name=service.name)

    async def stop(self) -> None:
        """End everything: writers first, then what is on the log is stored, then readers and services."""
        for name in STOP_ORDER[:2]:
            if name in self.roles:
                await self.roles[name].stop()
        if self._ready:
            await self._drain_at_end()
        for name in STOP_ORDER[2:]:
            if name in self.roles:
                await self.roles[name].stop()
        await asyncio.gather(*(service.stop() for service in self._services()))
        self._notifications.close()
        self._ports_files.remove()

    def write_ports_files(self) -> None:
        """Bring the ports file up to date; there is none before the system is ready."""
        if not self._ready:
            return
        content = ports_content(
            ports={
                "http": self.http_port,
                "mqtt": self.mosquitto.port,
                "kafka": self.kafka.port,
                "postgres": self.postgres.port,
            },
            operator_key=self._operator_key,
            database=self.postgres.dsn(),
            data_dir=self._data_dir.path,
            recycles=self._keeper.recycles if self._keeper is not None else 0,
            supervisor=os.getpid(),
            metrics=self._metrics_ports,
            pids={
                **{one.name: one.pids for one in self._services()},
                **{one.name: one.pids for one in self.roles.values()},
            },
        )
        self._ports_files.write(content)

    def summary(self) -> Iterator[str]:
        """Yield what a person wants to know once it runs."""
        yield f"ready after {self._progress.elapsed_s:.1f} s"
        yield f"  page          http://localhost:{self.http_port}/"
        yield f"  API           http://localhost:{self.http_port}/v1/openapi.json"
        yield f"  MQTT          localhost:{self.mosquitto.port}"
        yield f"  Kafka         localhost:{self.kafka.port}"
        yield f"  database      {self.postgres.dsn()}"
        yield f"  operator key  {self._operator_key}"
        yield f"  logs          {_shown(self.log_folder)}"

    @property
    def log_folder(self) -> Path:
        """The folder of all logs."""
        return self._data_dir.path / "logs"

    def _services(self) -> tuple[EmbeddedService, ...]:
        return (self.postgres, self.mosquitto, self.kafka)

    async def _apply(self, plan: CityPlan) -> None:
        await self.postgres.create_database()
        applied = await apply_city(self.postgres.dsn(), plan)
        log.info("city %s is at version %d", plan.city.id, applied.version)

    def _make_roles(self, plan: CityPlan) -> None:
        environments = role_environments(
            options=self._options,
            city=plan.city.id,
            data_dir=self._data_dir.path,
            kafka=self.kafka.bootstrap,
            database=self.postgres.dsn(),
            mqtt_port=self.mosquitto.port,
            http_port=self.http_port,
            secrets=SystemSecrets(
                pseudonym_key=self._data_dir.secret("pseudonym.key"),
                operator_key=self._operator_key,
                link_key=self._data_dir.secret("link.key"),
                channel_variables=secret_names(plan.duty),
            ),
        )
        self._metrics_ports = metrics_ports(
            self._options.metrics_port, (name for name in environments if name != "simulate")
        )
        for name, environment in environments.items():
            # Else each would want the one port that the environment of `up` names.
            environment["LIVETWIN_METRICS_PORT"] = str(self._metrics_ports.get(name, 0))
            self.roles[name] = RoleSupervisor(
                name,
                # A log file may hold tracebacks; the terminal may not.
                ["--debug", *([str(self._options.city)] if name == "simulate" else [])],
                environment=environment,
                data_dir=self._data_dir.path,
                notify_socket=self._notifications,
                on_change=self.write_ports_files,
            )
        self._keeper = LogRetention(
            self.kafka,
            self.roles,
            LogDrain(self.kafka.bootstrap, self.postgres.dsn(), PARTITIONS),
            LogTrimmer(self.kafka.bootstrap, self.postgres.dsn(), PARTITIONS, system_clock),
            partitions=PARTITIONS,
            bytes_max=self._options.log_bytes_max,
            on_change=self.write_ports_files,
        )
        if self._metrics_ports:
            self._serve_metrics(self._keeper)

    def _serve_metrics(self, keeper: LogRetention) -> None:
        registry = new_registry()
        metrics = SupervisorMetrics(registry)
        kept: list[SupervisedProcess] = [*self._services(), *self.roles.values()]
        for one in kept:
            metrics.add_process(one)
        metrics.log_bytes.set_function(lambda: self.kafka.resident_bytes if self.kafka.pids else 0)
        metrics.log_bytes_max.set(self._options.log_bytes_max)
        metrics.recycles.set_function(lambda: keeper.recycles)
        serve_metrics(registry, LOOPBACK, self._metrics_ports[SUPERVISOR_NAME])

    async def _start_roles(self) -> None:
        roles = dict(self.roles)
        simulate = roles.pop("simulate", None)
        for role in roles.values():
            role.start()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                if simulate is not None:
                    # Mosquitto forgets what nobody has ever subscribed to.
                    await roles["ingest"].wait_ready()
                    simulate.start()
                    roles["simulate"] = simulate
                await _all(role.wait_ready() for role in roles.values())
                await wait_until_healthy(self.http_port, "/v1/health/ready")
        except TimeoutError as error:
            waiting = [role.name for role in roles.values() if not role.ready.is_set()] or ["api"]
            raise ServiceError(
                f"{', '.join(waiting)} not ready within {READY_TIMEOUT_S:.0f} s; "
                f"look into {_shown(self.log_folder)}"
            ) from error

    async def _drain_at_end(self) -> None:
        if self._keeper is None or not all(
            role.pids for role in self.roles.values() if role.name in STOP_ORDER[2:4]
        ):
            return
        drain = LogDrain(self.kafka.bootstrap, self.postgres.dsn(), PARTITIONS)
        try:
            await drain.wait_drained(self.kafka.cluster_id, DRAIN_TIMEOUT_S)
        except TwinError as error:
            self._progress.write_line(f"  not everything on the log was stored: {error}")


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do several things at once; at the first failure end the others, and raise that failure alone."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(work)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _shown(path: Path) -> str:
    """Return a path as short as it can be from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


# An embedded service that is kept running: started again, with back-off, when it ends by itself.

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MAX_S = 10.0


async def keep_service_running(service: EmbeddedService, on_change: Callable[[], None]) -> None:
    """Start a service again each time it ends, on the same port and data, until cancelled."""
    while True:
        code = await service.child.wait()
        log.warning("%s ended (code %d); it starts again", service.name, code)
        backoff = Backoff(first_s=BACK_OFF_FIRST_S, max_s=BACK_OFF_MAX_S)
        delay_s = backoff.next_s()
        while True:
            await asyncio.sleep(delay_s)
            try:
                await service.start()
                break
            except (TwinError, OSError) as error:
                delay_s = backoff.next_s()
                log.warning("%s; tried again in %.1f s", error, delay_s)
        on_change()
