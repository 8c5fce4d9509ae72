"""Handing a message over to a channel: apprise, and the channel `livetwin://log` that needs nobody."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import apprise
from apprise.common import NotifyFormat, NotifyType, PersistentStoreMode
from apprise.plugins import N_MGR

from alerting.delivery.channel_secrets import ChannelSecrets, MissingSecretError
from alerting.incidents.incident_state import MessageKind
from alerting.messages.short_text import SHORT_CHARACTERS_MAX
from runtime.secret_files import SecretFileError
from twin.alarms.severity import Severity
from twin.model.duty import NotificationChannel

log = logging.getLogger(__name__)

LOG_URL = "livetwin://log"

LOGGING_LIBRARIES = ("apprise", "urllib3")
"""They log URLs with everything in them."""

IDEMPOTENCY_HEADER = "Idempotency-Key"
"""Of webhooks: a receiver that knows the id of a notification drops it (IETF draft of that name)."""

MAIL_HEADER = "X-LiveTwin-Notification"
"""Of mails; apprise makes a Message-ID of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMessage:
    """What is handed over."""

    notification: str
    incident: str
    kind: MessageKind
    contact: str
    address: str
    title: str
    body: str
    short: str
    severity: Severity
    link: str  #: with the words before it; empty: none


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """How a hand-over ended."""

    sent: bool
    detail: str = ""  #: why not, without secrets
    final: bool = False  #: another try would end alike
    doubtful: bool = False  #: it may have got there all the same


class ChannelSender:
    """Sends letters, each in the thread of the caller; safe for several threads."""

    def __init__(self, secrets: ChannelSecrets) -> None:
        self._secrets = secrets
        self._overheard = _LibraryLogCapture()
        # What these log may hold secrets; the reason that they give for a failure goes by way of
        # `ChannelResult`.
        for name in LOGGING_LIBRARIES:
            library = logging.getLogger(name)
            library.setLevel(logging.WARNING)
            library.propagate = False
            library.addHandler(self._overheard)
        # Else the first message waits until all ways that apprise knows are loaded.
        N_MGR.load_modules()
        self._asset = apprise.AppriseAsset(
            app_id="LiveTwin",
            app_desc="LiveTwin",
            app_url="",
            image_url_mask="",
            image_url_logo="",
            storage_mode=PersistentStoreMode.MEMORY,
        )

    def close(self) -> None:
        """Listen to the libraries no more."""
        for name in LOGGING_LIBRARIES:
            logging.getLogger(name).removeHandler(self._overheard)

    def send(self, channel: NotificationChannel, letter: ChannelMessage) -> ChannelResult:
        """Hand a letter over and return how it ended; whatever goes wrong is a receipt, too."""
        if channel.url == LOG_URL:
            # Without the link: who reads logs is not on duty.
            log.info("to %s: %s (%s)", letter.contact, letter.title, letter.short)
            return ChannelResult(True)
        try:
            address = quote(self._secrets.fill(letter.address), safe="+@")
            url = self._secrets.fill(channel.url).replace("{address}", address)
        except MissingSecretError as error:
            return ChannelResult(
                False, f"channel {channel.id} needs the environment variable {error}, which is not set", True
            )
        except SecretFileError as error:
            return ChannelResult(False, f"channel {channel.id}: {error}")
        self._overheard.begin()
        try:
            plugin = apprise.Apprise.instantiate(url, asset=self._asset)
            if plugin is None:
                return ChannelResult(False, f"apprise cannot use the URL of channel {channel.id}", True)
            sent = self._deliver(plugin, letter)
        except Exception as error:
            sent = False
            self._overheard.add(f"{type(error).__name__}: {error}")
        if sent:
            return ChannelResult(True)
        reason = self._secrets.redact(self._overheard.text(), channel.url + letter.address)
        return ChannelResult(False, reason or f"channel {channel.id} did not take it")

    def _deliver(self, plugin: Any, letter: ChannelMessage) -> bool:
        headers = getattr(plugin, "headers", None)
        if isinstance(headers, dict):
            name = MAIL_HEADER if plugin.schema.startswith("mailto") else IDEMPOTENCY_HEADER
            headers[name] = letter.notification
        title, body = letter.title, "\n\n".join(filter(None, (letter.body, letter.link)))
        if plugin.body_maxlen <= SHORT_CHARACTERS_MAX:
            with_link = f"{letter.short} {letter.link}".strip()
            title, body = "", with_link if len(with_link) <= SHORT_CHARACTERS_MAX else letter.short
        sender = apprise.Apprise(asset=self._asset)
        sender.add(plugin)
        return bool(
            sender.notify(
                body=body,
                title=title,
                notify_type=_notify_type(letter.severity),
                body_format=NotifyFormat.TEXT,
            )
        )


def _notify_type(severity: Severity) -> NotifyType:
    if severity is Severity.CLEARED:
        return NotifyType.SUCCESS
    return NotifyType.FAILURE if severity >= Severity.MAJOR else NotifyType.WARNING


class _LibraryLogCapture(logging.Handler):
    """What apprise says of failures, thread by thread: its API tells only that there was one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.local()

    def begin(self) -> None:
        self._thread.lines = []

    def add(self, line: str) -> None:
        self._lines().append(line)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines().append(record.getMessage())

    def text(self) -> str:
        return "; ".join(self._lines())

    def _lines(self) -> list[str]:
        if not hasattr(self._thread, "lines"):
            self._thread.lines = []
        lines: list[str] = self._thread.lines
        return lines
