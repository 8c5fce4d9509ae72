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
from cli.runner import read_settings
from cli.supervisor.data_dir import DataDir
from cli.supervisor.embedded_system import EmbeddedSystem
from cli.supervisor.options import DEFAULT_DATA_DIR, DEFAULT_LOG_MIB_MAX, UpOptions
from cli.supervisor.progress import TerminalProgress
from runtime.settings import RoleSettings
from runtime.telemetry.logs import configure_logging
from simulators.scenarios import SCENARIOS

_PORT = click.IntRange(0, 65535)
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT_FORCED = 1

# More than one broker on one machine serves; a shell gives a thousand or so unless it is asked.
OPEN_FILES_MAX = 65_536


@click.command("up")
@click.option("--city", type=click.Path(path_type=Path), help="City folder; Alkmaar by default.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    help="Where databases, logs and keys are kept.",
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
    help="City seconds a second of the simulation, until it reaches the present.",
)
@click.option("--seed", type=int, help="Seed of the simulated city.")
@click.option(
    "--start", help="When the simulated clock starts, such as 2026-11-22T06:00:00Z; now by default."
)
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), help="What happens in the simulated city.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the faults of simulated devices.",
)
@click.option("--fault-seed", type=int, help="Seed of faults for about half of the simulated devices.")
@click.option(
    "--acknowledge",
    type=click.Choice(["logged", "stored"]),
    help="When a message is acknowledged to the MQTT broker: once it is on the log (the default), or once it "
    "is in the database, so that even a killed log loses nothing.",
)
@click.option(
    "--ports-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write ports and process ids to.",
)
@click.option(
    "--log-mib-max",
    type=click.IntRange(min=16),
    default=DEFAULT_LOG_MIB_MAX,
    show_default=True,
    help="Memory of the Kafka-compatible broker, in MiB, at which its log is recycled.",
)
@click.option(
    "--metrics-port",
    type=_PORT,
    help="Port of /metrics; the roles have those that follow. 0: free ones. None by default.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the logs of everything on the terminal.")
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
    """Run the whole system on this machine until Ctrl-C. A port of 0 means: any free one."""
    asked = {
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
        simulator={name: str(value) for name, value in asked.items() if value is not None},
        acknowledge=acknowledge,
        ports_file=ports_file.absolute() if ports_file is not None else None,
        log_bytes_max=log_mib_max << 20,
        verbose=verbose,
        metrics_port=metrics_port,
    )
    asyncio.run(_up(options))


async def _up(options: UpOptions) -> None:
    """Run the system until a signal; the first asks it to end, a second SIGINT ends everything by force."""
    _raise_open_files()
    held = DataDir(options.data_dir)
    configure_logging("up", "INFO", read_settings(RoleSettings).log_format)
    _log_to(held.path / "logs" / "up.log", terminal=options.verbose)
    progress = TerminalProgress()
    system = EmbeddedSystem(options, held, progress)
    running = asyncio.ensure_future(_run(system, options, progress))
    asked = False

    def ask(which: signal.Signals) -> None:
        nonlocal asked
        if asked and which is signal.SIGINT:
            held.kill_all()
            raise SystemExit(_EXIT_FORCED)
        asked = True
        running.cancel()

    loop = asyncio.get_running_loop()
    for which in _STOP_SIGNALS:
        # nohup asks to outlive the terminal; an ignored SIGINT only means that a script started us with `&`.
        if which is not signal.SIGHUP or signal.getsignal(which) is not signal.SIG_IGN:
            loop.add_signal_handler(which, ask, which)
    try:
        await running
    except asyncio.CancelledError:
        if not asked:
            raise
        progress.write_line("stopping; Ctrl-C again ends everything at once")
    finally:
        await system.stop()
        held.release()
    progress.write_line("stopped; the data stays in " + str(options.data_dir))


async def _run(system: EmbeddedSystem, options: UpOptions, progress: TerminalProgress) -> None:
    following = None
    try:
        if options.verbose:
            following = asyncio.create_task(follow_logs(system.log_folder))
        progress.write_line(f"LiveTwin starts, with its data in {options.data_dir}")
        await system.start()
        for line in system.summary():
            progress.write_line(line)
        progress.write_line("Ctrl-C ends it.")
        await system.supervise()
    finally:
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following


def _raise_open_files() -> None:
    """Let us and our children have as many open files as we may: a connection to a device is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if most == resource.RLIM_INFINITY else min(most, OPEN_FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _log_to(path: Path, *, terminal: bool) -> None:
    """Write our own log to a file; to the terminal only warnings, unless it shall show all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    console = root.handlers[0]
    if terminal:
        return
    console.setLevel(logging.WARNING)
    file = logging.FileHandler(path)
    file.setFormatter(console.formatter)
    root.addHandler(file)
