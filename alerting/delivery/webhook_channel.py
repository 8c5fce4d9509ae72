"""A channel of any provider of SMS or calls that has an HTTP interface: one request, made from a template.

Values are put into the parts of the template before these are encoded, so none of them can end its part. The
request goes to a checked address, as those to the receivers of webhooks do.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from alerting.messages.phrases import phrases_of
from alerting.messages.spoken_text import spoken_text
from runtime.sink_address import SinkError, SinkRules
from runtime.sink_resolver import CheckedResolver
from twin.model.duty import WebhookTemplate
from twin.model.plain_text import one_line

T = TypeVar("T")

IDEMPOTENCY_HEADER = "Idempotency-Key"
"""The header of webhooks with the notification's id, by which a receiver drops repetitions (IETF draft)."""

CONNECT_SHARE = 0.25
"""The share of an attempt's time to connect; the rest is for the answer."""

REQUEST_BYTES_MAX = 100_000
"""The longest body of a request."""

ANSWER_BYTES_MAX = 2_000
"""How much of an answer is read, to say why it refuses."""

# Turns of the event loop in which a connection sees that its socket was shut, and closes it.
_CLOSING_TURNS = 4

_NAME = re.compile(r"\$\{(\w+)\}|\{(\w+)\}")
# Another attempt with the same message has the same answer.
_FINAL = frozenset({400, 404, 405, 410, 413, 414, 415, 422})
_LANGUAGES = {"en": "en-GB", "nl": "nl-NL"}
_CONTENT_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_QUOTES = {'"': "&quot;", "'": "&apos;"}


class WebhookRequest(NamedTuple):
    """A request, with its secrets."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Exchange(NamedTuple):
    """What came of a request: an answer, or why there is none. The texts may contain secrets."""

    status: int = 0  #: of the answer; 0: there is none
    answer: str = ""  #: its beginning, of a refusal
    fault: str = ""
    doubtful: bool = False  #: whether the provider has the request, and did not answer in time


def webhook_request(
    template: WebhookTemplate,
    message: OutgoingMessage,
    address: str,
    link: str,
    secrets: ChannelSecrets,
    *,
    code: str = "",
) -> WebhookRequest:
    """Return the request for a message. Raises MissingSecretError, SecretFileError."""
    fields = {
        "address": address,
        "text": message_text(template, message, link, code),
        "title": message.text.title,
        "link": link.partition(": ")[2],
        "code": code,
        "severity": message.text.severity.word,
        "language": _LANGUAGES[message.text.language],
        "id": message.id,
    }
    values = _Values(fields, secrets)
    headers = CIMultiDict({"Accept-Encoding": "identity", "User-Agent": "livetwin"})
    if template.body:
        headers["Content-Type"] = _CONTENT_TYPES[template.format]
    for name, value in template.headers.items():
        headers[name] = one_line(values.fill(value))
    headers[IDEMPOTENCY_HEADER] = message.id
    url = values.fill(template.url, _quote_inside)
    return WebhookRequest(template.method, url, headers, _encoded(template, values))


def message_text(template: WebhookTemplate, message: OutgoingMessage, link: str, code: str = "") -> str:
    """Return the text of a message as the channel takes it.

    The code of a reply is always in it, the link where there is room for it.
    """
    text, most = message.text, template.characters
    asks = phrases_of(text.language)["reply"].format(code=code) if code else ""
    match template.text:
        case "voice":
            return spoken_text(text.line or text.title, text.language)[:most]
        case "sms":
            return _first_that_fits(most, " ", (text.short, asks, link), (text.short, asks))
        case "full":
            whole = f"{text.title}\n{text.body}"
            return _first_that_fits(most, "\n\n", (whole, asks, link), (text.title, asks))


def _first_that_fits(most: int, between: str, *choices: tuple[str, ...]) -> str:
    """Return the first choice of parts that has room; else the last one, whose first part is cut."""
    for parts in choices:
        text = between.join(filter(None, parts))
        if len(text) <= most:
            return text
    first, *rest = choices[-1]
    end = between.join(filter(None, ("", *rest)))
    end = between + end if end else ""
    return first[: most - len(end)] + end


def send_request(request: WebhookRequest, id: str, rules: SinkRules, timeout_s: float) -> AttemptResult:
    """Send a request once, from a thread without an event loop.

    The result is doubtful if the provider has the request and does not answer in time. Its detail may
    contain secrets, as the answer may.
    """
    if len(request.body) > REQUEST_BYTES_MAX:
        detail = f"the request has {len(request.body)} bytes, expected at most {REQUEST_BYTES_MAX}"
        return AttemptResult(id, False, detail, final=True)
    try:
        rules.check_url(request.url)
    except SinkError as error:
        return AttemptResult(id, False, f"the URL is not allowed: {error}", final=True)
    exchange = run_in_thread(exchange_once(request, rules, timeout_s))
    if not exchange.status:
        return AttemptResult(id, False, exchange.fault, doubtful=exchange.doubtful)
    if exchange.status < 300:
        return AttemptResult(id, True)
    detail = f"the provider answered {exchange.status}: {exchange.answer}"
    return AttemptResult(id, False, detail, final=exchange.status in _FINAL)


def run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work in a thread without an event loop.

    A runner of asyncio would wait at its end for the look-up of a host, long after the time limit.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


async def exchange_once(
    request: WebhookRequest, rules: SinkRules, timeout_s: float, tls: ssl.SSLContext | None = None
) -> Exchange:
    """Send a request once to a checked address, and return what came of it.

    `tls` is how the provider's certificate is checked, by the authorities of the machine by default.
    """
    is_handed_over = False
    sockets: list[socket.socket] = []

    def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
        sockets.append(socket.socket(*address[:3]))
        return sockets[-1]

    async def hand_over(*_: object) -> None:
        nonlocal is_handed_over
        is_handed_over = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(hand_over)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=CheckedResolver(rules),
            force_close=True,
            ssl=True if tls is None else tls,
            socket_factory=open_socket,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s * CONNECT_SHARE),
        trace_configs=[trace],
        auto_decompress=False,
    )
    try:
        async with (
            session,
            session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
            ) as response,
        ):
            return Exchange(response.status, await _beginning(response))
    except TimeoutError:
        if is_handed_over:
            fault = "no answer in time, although the provider has the message"
            return Exchange(fault=fault, doubtful=True)
        return Exchange(fault="the provider cannot be reached: no answer in time")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The text of these errors may contain the URL.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return Exchange(fault=f"the provider cannot be reached: {reason}")
    finally:
        await _cut_off(sockets)


async def _cut_off(sockets: Iterable[socket.socket]) -> None:
    """Close what is still open: with TLS a close waits for the other end, which may be the one that hangs."""
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    for _ in range(_CLOSING_TURNS):
        await asyncio.sleep(0)


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Return the beginning of a refusal; nothing of another answer, which is not read."""
    if 200 <= response.status < 300:
        return ""
    try:
        answer = await response.content.read(ANSWER_BYTES_MAX)
    except (TimeoutError, aiohttp.ClientError, OSError):
        return ""
    return answer.decode(errors="replace")


