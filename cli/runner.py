"""Running a coroutine as a process: settings read once, log configured, signals turned into cancellation."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
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


def read_settings(settings_type: type[Settings]) -> Settings:
    """Return settings from the environment and its files. Raises ConfigurationError with every fault."""
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
    """Return where a role loads the city model from."""
    return ModelSource(settings.database.get_secret_value(), settings.city, settings.state_dir)


def development_key_variables(settings: RoleSettings) -> list[str]:
    """Return the variables of keys that nobody chose: their default is in the source."""
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
        log.warning("%s is the key of development, which everybody knows: set one of your own", variable)
    tune_gc()
    enable_kafka_keepalive()
    run_until_signal(work, loop_factory)


def run_until_signal(
    work: Callable[[], Coroutine[Any, Any, None]], loop_factory: LoopFactory | None = None
) -> None:
    """Run a coroutine; SIGINT and SIGTERM cancel it, a second SIGINT ends the process at once."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_cancelled_by_signal(work))


async def _cancelled_by_signal(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    asked = False

    def ask(which: signal.Signals) -> None:
        nonlocal asked
        if asked and which is signal.SIGINT:
            os._exit(EXIT_FORCED)
        if not asked:
            asked = True
            task.cancel()

    for which in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(which, ask, which)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
