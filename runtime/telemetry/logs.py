"""Logging of a process: one line per event on standard error, for people or as JSON, without secrets.

It covers every logger of the process: our modules, uvicorn, Faust, paho, aiokafka, and Python's warnings.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal, TypeAlias
from urllib.parse import quote

from pydantic import BaseModel, SecretStr

from twin.model.plain_text import escape_controls

LogFormat: TypeAlias = Literal["human", "json"]

# INFO lines of these libraries do not help an operator; their warnings do.
_QUIETED_LOGGERS = (
    "aiokafka",
    "asyncio",
    "faust",
    "httpx",
    "mode",
    "opentelemetry",
    "paho",
    "uvicorn.access",
)

# A shorter secret may be an ordinary word of any line; the settings require more characters of real keys.
SECRET_CHARACTERS_MIN = 8

REDACTED = "***"

_INDENT = "\n    "

_USER_INFO = re.compile(r'(://[^/\s:@"]*:)[^/\s@"]+@')
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")

# Attributes of every log record; any other came with `extra`.
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Redaction:
    """Removes secrets from texts: those of the process, passwords in URLs, and bearer tokens.

    >>> Redaction(["correct horse"])("at postgresql://me:pw@db/x with correct horse; Bearer abcdefgh")
    'at postgresql://me:***@db/x with ***; Bearer ***'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted(
            {
                shown
                for secret in secrets
                if len(secret) >= SECRET_CHARACTERS_MIN
                for shown in (secret, quote(secret, safe=""), json.dumps(secret, ensure_ascii=False)[1:-1])
            },
            key=len,
            reverse=True,
        )

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        text = _USER_INFO.sub(rf"\g<1>{REDACTED}@", text)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return _BEARER.sub(rf"\g<1>{REDACTED}", text)


class HumanFormatter(logging.Formatter):
    """Formats a record as `time role level logger: message`, with a traceback below.

    Further lines of a message are indented, and its other control characters escaped: a device that sends a
    line feed in a name can neither forge a line nor control the terminal of a reader.
    """

    def __init__(self, role: str, redact: Redaction) -> None:
        super().__init__(f"%(asctime)s {role:<9} %(levelname)-7s %(name)s: %(message)s")
        self._redact = redact

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time of the record, UTC."""
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line without its traceback."""
        return _INDENT.join(map(escape_controls, super().formatMessage(record).split("\n")))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object: time, level, role, logger, message, `extra` and the exception."""

    def __init__(self, role: str, redact: Redaction) -> None:
        super().__init__()
        self._role = role
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. `template` is the message without its values, to group lines by."""
        line = {name: value for name, value in vars(record).items() if name not in _RECORD_ATTRIBUTES}
        line |= {
            "time": _time(record),
            "level": record.levelname,
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.args:
            line["template"] = str(record.msg)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return self._redact(json.dumps(line, default=str, ensure_ascii=False))


def configure_logging(role: str, level: str, style: LogFormat = "human", secrets: Iterable[str] = ()) -> None:
    """Log to standard error; no line contains one of `secrets`."""
    redact = Redaction(secrets)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(role, redact) if style == "json" else HumanFormatter(role, redact))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_failure
    for name in _QUIETED_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("paho").addFilter(_is_relevant)


def _is_relevant(record: logging.LogRecord) -> bool:
    """Return whether a record of paho is worth a line: its writes to a connection that just ended are not."""
    return not record.getMessage().startswith("Client is not connected.")


def secret_values(settings: BaseModel) -> Iterator[str]:
    """Yield the secret values of settings."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()


def log_failure(line: str, error: BaseException | None = None) -> bool:
    """Log why this process ends, with the traceback of `error` if given.

    Returns False where lines are for people: there the command line prints the failure itself.
    """
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        return False
    logging.getLogger("livetwin").critical("%s", line, exc_info=error, extra={"event": "process.failed"})
    return True


def parse_log_message(line: str) -> str:
    """Return the message of a log line, in either format.

    >>> parse_log_message('{"level": "ERROR", "message": "no"}'), parse_log_message("error: no")
    ('no', 'error: no')
    """
    try:
        return str(json.loads(line)["message"])
    except (ValueError, TypeError, KeyError):
        return line


def _log_thread_failure(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread is not None else "?"
    error = failed.exc_value
    logging.getLogger("livetwin").error(
        "thread %s ended with an error",
        name,
        exc_info=error,
        extra={"event": "process.thread_failed", "thread_name": name},
    )


def _time(record: logging.LogRecord) -> str:
    """Return the time of a record: RFC 3339, UTC, with milliseconds."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
