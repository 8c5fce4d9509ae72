"""The embedded system: start, supervise and stop services, database, city and roles in the right order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alerting.delivery.channel_secrets import reply_secret_names, secret_names
from cities.folder_reader import read_city
from cli.commands.apply import apply_city
from cli.database_accounts import role_connection_uri
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.ports import LOOPBACK, claim_port, wait_until_healthy
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.service import EmbeddedService
from cli.mosquitto_files import new_password
from cli.process.log_files import rotate_logs
from cli.supervisor.data_dir import OPERATOR_KEY_FILE, DataDir
from cli.supervisor.log_drain import LogDrain
from cli.supervisor.log_retention import LogRetention, LogTrimmer
from cli.supervisor.metrics import SUPERVISOR_NAME, SupervisedProcess, SupervisorMetrics, metrics_ports
from cli.supervisor.notify_socket import NotifySocket
from cli.supervisor.options import PARTITIONS, SystemSecrets, UpOptions, role_environments
from cli.supervisor.ports_file import PORTS_FILE_NAME, PortsFiles, ports_content
from cli.supervisor.progress import TerminalProgress
from cli.supervisor.role_supervisor import RoleSupervisor
from runtime.backoff import Backoff
from runtime.clock import system_clock
from runtime.kafka.topics import create_topics, partition_counts
from runtime.telemetry.metrics import new_registry, serve_metrics
from storage.database import connect
from storage.schema.database_roles import let_roles_log_in
from storage.schema.rights import RIGHTS
from twin.errors import ServiceError, TwinError
from twin.model.city_model import CityPlan

log = logging.getLogger(__name__)

READY_TIMEOUT_S = 60.0

DRAIN_TIMEOUT_S = 15.0
"""After this time without progress the rest of the log is given up."""

# Sources stop before the log is drained, all other roles after it. Writers stop before readers.
SOURCE_ROLES = ("simulate", "ingest")
DRAINING_ROLES = ("stream", "historian")
STOP_ORDER = (*DRAINING_ROLES, "alerting", "outlets", "api")

SERVICE_BACK_OFF_FIRST_S = 0.2
SERVICE_BACK_OFF_MAX_S = 10.0


class EmbeddedSystem:
    """All services and roles of `livetwin up`."""

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
        self._operator_key = data_dir.secret(OPERATOR_KEY_FILE)
        self._mqtt_client_id = data_dir.mqtt_client_id()  # before Mosquitto saves its sessions
        self._log_retention: LogRetention | None = None
        self._metrics_ports: dict[str, int] = {}
        # The first is for our own commands, such as `livetwin doctor`.
        self._ports_files = PortsFiles(
            path, path / PORTS_FILE_NAME, *([options.ports_file] if options.ports_file is not None else [])
        )
        self._ready = False
        self._notify_socket = NotifySocket()

    async def start(self) -> None:
        """Start everything; return when the API answers with live state.

        Raises CityError or ServiceError; the caller must call `stop` also then.
        """
        self._ports_files.clear()
        plan = read_city(self._options.city)
        ended = await self._data_dir.end_leftover_processes()
        if ended:
            self._progress.write_line(f"  stopped {ended} leftover processes of an earlier run")
        self.http_port = claim_port(self.http_port, "HTTP", "--port")
        with self._progress.step("PostgreSQL, Mosquitto and Kafka are running"):
            await _run_all(service.start() for service in self._services())
        with self._progress.step(f"the database has the city {plan.city.name}"):
            _, databases = await asyncio.gather(
                create_topics(self.kafka.bootstrap, partition_counts(PARTITIONS)), self._apply(plan)
            )
        self._make_roles(plan, databases)
        with self._progress.step(f"{', '.join(self.roles)} are ready"):
            await self._start_roles()
        self._ready = True
        self.write_ports_files()

    async def supervise(self) -> None:
        """Restart what ends, and bound the logs, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._log_retention is not None:
                tasks.create_task(self._log_retention.run(), name="log")
            tasks.create_task(rotate_logs(self.log_folder), name="logs")
            for service in (self.postgres, self.mosquitto):
                tasks.create_task(keep_service_running(service, self.write_ports_files), name=service.name)

    async def stop(self) -> None:
        """Stop everything: the sources, then, once the log is stored, the other roles and the services."""
        await self._stop_roles(SOURCE_ROLES)
        if self._ready:
            await self._drain_log()
        await self._stop_roles(STOP_ORDER)
        await asyncio.gather(*(service.stop() for service in self._services()))
        self._notify_socket.close()
        self._ports_files.remove()

    async def _stop_roles(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self.roles:
                await self.roles[name].stop()

    def write_ports_files(self) -> None:
        """Update the ports files; there are none before the system is ready."""
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
            recycles=self._log_retention.recycles if self._log_retention is not None else 0,
            supervisor=os.getpid(),
            metrics=self._metrics_ports,
            pids={
                **{service.name: service.pids for service in self._services()},
                **{role.name: role.pids for role in self.roles.values()},
            },
        )
        self._ports_files.write(content)

    def summary(self, *, shows_secrets: bool) -> Iterator[str]:
        """Yield lines with the addresses of the running system, and its secrets or the files that hold them.

        A terminal shows the secrets; a log file, to which the output was redirected, would keep them.
        """
        yield f"ready after {self._progress.elapsed_s:.1f} s"
        yield f"  page          http://localhost:{self.http_port}/"
        yield f"  API           http://localhost:{self.http_port}/v1/openapi.json"
        yield f"  MQTT          localhost:{self.mosquitto.port}"
        yield f"  Kafka         localhost:{self.kafka.port}"
        if shows_secrets:
            yield f"  database      {self.postgres.dsn()}"
            yield f"  operator key  {self._operator_key}"
        else:
            folder = self._data_dir.path
            ports_file = _short_path(folder / PORTS_FILE_NAME)
            yield f"  database      localhost:{self.postgres.port}; password in {ports_file}"
            yield f"  operator key  in {_short_path(folder / OPERATOR_KEY_FILE)}"
        yield f"  logs          {_short_path(self.log_folder)}"

    @property
    def log_folder(self) -> Path:
        """The folder with the log files of all processes."""
        return self._data_dir.path / "logs"

    def _services(self) -> tuple[EmbeddedService, ...]:
        return (self.postgres, self.mosquitto, self.kafka)

    async def _apply(self, plan: CityPlan) -> dict[str, str]:
        """Apply the city; return the connection URI of each role, with a password of this start."""
        await self.postgres.create_database()
        applied = await apply_city(self.postgres.dsn(), plan)
        log.info(
            "city %s has version %d",
            plan.city.id,
            applied.version,
            extra={"event": "supervisor.city_applied", "city": plan.city.id},
        )
        owner = self.postgres.dsn()
        passwords = {role: new_password() for role in RIGHTS}
        async with await connect(owner, role="up") as connection:
            await let_roles_log_in(connection, passwords)
        return {role: role_connection_uri(owner, role, password) for role, password in passwords.items()}

    def _make_roles(self, plan: CityPlan, databases: Mapping[str, str]) -> None:
        environments = role_environments(
            options=self._options,
            city=plan.city.id,
            data_dir=self._data_dir.path,
            kafka=self.kafka.bootstrap,
            databases=databases,
            mqtt_port=self.mosquitto.port,
            http_port=self.http_port,
            secrets=SystemSecrets(
                pseudonym_key=self._data_dir.secret("pseudonym.key"),
                operator_key=self._operator_key,
                link_key=self._data_dir.secret("link.key"),
                mqtt_client_id=self._mqtt_client_id,
                dossier_key=self._data_dir.signing_key("dossier.key"),
                push_key=self._data_dir.push_key(),
                channel_variables=secret_names(plan.duty),
                reply_variables=reply_secret_names(plan.duty),
            ),
        )
        self._metrics_ports = metrics_ports(
            self._options.metrics_port, (name for name in environments if name != "simulate")
        )
        for name, environment in environments.items():
            # Otherwise every role would use the one port that the environment of `up` names.
            environment["LIVETWIN_METRICS_PORT"] = str(self._metrics_ports.get(name, 0))
            self.roles[name] = RoleSupervisor(
                name,
                # Tracebacks belong into the log file, not on the terminal.
                ["--debug", *([str(self._options.city)] if name == "simulate" else [])],
                environment=environment,
                data_dir=self._data_dir.path,
                notify_socket=self._notify_socket,
                on_change=self.write_ports_files,
            )
        self._log_retention = LogRetention(
            self.kafka,
            self.roles,
            LogDrain(self.kafka.bootstrap, self.postgres.dsn(), PARTITIONS),
            LogTrimmer(self.kafka.bootstrap, self.postgres.dsn(), PARTITIONS, system_clock),
            partitions=PARTITIONS,
            bytes_max=self._options.log_bytes_max,
            on_change=self.write_ports_files,
        )
        if self._metrics_ports:
            self._serve_metrics(self._log_retention)

    def _serve_metrics(self, log_retention: LogRetention) -> None:
        registry = new_registry()
        metrics = SupervisorMetrics(registry)
        processes: list[SupervisedProcess] = [*self._services(), *self.roles.values()]
        for process in processes:
            metrics.add_process(process)
        metrics.log_bytes.set_function(lambda: self.kafka.resident_bytes if self.kafka.pids else 0)
        metrics.log_bytes_max.set(self._options.log_bytes_max)
        metrics.recycles.set_function(lambda: log_retention.recycles)
        serve_metrics(registry, LOOPBACK, self._metrics_ports[SUPERVISOR_NAME])

    async def _start_roles(self) -> None:
        roles = dict(self.roles)
        simulate = roles.pop("simulate", None)
        for role in roles.values():
            if role is not roles["ingest"]:
                role.start()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                # The state in the database must not yet contain the messages that Mosquitto has kept.
                await roles["stream"].wait_ready()
                roles["ingest"].start()
                if simulate is not None:
                    # Mosquitto drops messages for which there was never a subscription.
                    await roles["ingest"].wait_ready()
                    simulate.start()
                    roles["simulate"] = simulate
                await _run_all(role.wait_ready() for role in roles.values())
                await wait_until_healthy(self.http_port, "/v1/health/ready")
        except TimeoutError as error:
            waiting = [role.name for role in roles.values() if not role.ready.is_set()] or ["api"]
            raise ServiceError(
                f"{', '.join(waiting)} not ready within {READY_TIMEOUT_S:.0f} s; "
                f"see the logs in {_short_path(self.log_folder)}"
            ) from error

    async def _drain_log(self) -> None:
        if not all(self.roles[name].pids for name in DRAINING_ROLES):
            return
        drain = LogDrain(self.kafka.bootstrap, self.postgres.dsn(), PARTITIONS)
        try:
            await drain.wait_drained(self.kafka.cluster_id, DRAIN_TIMEOUT_S, extends=True)
        except TwinError as error:
            self._progress.write_line(f"  not all records of the log were stored: {error}")


async def keep_service_running(service: EmbeddedService, on_change: Callable[[], None]) -> None:
    """Restart a service with back-off each time it ends, on the same port and data, until cancelled."""
    while True:
        code = await service.child.wait()
        log.warning(
            "%s ended (exit code %d); restarting it",
            service.name,
            code,
            extra={"event": "supervisor.process_ended", "process_name": service.name},
        )
        backoff = Backoff(first_s=SERVICE_BACK_OFF_FIRST_S, max_s=SERVICE_BACK_OFF_MAX_S)
        delay_s = backoff.next_s()
        while True:
            await asyncio.sleep(delay_s)
            try:
                await service.start()
                break
            except (TwinError, OSError) as error:
                delay_s = backoff.next_s()
                log.warning(
                    "%s; next attempt in %.1f s",
                    error,
                    delay_s,
                    extra={"event": "supervisor.start_failed", "process_name": service.name},
                )
        on_change()


async def _run_all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines concurrently; at the first failure cancel the others and raise that failure alone."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for coroutine in coroutines:
                tasks.create_task(coroutine)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _short_path(path: Path) -> str:
    """Return a path relative to the working directory if it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
