"""`livetwin up`: the whole system on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from pathlib import Path

import click

from cities import default_city
from cli.process.log_files import follow_logs
from cli.runner import EXIT_FORCED, cancel_on_signal, read_settings
from cli.supervisor.data_dir import DataDir
from cli.supervisor.embedded_system import EmbeddedSystem
from cli.supervisor.options import DEFAULT_DATA_DIR, DEFAULT_LOG_MIB_MAX, UpOptions
from cli.supervisor.progress import TerminalProgress
from runtime.settings import RoleSettings
from runtime.telemetry.logs import configure_logging
from simulators.scenarios import SCENARIOS

_PORT = click.IntRange(0, 65535)

OPEN_FILES_MAX = 65_536
"""Enough for the brokers of one machine; a shell allows some thousand by default."""


@click.command("up")
@click.option("--city", type=click.Path(path_type=Path), help="City folder; Alkmaar by default.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    help="Folder of databases, logs and keys.",
)
@click.option("--port", type=_PORT, default=8080, show_default=True, help="Port of the page and the API.")
@click.option("--mqtt-port", type=_PORT, default=1883, show_default=True, help="Port of the MQTT broker.")
@click.option(
    "--kafka-port", type=_PORT, default=0, show_default=True, help="Port of the log; 0: a free one."
)
@click.option(
    "--postgres-port", type=_PORT, default=0, show_default=True, help="Port of the database; 0: a free one."
)
@click.option(
    "--simulate/--no-simulate", default=True, show_default=True, help="With virtual devices, or without."
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 3600),
    help="Seconds of city time per second, until the simulation reaches the present.",
)
@click.option("--seed", type=int, help="Seed of the simulated city.")
@click.option("--start", help="Start of the simulated clock, such as 2026-11-22T06:00:00Z; now by default.")
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), help="Scenario of the simulated city.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with faults of simulated devices.",
)
@click.option("--fault-seed", type=int, help="Seed of random faults for about half of the simulated devices.")
@click.option(
    "--acknowledge",
    type=click.Choice(["logged", "stored"]),
    help="Acknowledge an MQTT message once it is on the log (the default), or once it is in the database, so "
    "that even a killed log loses nothing.",
)
@click.option(
    "--ports-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for ports and process ids.",
)
@click.option(
    "--log-mib-max",
    type=click.IntRange(min=16),
    default=DEFAULT_LOG_MIB_MAX,
    show_default=True,
    help="Memory of the Kafka-compatible broker, in MiB, above which its log is recycled.",
)
@click.option(
    "--metrics-port",
    type=_PORT,
    help="Port of /metrics; the roles use the next ones. 0: free ports. No metrics by default.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show all logs on the terminal.")
def command(
    *,
    city: Path | None,
    data_dir: Path,
    port: int,
    mqtt_port: int,
    kafka_port: int,
    postgres_port: int,
    simulate: bool,
    speed: float | None,
    seed: int | None,
    start: str | None,
    scenario: str | None,
    faults: Path | None,
    fault_seed: int | None,
    acknowledge: str | None,
    ports_file: Path | None,
    log_mib_max: int,
    metrics_port: int | None,
    verbose: bool,
) -> None:
    """Run the whole system on this machine until Ctrl-C. Port 0 means any free port."""
    simulator = {
        "LIVETWIN_SPEED": speed,
        "LIVETWIN_SEED": seed,
        "LIVETWIN_START": start,
        "LIVETWIN_SCENARIO": scenario,
        "LIVETWIN_FAULTS": faults.absolute() if faults is not None else None,
        "LIVETWIN_FAULT_SEED": fault_seed,
    }
    options = UpOptions(
        city=(city or default_city()).absolute(),
        data_dir=data_dir,
        port=port,
        mqtt_port=mqtt_port,
        kafka_port=kafka_port,
        postgres_port=postgres_port,
        simulate=simulate,
        simulator={name: str(value) for name, value in simulator.items() if value is not None},
        acknowledge=acknowledge,
        ports_file=ports_file.absolute() if ports_file is not None else None,
        log_bytes_max=log_mib_max << 20,
        verbose=verbose,
        metrics_port=metrics_port,
    )
    asyncio.run(_up(options))


async def _up(options: UpOptions) -> None:
    """Run the system until a signal; a second SIGINT kills all processes."""
    _raise_open_files_limit()
    data_dir = DataDir(options.data_dir)
    configure_logging("up", "INFO", read_settings(RoleSettings).log_format)
    _log_to_file(data_dir.path / "logs" / "up.log", verbose=options.verbose)
    progress = TerminalProgress()
    system = EmbeddedSystem(options, data_dir, progress)

    def kill_all() -> None:
        data_dir.kill_all()
        raise SystemExit(EXIT_FORCED)

    try:
        if await cancel_on_signal(_run(system, options, progress), _stop_signals(), force=kill_all):
            progress.write_line("stopping; Ctrl-C again ends everything at once")
    finally:
        await system.stop()
        data_dir.release()
    progress.write_line("stopped; the data stays in " + str(options.data_dir))


def _stop_signals() -> list[signal.Signals]:
    """Return the signals that stop the system: not SIGHUP if nohup has told this process to ignore it."""
    signals = [signal.SIGINT, signal.SIGTERM]
    # An ignored SIGINT, in contrast, only means that a script has started this process with `&`.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


async def _run(system: EmbeddedSystem, options: UpOptions, progress: TerminalProgress) -> None:
    log_output = None
    try:
        if options.verbose:
            log_output = asyncio.create_task(follow_logs(system.log_folder))
        progress.write_line(f"LiveTwin starts; its data is in {options.data_dir}")
        await system.start()
        for line in system.summary(shows_secrets=progress.is_terminal):
            progress.write_line(line)
        progress.write_line("Ctrl-C stops it.")
        await system.supervise()
    finally:
        if log_output is not None:
            log_output.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await log_output


def _raise_open_files_limit() -> None:
    """Raise the limit of open files for this process and its children: each connection needs one."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES_MAX if maximum == resource.RLIM_INFINITY else min(maximum, OPEN_FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, maximum))


def _log_to_file(path: Path, *, verbose: bool) -> None:
    """Write the log of this process to a file, and only warnings to the terminal; if verbose, all to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    console = root.handlers[0]
    if verbose:
        return
    console.setLevel(logging.WARNING)
    file = logging.FileHandler(path)
    file.setFormatter(console.formatter)
    root.addHandler(file)
