"""Sending a message over a channel: mail, web push, apprise for others, and `livetwin://log`."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import apprise
import msgspec
import requests
from apprise.common import NotifyFormat, NotifyType, PersistentStoreMode
from apprise.plugins import N_MGR
from apprise.plugins.email import NotifyEmail

from alerting.delivery.channel_secrets import ChannelSecrets, MissingSecretError
from alerting.delivery.mail_sender import send_mail
from alerting.delivery.message_file import MessageFile
from alerting.delivery.push_channel import PUSH_TEXT_CHARACTERS_MAX, PushOptions, PushSender
from alerting.delivery.webhook_channel import (
    CONNECT_SHARE,
    IDEMPOTENCY_HEADER,
    send_request,
    webhook_request,
)
from alerting.messages.channel_fit import webhook_characters
from alerting.messages.outgoing_message import DETAIL_CHARACTERS_MAX, AttemptResult, OutgoingMessage
from alerting.messages.short_text import SHORT_CHARACTERS_MAX
from runtime.secret_files import SecretFileError
from runtime.sink_address import SinkRules
from twin.alarms.severity import Severity
from twin.model.duty import PUSH_URL, NotificationChannel, PushSubscription, WebhookTemplate

log = logging.getLogger(__name__)

LOG_URL = "livetwin://log"

_PUBLIC = SinkRules()

LOGGING_LIBRARIES = ("apprise", "urllib3")
"""Libraries that log URLs with the secrets in them."""


def load_channels() -> None:
    """Load all plugins of apprise, which takes a second; otherwise the first message would wait for it."""
    N_MGR.load_modules()


class ChannelSender:
    """Sends messages, each in the thread of the caller; safe for several threads.

    An attempt has `timeout_s`. It is doubtful if the receiver has the message and does not answer in time.
    `rules` are those for the hosts of channels with a template, and of push services; apprise has none.
    Without `push` nothing is sent to browsers. `message_file` has the links that the log must not have.
    """

    def __init__(
        self,
        secrets: ChannelSecrets,
        timeout_s: float,
        rules: SinkRules = _PUBLIC,
        push: PushOptions | None = None,
        message_file: MessageFile | None = None,
    ) -> None:
        self._secrets = secrets
        self._timeout_s = timeout_s
        self._rules = rules
        self._message_file = message_file
        self._push = PushSender(push, rules, timeout_s) if push is not None else None
        self._capture = _LibraryLogCapture()
        # These logs may contain secrets. The reason of a failure is redacted and goes into the result.
        for name in LOGGING_LIBRARIES:
            library = logging.getLogger(name)
            library.setLevel(logging.WARNING)
            library.propagate = False
            library.addHandler(self._capture)
        load_channels()
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

    def body_characters(self, channel: NotificationChannel) -> int:
        """Return the length of the longest text that a channel accepts.

        A URL that cannot be used has the shortest; sending over it reports the reason.
        """
        if channel.webhook is not None:
            return webhook_characters(channel.webhook)
        if channel.url == LOG_URL:
            return SHORT_CHARACTERS_MAX
        if channel.url == PUSH_URL:
            return PUSH_TEXT_CHARACTERS_MAX
        self._capture.begin()
        try:
            url = self._secrets.fill(channel.url).replace("{address}", "address")
            plugin = apprise.Apprise.instantiate(url, asset=self._asset)
        except Exception:
            plugin = None
        return int(plugin.body_maxlen) if plugin is not None else SHORT_CHARACTERS_MAX

    def send(
        self,
        channel: NotificationChannel,
        message: OutgoingMessage,
        address: str,
        link: str,
        *,
        code: str = "",
        subscriptions: Sequence[PushSubscription] = (),
    ) -> AttemptResult:
        """Send a message to an address, and return the result; every failure is a result, too.

        `link` is the acknowledge link with its label, `code` the one of a reply; both may be empty.
        `subscriptions` are those of the duty plan, of which a push channel uses the contact's.
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
            return self._write_to_file(message, link)
        if channel.url == PUSH_URL and self._push is not None:
            return self._push.send(message, link, subscriptions)
        if channel.webhook is not None:
            return self._send_by_webhook(channel.id, channel.webhook, message, address, link, code=code)
        try:
            quoted = quote(self._secrets.fill(address), safe="+@")
            url = self._secrets.fill(channel.url).replace("{address}", quoted)
        except MissingSecretError as error:
            detail = f"channel {channel.id} needs the environment variable {error}, which is not set"
            return AttemptResult(message.id, False, detail, final=True)
        except SecretFileError as error:
            return AttemptResult(message.id, False, f"channel {channel.id}: {error}")
        result = self._attempt(url, channel.id, message, link)
        detail = self._secrets.redact(result.detail, channel.url + address)
        return replace(result, detail=detail)

    def _write_to_file(self, message: OutgoingMessage, link: str) -> AttemptResult:
        if self._message_file is not None:
            text = f"{message.request.contact}: {message.text.title}\n{_body(message, link)}"
            try:
                self._message_file.write(text)
            except OSError as error:
                detail = f"the file of messages cannot be written: {error.strerror}"
                return AttemptResult(message.id, False, detail)
        return AttemptResult(message.id, True)

    def _send_by_webhook(
        self,
        channel: str,
        template: WebhookTemplate,
        message: OutgoingMessage,
        address: str,
        link: str,
        *,
        code: str,
    ) -> AttemptResult:
        try:
            filled = self._secrets.fill(address)
            request = webhook_request(template, message, filled, link, self._secrets, code=code)
        except MissingSecretError as error:
            detail = f"channel {channel} needs the environment variable {error}, which is not set"
            return AttemptResult(message.id, False, detail, final=True)
        except SecretFileError as error:
            return AttemptResult(message.id, False, f"channel {channel}: {error}")
        result = send_request(request, message.id, self._rules, self._timeout_s)
        detail = result.detail.replace(filled, "{address}") if filled else result.detail
        named = msgspec.json.encode(template).decode() + address
        # Shortened last: the rest of a secret would not be recognised.
        detail = " ".join(self._secrets.redact(detail, named).split())[:DETAIL_CHARACTERS_MAX]
        return replace(result, detail=detail)

    def _attempt(self, url: str, channel: str, message: OutgoingMessage, link: str) -> AttemptResult:
        self._capture.begin()
        try:
            plugin = apprise.Apprise.instantiate(url, asset=self._asset)
            if plugin is None:
                detail = f"apprise cannot use the URL of channel {channel}"
                return AttemptResult(message.id, False, detail, final=True)
            if type(plugin) is NotifyEmail:
                return send_mail(plugin, message, _body(message, link), self._timeout_s)
            is_sent = self._notify(plugin, message, link)
        except Exception as error:
            is_sent = False
            self._capture.add(f"{type(error).__name__}: {error}")
        if is_sent:
            return AttemptResult(message.id, True)
        detail = self._capture.text() or f"channel {channel} refused the message"
        return AttemptResult(message.id, False, detail, doubtful=self._capture.has_read_timeout)

    def _notify(self, plugin: Any, message: OutgoingMessage, link: str) -> bool:
        self._set_timeouts(plugin)
        headers = getattr(plugin, "headers", None)
        if isinstance(headers, dict):
            headers[IDEMPOTENCY_HEADER] = message.id
        text = message.text
        title, body = text.title, _body(message, link)
        if plugin.body_maxlen <= SHORT_CHARACTERS_MAX:
            with_link = f"{text.short} {link}".strip()
            title, body = "", with_link if len(with_link) <= SHORT_CHARACTERS_MAX else text.short
        # Not by `apprise.Apprise`: it sends in a few threads that all channels share, so one delays others.
        notify_type = _notify_type(text.severity)
        return bool(
            plugin.notify(body=body, title=title, notify_type=notify_type, body_format=NotifyFormat.TEXT)
        )

    def _set_timeouts(self, plugin: Any) -> None:
        """Set the time limits, unless the URL has its own; apprise's are 4 s."""
        if plugin.socket_connect_timeout == type(plugin).socket_connect_timeout:
            plugin.socket_connect_timeout = self._timeout_s * CONNECT_SHARE
        if plugin.socket_read_timeout == type(plugin).socket_read_timeout:
            plugin.socket_read_timeout = self._timeout_s * (1 - CONNECT_SHARE)


