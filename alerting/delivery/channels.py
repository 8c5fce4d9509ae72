"""Sending a message over a channel: apprise, and the channel `livetwin://log` that needs no service."""

from __future__ import annotations

import logging
import threading
from typing import Any
from urllib.parse import quote

import apprise
from apprise.common import NotifyFormat, NotifyType, PersistentStoreMode
from apprise.plugins import N_MGR

from alerting.delivery.channel_secrets import ChannelSecrets, MissingSecretError
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from alerting.messages.short_text import SHORT_CHARACTERS_MAX
from runtime.secret_files import SecretFileError
from twin.alarms.severity import Severity
from twin.model.duty import NotificationChannel

log = logging.getLogger(__name__)

LOG_URL = "livetwin://log"

LOGGING_LIBRARIES = ("apprise", "urllib3")
"""Libraries that log URLs with the secrets in them."""

IDEMPOTENCY_HEADER = "Idempotency-Key"
"""The header of webhooks with the notification's id, by which a receiver drops repetitions (IETF draft)."""

MAIL_HEADER = "X-LiveTwin-Notification"
"""The header of mails with the notification's id; apprise sets its own Message-ID."""


class ChannelSender:
    """Sends messages, each in the thread of the caller; safe for several threads."""

    def __init__(self, secrets: ChannelSecrets) -> None:
        self._secrets = secrets
        self._capture = _LibraryLogCapture()
        # These logs may contain secrets. The reason of a failure is redacted and goes into the result.
        for name in LOGGING_LIBRARIES:
            library = logging.getLogger(name)
            library.setLevel(logging.WARNING)
            library.propagate = False
            library.addHandler(self._capture)
        # Otherwise the first message would wait until apprise has loaded all its plugins.
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
        """Remove the handlers from the libraries' logs."""
        for name in LOGGING_LIBRARIES:
            logging.getLogger(name).removeHandler(self._capture)

    def send(
        self, channel: NotificationChannel, message: OutgoingMessage, address: str, link: str
    ) -> AttemptResult:
        """Send a message to an address, and return the result; every failure is a result, too.

        `link` is the acknowledge link with its label, or empty.
        """
        if channel.url == LOG_URL:
            # Without the link: readers of the log are not on duty.
            log.info(
                "to %s: %s (%s)",
                message.request.contact,
                message.text.title,
                message.text.short,
                extra={"event": "alerting.message", "notification": message.id},
            )
            return AttemptResult(message.id, True)
        try:
            quoted = quote(self._secrets.fill(address), safe="+@")
            url = self._secrets.fill(channel.url).replace("{address}", quoted)
        except MissingSecretError as error:
            detail = f"channel {channel.id} needs the environment variable {error}, which is not set"
            return AttemptResult(message.id, False, detail, final=True)
        except SecretFileError as error:
            return AttemptResult(message.id, False, f"channel {channel.id}: {error}")
        self._capture.begin()
        try:
            plugin = apprise.Apprise.instantiate(url, asset=self._asset)
            if plugin is None:
                detail = f"apprise cannot use the URL of channel {channel.id}"
                return AttemptResult(message.id, False, detail, final=True)
            is_sent = self._send(plugin, message, link)
        except Exception as error:
            is_sent = False
            self._capture.add(f"{type(error).__name__}: {error}")
        if is_sent:
            return AttemptResult(message.id, True)
        reason = self._secrets.redact(self._capture.text(), channel.url + address)
        return AttemptResult(message.id, False, reason or f"channel {channel.id} refused the message")

    def _send(self, plugin: Any, message: OutgoingMessage, link: str) -> bool:
        headers = getattr(plugin, "headers", None)
        if isinstance(headers, dict):
            name = MAIL_HEADER if plugin.schema.startswith("mailto") else IDEMPOTENCY_HEADER
            headers[name] = message.id
        text = message.text
        title, body = text.title, "\n\n".join(filter(None, (text.body, link)))
        if plugin.body_maxlen <= SHORT_CHARACTERS_MAX:
            with_link = f"{text.short} {link}".strip()
            title, body = "", with_link if len(with_link) <= SHORT_CHARACTERS_MAX else text.short
        sender = apprise.Apprise(asset=self._asset)
        sender.add(plugin)
        notify_type = _notify_type(text.severity)
        return bool(
            sender.notify(body=body, title=title, notify_type=notify_type, body_format=NotifyFormat.TEXT)
        )


def _notify_type(severity: Severity) -> NotifyType:
    if severity is Severity.CLEARED:
        return NotifyType.SUCCESS
    return NotifyType.FAILURE if severity >= Severity.MAJOR else NotifyType.WARNING


class _LibraryLogCapture(logging.Handler):
    """The log lines of apprise about failures, by thread: its API returns only that there was a failure."""

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
