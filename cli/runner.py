"""Run a coroutine as a process: read its settings once, configure its log, cancel it on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from cli.environment import unknown_variable_errors
from cli.error_report import ConfigurationError, settings_error_lines
from runtime.gc_tuning import tune_gc
from runtime.secret_files import SecretFileError, is_secret
from runtime.settings import RoleSettings
from runtime.tcp_keepalive import enable_kafka_keepalive
from runtime.telemetry.logs import configure_logging, secret_values
from storage.model.model_source import ModelSource

log = logging.getLogger(__name__)

Settings = TypeVar("Settings", bound=RoleSettings)
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

EXIT_FORCED = 1
"""The exit code after a second SIGINT."""


def read_settings(settings_type: type[Settings]) -> Settings:
    """Return settings from environment variables and secret files. Raises ConfigurationError."""
    secrets = {name for name, field in settings_type.model_fields.items() if is_secret(field)}
    unknown = unknown_variable_errors(os.environ, settings_type)
    try:
        settings = settings_type()
    except SecretFileError as error:
        raise ConfigurationError([*unknown, *error.faults]) from error
    except (ValidationError, SettingsError) as error:
        raise ConfigurationError([*unknown, *settings_error_lines(error, secrets)]) from error
    if unknown:
        raise ConfigurationError(unknown)
    return settings


def model_source(settings: RoleSettings) -> ModelSource:
    """Return the source from which a role loads the city model."""
    return ModelSource(settings.database.get_secret_value(), settings.city, settings.state_dir)


def development_key_variables(settings: RoleSettings) -> list[str]:
    """Return the variables of keys that still have the public default of the source code."""
    return [
        f"LIVETWIN_{name.upper()}"
        for name, field in type(settings).model_fields.items()
        if name.endswith("_key")
        and isinstance(field.default, SecretStr)
        and getattr(settings, name) == field.default
    ]


def run_role(
    name: str,
    settings: RoleSettings,
    work: Callable[[], Coroutine[Any, Any, None]],
    loop_factory: LoopFactory | None = None,
) -> None:
    """Run a role until a signal ends it."""
    configure_logging(name, settings.log_level, settings.log_format, secret_values(settings))
    for variable in development_key_variables(settings):
        log.warning(
            "%s is the public development key: set a secret one",
            variable,
            extra={"event": "settings.development_key", "variable": variable},
        )
    tune_gc()
    enable_kafka_keepalive()
    run_until_signal(work, loop_factory)


def run_until_signal(
    work: Callable[[], Coroutine[Any, Any, None]], loop_factory: LoopFactory | None = None
) -> None:
    """Run a coroutine; SIGINT and SIGTERM cancel it, a second SIGINT ends the process at once."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(
            cancel_on_signal(work(), (signal.SIGINT, signal.SIGTERM), force=lambda: os._exit(EXIT_FORCED))
        )


async def cancel_on_signal(
    work: Coroutine[Any, Any, None], signals: Iterable[signal.Signals], *, force: Callable[[], None]
) -> bool:
    """Await a coroutine; the first signal cancels it. Return whether a signal did.

    A SIGINT after the first signal calls `force`, also after this coroutine has returned.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    stopping = False

    def on_signal(signal_number: signal.Signals) -> None:
        nonlocal stopping
        if stopping and signal_number is signal.SIGINT:
            force()
        if not stopping:
            stopping = True
            task.cancel()

    for signal_number in signals:
        loop.add_signal_handler(signal_number, on_signal, signal_number)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise
    return stopping