class _Values:
    """What stands for the names in a template."""

    def __init__(self, fields: Mapping[str, str], secrets: ChannelSecrets) -> None:
        self._fields = fields
        self._secrets = secrets

    def fill(self, template: str, encode: Callable[[str, re.Match[str]], str] | None = None) -> str:
        """Return a text with its fields and secrets, in one pass: a value cannot name another one."""

        def value(found: re.Match[str]) -> str:
            text = self._secrets.value(found[1]) if found[1] else self._fields.get(found[2], found[0])
            return encode(text, found) if encode is not None else text

        return _NAME.sub(value, template)

    def fill_all(self, template: Any) -> Any:
        """Return a part of a body with its values; lists and mappings item by item. One with a `<` is XML."""
        match template:
            case str():
                return self.fill(template, _escape if "<" in template else None)
            case dict():
                return {name: self.fill_all(value) for name, value in template.items()}
            case list():
                return [self.fill_all(value) for value in template]
            case _:
                return template


def _encoded(template: WebhookTemplate, values: _Values) -> bytes:
    if not template.body:
        return b""
    body = values.fill_all(template.body)
    if template.format == "json":
        return msgspec.json.encode(body)
    texts = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in body.items()
        if value is not None
    }
    return urlencode(texts).encode()


def _quote_inside(text: str, found: re.Match[str]) -> str:
    """Quote a value, unless it is a secret at the beginning: then that is a URL itself."""
    return text if found[1] and not found.start() else quote(text, safe="")


def _escape(text: str, _: re.Match[str]) -> str:
    return escape(text, _QUOTES)
