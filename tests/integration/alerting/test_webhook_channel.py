"""SMS and calls over the HTTP interface of any provider: what it gets, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, quote_plus

import pytest
from msgspec.structs import replace

from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.delivery.channels import ChannelSender
from alerting.delivery.delivery_pool import DeliveryOptions, DeliveryPool
from alerting.delivery.reply_codes import reply_code
from alerting.messages.outgoing_message import DETAIL_CHARACTERS_MAX, AttemptResult, OutgoingMessage
from runtime.sink_address import SinkRules, parse_networks
from tests.support.pipelines.duty_loop import NOON, DutyLoop, duty_alarm, duty_plan
from twin.instant import MINUTE
from twin.model.duty import Contact, NotificationChannel, WebhookTemplate

HERE = SinkRules(parse_networks("127.0.0.0/8"))
LINK = "Bevestigen: https://twin.example/v1/acknowledge/token"
NUMBER = "+31612345678"


class ProviderRequest(NamedTuple):
    """A request as the provider got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


class Provider:
    """A provider of SMS and calls; `status` and `answer` are its answer, `hangs` that it gives none."""

    def __init__(self) -> None:
        self.requests: list[ProviderRequest] = []
        self.status = 202
        self.answer = b"{}"
        self.location = ""
        self.hangs = False
        self.drips = False  #: it begins an answer, and does not end it
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                outer.requests.append(ProviderRequest(self.command, self.path, dict(self.headers), body))
                if outer.hangs:
                    outer._over.wait()
                    return
                self.send_response(outer.status)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", str(len(outer.answer)))
                self.end_headers()
                if outer.drips:
                    self.wfile.flush()
                    outer._over.wait()
                    return
                self.wfile.write(outer.answer)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/messages"

    def stop(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


def template(provider: Provider, **changes: Any) -> WebhookTemplate:
    known: dict[str, Any] = {
        "url": provider.url,
        "headers": {"Authorization": "Bearer ${SMS_TOKEN}"},
        "body": {"to": ["{address}"], "text": "{text}", "options": {"reference": "{id}", "parts": 1}},
    }
    return WebhookTemplate(**{**known, **changes})


def alarm_message() -> OutgoingMessage:
    """Return a message of the duty loop in Dutch."""
    plan = duty_plan()
    contacts = tuple(
        Contact(id=one.id, name=one.name, language="nl", addresses=one.addresses) for one in plan.contacts
    )
    run = DutyLoop(replace(plan, contacts=contacts), delivers=lambda _: None)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    return next(iter(run.messages.values()))


def send(
    webhook: WebhookTemplate,
    *,
    address: str = "${DUTY_NUMBER}",
    link: str = LINK,
    message: OutgoingMessage | None = None,
    timeout_s: float = 30.0,
    rules: SinkRules = HERE,
    **environment: str,
) -> AttemptResult:
    known = {"SMS_TOKEN": "s3cret/{text}", "DUTY_NUMBER": NUMBER}
    sender = ChannelSender(ChannelSecrets(known | environment), timeout_s, rules)
    try:
        channel = NotificationChannel(id="sms", webhook=webhook)
        return sender.send(channel, message or alarm_message(), address, link)
    finally:
        sender.close()


def test_a_provider_gets_one_request_from_the_template(provider: Provider) -> None:
    message = alarm_message()
    assert send(template(provider), message=message).sent
    [request] = provider.requests
    assert (request.method, request.path) == ("POST", "/messages")
    assert json.loads(request.body) == {
        "to": [NUMBER],
        "text": f"{message.text.short} {LINK}",
        "options": {"reference": message.id, "parts": 1},
    }
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == message.id
    # A secret is no template: what looks like a field in it is not one.
    assert request.headers["Authorization"] == "Bearer s3cret/{text}"


def test_a_form_and_a_url_have_their_values_quoted(provider: Provider) -> None:
    body = {"To": "{address}", "Say": "<Say language='{language}'>{text}</Say>"}
    webhook = template(
        provider, url=f"{provider.url}/{{address}}?key=${{SMS_TOKEN}}", format="form", body=body
    )
    webhook = replace(webhook, text="voice", characters=400)
    assert send(webhook).sent
    [request] = provider.requests
    assert request.path == "/messages/%2B31612345678?key=s3cret%2F%7Btext%7D"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    form = parse_qs(request.body)
    assert form["To"] == [NUMBER]
    assert form["Say"] == [
        "<Say language='nl-NL'>GROOT, Hoog water, Canal, min 0,25 meter, sinds 23-11-2026 13:00</Say>"
    ]


def test_a_value_cannot_end_its_part_of_the_template(provider: Provider) -> None:
    message = alarm_message()
    text = replace(message.text, short='x", "to": "+1', title="y\r\nX-Evil: 1", line="<Hangup/>{id}")
    message = replace(message, text=text)
    headers = {"X-Title": "{title}"}
    assert send(template(provider, headers=headers), message=message).sent
    [request] = provider.requests
    assert json.loads(request.body)["text"] == f'x", "to": "+1 {LINK}'
    assert (request.headers["X-Title"], "X-Evil" in request.headers) == ("y X-Evil: 1", False)
    assert send(template(provider, text="voice"), message=message).sent
    spoken = json.loads(provider.requests[1].body)["text"]
    assert not set(spoken) & set('<>&{}"/')


@pytest.mark.parametrize(
    ("kind", "characters", "has_link"),
    [
        ("sms", 160, False),
        ("sms", 320, True),
        ("full", 1_000, True),
        ("full", 100, False),
        ("voice", 60, False),
    ],
)
def test_a_text_has_the_length_that_the_channel_takes(
    provider: Provider, kind: Any, characters: int, has_link: bool
) -> None:
    link = f"{LINK}{'x' * 100}"
    assert send(template(provider, text=kind, characters=characters), link=link).sent
    text = json.loads(provider.requests[0].body)["text"]
    assert 20 < len(text) <= characters
    assert (link in text) is has_link


@pytest.mark.parametrize(
    ("status", "is_final"), [(400, True), (422, True), (401, False), (429, False), (500, False), (302, False)]
)
def test_the_answer_of_the_provider_says_whether_another_attempt_can_succeed(
    provider: Provider, status: int, is_final: bool
) -> None:
    provider.status, provider.location = status, provider.url
    provider.answer = f"number {NUMBER} is wrong, token s3cret/{{text}}".encode()
    result = send(template(provider))
    assert (result.sent, result.final, result.doubtful) == (False, is_final, False)
    assert result.detail.startswith(f"the provider answered {status}: number {{address}} is wrong")
    assert "s3cret" not in result.detail
    assert len(provider.requests) == 1, "a redirect is not followed"


def test_a_provider_that_has_the_message_and_does_not_answer_is_doubtful(provider: Provider) -> None:
    provider.hangs = True
    result = send(template(provider), timeout_s=0.5)
    assert (result.sent, result.doubtful) == (False, True)


def test_a_provider_that_is_away_is_tried_again_and_its_url_is_not_repeated(free_port: int) -> None:
    webhook = WebhookTemplate(url=f"http://127.0.0.1:{free_port}/${{SMS_TOKEN}}", body={"text": "{text}"})
    result = send(webhook)
    assert (result.sent, result.final, result.doubtful) == (False, False, False)
    assert "s3cret" not in result.detail


def test_a_missing_secret_is_named_and_final(provider: Provider) -> None:
    result = send(template(provider), SMS_TOKEN="")
    assert result.final
    assert "channel sms needs the environment variable SMS_TOKEN" in result.detail
    assert provider.requests == []


def test_a_contact_needs_an_address_only_if_the_template_names_one() -> None:
    with_address = NotificationChannel(
        id="sms", webhook=WebhookTemplate(url="https://x/", body={"to": ["{address}"]})
    )
    without = NotificationChannel(
        id="sms", webhook=WebhookTemplate(url="https://x/", body={"text": "{text}"})
    )
    assert (with_address.needs_address, without.needs_address) == (True, False)


async def test_a_message_has_the_code_that_acknowledges_it(provider: Provider) -> None:
    sms = NotificationChannel(id="sms", webhook=template(provider, replies=True, characters=320))
    plan = duty_plan()
    plan = replace(plan, channels=(plan.channels[0], sms))
    run = DutyLoop(plan)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    message = next(one for one in run.messages.values() if one.request.channel == "sms")
    results: asyncio.Queue[AttemptResult] = asyncio.Queue()
    sender = ChannelSender(ChannelSecrets({"SMS_TOKEN": "s3cret"}), 30.0, HERE)
    options = DeliveryOptions(base_url="https://twin.example", link_key=b"key", attempt_timeout_s=30.0)
    pool = DeliveryPool(sender, options, results.put_nowait)
    try:
        assert pool.reserve(message)
        pool.start_attempt(message, plan, NOON)
        assert (await results.get()).sent
    finally:
        await pool.close()
        sender.close()
    text = json.loads(provider.requests[0].body)["text"]
    assert f"Reply {reply_code(b'key', message.id)} to acknowledge. Acknowledge: https://twin" in text


def test_values_in_xml_are_escaped(provider: Provider) -> None:
    message = alarm_message()
    message = replace(message, text=replace(message.text, title="<Dial>+1</Dial> & 'x'"))
    body = {"twiml": "<Say voice='a'>{title}</Say>", "subject": "{title}"}
    assert send(template(provider, body=body), message=message).sent
    sent = json.loads(provider.requests[0].body)
    assert sent["twiml"] == "<Say voice='a'>&lt;Dial&gt;+1&lt;/Dial&gt; &amp; &apos;x&apos;</Say>"
    assert sent["subject"] == message.text.title


def test_a_secret_with_line_breaks_cannot_begin_another_header(provider: Provider) -> None:
    assert send(template(provider), SMS_TOKEN="s3cret\r\nX-Evil: 1\r\n\r\nGET /").sent
    [request] = provider.requests
    assert request.headers["Authorization"] == "Bearer s3cret X-Evil: 1 GET /"
    assert "X-Evil" not in request.headers


@pytest.mark.parametrize("written", [str, quote, quote_plus, lambda secret: json.dumps(secret)[1:-1]])
@pytest.mark.parametrize("before", [0, 250, 270, 290])
def test_no_part_of_a_secret_is_in_the_reason_of_a_failure(
    provider: Provider, written: Callable[[str], str], before: int
) -> None:
    secret = 's3cret "to/ken" é'
    provider.status, provider.answer = 500, f"{'x' * before} {written(secret)}".encode()
    result = send(template(provider), SMS_TOKEN=secret)
    assert "s3c" not in result.detail
    assert len(result.detail) <= DETAIL_CHARACTERS_MAX


def test_a_setting_of_a_role_is_no_secret_of_a_template(provider: Provider) -> None:
    headers = {"Authorization": "Bearer ${LIVETWIN_LINK_KEY}"}
    result = send(template(provider, headers=headers), LIVETWIN_LINK_KEY="s3cret")
    assert (result.sent, result.final, provider.requests) == (False, True, [])


def test_a_host_that_is_not_on_the_public_internet_gets_nothing(provider: Provider) -> None:
    result = send(template(provider), rules=SinkRules())
    assert (result.sent, result.final, provider.requests) == (False, True, [])
    assert "127.0.0.1 is not on the public internet; LIVETWIN_SINK_NETWORKS names" in result.detail


def test_a_name_of_such_a_host_gets_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    result = send(WebhookTemplate(url="https://provider.example/${SMS_TOKEN}", body={"text": "{text}"}))
    assert (result.sent, result.final, result.doubtful) == (False, False, False)
    assert "169.254.169.254 is not on the public internet" in result.detail


def test_a_proxy_and_a_netrc_of_the_environment_are_not_used(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, free_port: int, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port}")
    assert send(template(provider)).sent
    assert provider.requests[0].headers["Authorization"] == "Bearer s3cret/{text}"


def test_an_answer_that_does_not_end_keeps_its_status(provider: Provider) -> None:
    provider.status, provider.drips = 422, True
    result = send(template(provider), timeout_s=1.0)
    assert (result.final, result.doubtful) == (True, False)
    assert result.detail == "the provider answered 422:"


def test_a_request_is_bounded(provider: Provider) -> None:
    result = send(template(provider, body={"texts": ["{text}"] * 10_000}))
    assert (result.final, provider.requests) == (True, [])
    assert "expected at most 100000" in result.detail