def _body(message: OutgoingMessage, link: str) -> str:
    return "\n\n".join(filter(None, (message.text.body, link)))


def _notify_type(severity: Severity) -> NotifyType:
    if severity is Severity.CLEARED:
        return NotifyType.SUCCESS
    return NotifyType.FAILURE if severity >= Severity.MAJOR else NotifyType.WARNING


class _LibraryLogCapture(logging.Handler):
    """The log lines of apprise about failures, by thread: its API returns only that there was a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._attempt = _AttemptLog()

    def begin(self) -> None:
        """Begin an attempt of this thread."""
        self._attempt.lines.clear()
        self._attempt.has_read_timeout = False

    def add(self, line: str) -> None:
        self._attempt.lines.append(line)

    def emit(self, record: logging.LogRecord) -> None:
        # apprise logs a failure while it handles its exception.
        if isinstance(sys.exception(), requests.ReadTimeout):
            self._attempt.has_read_timeout = True
            self.add("no answer in time, although the receiver has the message")
        else:
            self.add(record.getMessage())

    def text(self) -> str:
        return "; ".join(self._attempt.lines)

    @property
    def has_read_timeout(self) -> bool:
        """Whether the receiver had the whole request, and did not answer in time."""
        return self._attempt.has_read_timeout


class _AttemptLog(threading.local):
    """What apprise has logged about the present attempt of this thread."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.has_read_timeout = False
