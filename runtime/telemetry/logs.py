"""The log lines of a process: one an event, to standard error, for people or for programs.

Everything that logs in this process goes the same way: our modules, uvicorn, Faust, paho, aiokafka, and the
warnings of Python itself.
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

LogFormat: TypeAlias = Literal["human", "json"]

# What these libraries tell at INFO is their own business; their warnings are ours.
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

# A shorter secret is a word that may stand in any line; the settings ask for more of those that matter.
SECRET_CHARACTERS_MIN = 8

REDACTED = "***"

_USER_INFO = re.compile(r'(://[^/\s:@"]*:)[^/\s@"]+@')
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")

# What a record has of its own; all else came with `extra`.
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Redaction:
    """Takes secrets out of texts: those of the process, passwords in URLs, and keys of requests.

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
        """Return a text without secrets."""
        text = _USER_INFO.sub(rf"\g<1>{REDACTED}@", text)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return _BEARER.sub(rf"\g<1>{REDACTED}", text)


class HumanFormatter(logging.Formatter):
    """`time role level logger: message`, and the lines of a traceback below."""

    def __init__(self, role: str, redact: Redaction) -> None:
        super().__init__(f"%(asctime)s {role:<9} %(levelname)-7s %(name)s: %(message)s")
        self._redact = redact

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return when it happened, UTC."""
        return _time(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, role, logger, message, what came with `extra`, the exception."""

    def __init__(self, role: str, redact: Redaction) -> None:
        super().__init__()
        self._role = role
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. `template` is the message before its values were put in: what to group by."""
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
    """Send this process's log to standard error; no line holds one of `secrets`."""
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
    """Whether a record of paho is worth a line: that it works on a connection that has just ended is not."""
    return not record.getMessage().startswith("Client is not connected.")


def secret_values(settings: BaseModel) -> Iterator[str]:
    """Yield the secrets among the settings of a process."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()


def log_failure(line: str, error: BaseException | None = None) -> bool:
    """Log why this process ends, with the traceback of `error` if given; False where lines are for people.

    There, the command line tells it in its own words.
    """
    if not any(isinstance(one.formatter, JsonFormatter) for one in logging.getLogger().handlers):
        return False
    logging.getLogger("livetwin").critical("%s", line, exc_info=error)
    return True


def parse_log_message(line: str) -> str:
    """Return what a line of a log says, in either format.

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
    logging.getLogger("livetwin").error("thread %s ended with an error", name, exc_info=error)


def _time(record: logging.LogRecord) -> str:
    """Return when a record was made: RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
