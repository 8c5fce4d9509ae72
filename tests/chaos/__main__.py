"""`python -m tests.chaos [SCENARIO…]` runs experiments; exit code 1 when a promise is broken."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import click

from tests.chaos.attack.experiment import AttackOptions, attack_system
from tests.chaos.balance import MessageBalance
from tests.chaos.experiment import DurableBroker, ExperimentOptions, run_experiment
from tests.chaos.full_disk import small_disk
from tests.chaos.rabbitmq import rabbitmq
from tests.chaos.scenarios import EXPERIMENTS
from tests.chaos.system_under_test import SystemUnderTest

STANDBY = "standby"
"""The experiment that needs hosts instead of a system under load."""

ATTACK = "attack"
"""The experiment that needs attackers, and a broker with accounts."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*EXPERIMENTS, STANDBY, ATTACK]))
@click.option("--messages", type=click.IntRange(1_000), default=20_000, show_default=True)
@click.option("--seed", type=int, default=20261126, show_default=True)
@click.option("--acknowledge", type=click.Choice(["logged", "stored"]), default="logged", show_default=True)
@click.option(
    "--rate", type=click.IntRange(1, 50_000), default=500, show_default=True, help="Messages a second."
)
@click.option(
    "--blows", type=click.IntRange(0), default=10, show_default=True, help="How many processes are killed."
)
@click.option(
    "--seconds", type=float, default=20.0, show_default=True, help="How long a service is frozen or slow."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=30),
    default=3_600.0,
    show_default=True,
    help="How long `attack` lasts, in seconds.",
)
@click.option(
    "--flood-rate",
    type=click.IntRange(1, 50_000),
    default=2_000,
    show_default=True,
    help="Messages a second of the device that floods in `attack`.",
)
@click.option(
    "--broker",
    help="An MQTT 5 broker with durable sessions instead of the embedded Mosquitto: its HOST:PORT, or "
    "`rabbitmq` to start Debian's.",
)
@click.option(
    "--broker-restart", help="Command that kills the broker at HOST:PORT with -9 and brings it back."
)
@click.option("--keep", is_flag=True, help="Keep data and logs.")
def main(
    names: tuple[str, ...],
    *,
    duration: float,
    flood_rate: int,
    broker: str | None,
    broker_restart: str | None,
    keep: bool,
    **options: Any,
) -> None:
    """Inject faults under load and compute the balance of messages; without names, run every scenario."""
    # SIGTERM acts like Ctrl-C, so that the started system is stopped, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _broker(broker, broker_restart) as durable:
        asked = ExperimentOptions(**options, broker=durable)
        attack = AttackOptions(
            seconds=duration,
            seed=asked.seed,
            rate=asked.rate,
            flood_rate=flood_rate,
            acknowledge=asked.acknowledge,
        )
        failed = [
            name
            for name in names or (*EXPERIMENTS, STANDBY, ATTACK)
            if (_is_broken_by(attack, keep) if name == ATTACK else _has_failed(name, asked, keep))
        ]
    if failed:
        print(f"broken promises: {', '.join(failed)}")
        sys.exit(1)


@contextmanager
def _broker(asked: str | None, restart: str | None) -> Iterator[DurableBroker | None]:
    if asked is None:
        yield None
    elif asked == "rabbitmq":
        with rabbitmq() as own:
            yield DurableBroker(own.address, own.restart)
    else:
        host, _, port = asked.rpartition(":")
        if not host or not port.isdecimal():
            raise click.BadParameter(f"found {asked!r}, expected HOST:PORT or rabbitmq")
        if restart is None:
            raise click.BadParameter("--broker HOST:PORT needs --broker-restart")
        yield DurableBroker((host, int(port)), partial(subprocess.run, restart, shell=True, check=True))


def _has_failed(name: str, options: ExperimentOptions, keep: bool) -> bool:
    if name != STANDBY:
        return bool(_try(name, options, keep).faults)
    print(f"== {name}, seed {options.seed}", flush=True)
    # In a network namespace of its own, to which its hosts are connected.
    command = ["unshare", "--net", sys.executable, "-m", "tests.chaos.standby"]
    command += [f"--blows={max(1, options.blows)}", f"--seed={options.seed}", *(["--keep"] if keep else [])]
    return subprocess.run(command, check=False).returncode != 0


def _is_broken_by(attack: AttackOptions, keep: bool) -> bool:
    print(f"== {ATTACK} for {attack.seconds:g} s, seed {attack.seed}", flush=True)
    return bool(attack_system(attack, _say, keep=keep))


def _try(name: str, options: ExperimentOptions, keep: bool) -> MessageBalance:
    print(f"== {name}, acknowledged when {options.acknowledge}, seed {options.seed}", flush=True)
    case = EXPERIMENTS[name]
    with (
        small_disk() if case.small_disk else nullcontext() as folder,
        SystemUnderTest(f"--acknowledge={options.acknowledge}", folder=folder, keep=keep) as town,
    ):
        return asyncio.run(run_experiment(town, case, options, _say))


def _say(line: str) -> None:
    print(f"   {line}", flush=True)


if __name__ == "__main__":
    main()
