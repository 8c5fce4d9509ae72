"""Receivers of notifications: a real SMTP server, and a webhook that misbehaves on request."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

from aiosmtpd.controller import Controller

from alerting.delivery.mail_sender import MAIL_HEADER
from alerting.delivery.webhook_channel import IDEMPOTENCY_HEADER
from cli.embedded.ports import free_port

Behaviour = Literal["accept", "refuse", "hang", "drop"]

MailBehaviour = Literal["accept", "refuse address", "refuse for now", "hang before mail", "hang after mail"]


class ReceivedMail(NamedTuple):
    """An accepted mail."""

    notification: str
    to: str
    content: Message


class MailServer:
    """Treats each mail as `behaviour` says; calls `received` before it answers."""

    def __init__(self, received: Callable[[str], None] = lambda _: None, host: str = "127.0.0.1") -> None:
        self._host = host
        self.mails: list[ReceivedMail] = []
        self.behaviour: Callable[[str], MailBehaviour] = lambda _: "accept"  #: by the address
        self._over = threading.Event()
        self._received = received
        self._controller = Controller(self, hostname=host, port=free_port())

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept an address, unless it is to be refused."""
        match self.behaviour(address):
            case "refuse address":
                return "550 no such mailbox"
            case "refuse for now":
                return "451 try again later"
            case "hang before mail":
                await asyncio.to_thread(self._over.wait)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Accept a mail."""
        content = message_from_bytes(envelope.content)
        notification = str(content[MAIL_HEADER])
        self.mails.append(ReceivedMail(notification, envelope.rcpt_tos[0], content))
        self._received(notification)
        if self.behaviour(envelope.rcpt_tos[0]) == "hang after mail":
            await asyncio.to_thread(self._over.wait)
        return "250 OK"

    def start(self) -> None:
        """Listen on a free port."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening, and release hanging sessions."""
        self._over.set()
        self._controller.stop()

    @property
    def url(self) -> str:
        """URL of a channel that delivers here."""
        return (
            f"mailto://{self._host}:{self._controller.port}?smtp={self._host}&from=duty@town.example"
            "&to={address}"
        )


class NotificationRequest(NamedTuple):
    """A request to the webhook."""

    notification: str
    path: str
    content: dict[str, Any]
    behaviour: Behaviour


class NotificationWebhook:
    """Treats each request as `behaviour` says; calls `received` before it answers and `answered` after."""

    def __init__(
        self,
        behaves: Callable[[str], Behaviour] = lambda _: "accept",
        received: Callable[[str], None] = lambda _: None,
        answered: Callable[[str], None] = lambda _: None,
        host: str = "127.0.0.1",
    ) -> None:
        self.requests: list[NotificationRequest] = []
        self.gets: list[str] = []  #: paths of GET requests
        self.behaviour = behaves
        self._received = received
        self._answered = answered
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._take(self)

            def do_GET(self) -> None:
                outer.gets.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and release hanging requests."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """URL of a channel that delivers here."""
        return f"json://{self.address}/{{address}}"

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    @property
    def accepted(self) -> list[NotificationRequest]:
        """The accepted requests."""
        return [one for one in self.requests if one.behaviour == "accept"]

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        content = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        notification = request.headers[IDEMPOTENCY_HEADER]
        behaviour = self.behaviour(notification)
        self.requests.append(NotificationRequest(notification, request.path, content, behaviour))
        self._received(notification)
        if behaviour == "hang":
            self._over.wait()
        if behaviour in ("hang", "drop"):
            request.close_connection = True
            return
        request.send_response(200 if behaviour == "accept" else 500)
        request.send_header("Content-Length", "0")
        try:
            request.end_headers()
        except OSError:
            return  # the sender was killed meanwhile
        self._answered(notification)
