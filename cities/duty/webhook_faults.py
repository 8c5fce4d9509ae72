"""Faults of the request by which a provider of SMS or calls takes messages; no text of it is repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cities.duty.urls import ANY_HOST, SECRET, SECRET_WORDS
from runtime.sink_address import SinkError
from twin.model.duty import WebhookTemplate
from twin.model.plain_text import LINE_BREAKS, control_character

WEBHOOK_FIELDS = ("address", "text", "title", "link", "code", "severity", "language", "id")
"""What `{…}` may name in a template."""

REPLY_CHARACTERS_MIN = 200
"""A short text of 160 characters, and the sentence with the code."""

_HEADER_FIELDS = frozenset({"address", "severity", "language", "id"})
"""Those of them without free text, which headers cannot carry."""

_OWN_HEADERS = frozenset({
    "connection", "content-length", "expect", "host", "idempotency-key", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that the client sets, or that change how a request is divided into messages."""

_NAMES = re.compile(r"\$?\{[^}]*\}?|\$\w+")
_FIELD = re.compile(r"(?<!\$)\{")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def webhook_faults(webhook: WebhookTemplate) -> Iterator[str]:
    """Yield the faults of a template, each with the key of its part."""
    texts = [("url", "", webhook.url), *_leaves("headers", webhook.headers), *_leaves("body", webhook.body)]
    for place, _, text in texts:
        yield from _text_faults(place, text)
    if not any("{text}" in text for _, _, text in texts):
        yield "has no {text}: a message would say nothing"
    for place, name, text in texts[1:]:
        if _is_secret(name) and text and not SECRET.search(text):
            yield _in_clear(place)
    yield from _url_faults(webhook.url)
    yield from _header_faults(webhook.headers)
    if webhook.format == "form" and any(isinstance(one, dict | list) for one in webhook.body.values()):
        yield "body: has a list or mapping, expected texts and numbers in a form"
    if webhook.replies and webhook.text == "voice":
        yield "replies: found with text: voice, expected another text: nobody answers a call by a text"
    if webhook.replies and webhook.characters < REPLY_CHARACTERS_MIN:
        yield f"characters: found {webhook.characters}, expected at least {REPLY_CHARACTERS_MIN} with replies"
    if webhook.replies and not any("{address}" in text for _, _, text in texts):
        yield "replies: expected {address} in the template: a reply counts from that address only"
    if webhook.method == "GET" and webhook.body:
        yield "body: found one, expected none with method: GET"


def _text_faults(place: str, text: str) -> Iterator[str]:
    if found := control_character(text, LINE_BREAKS if place.startswith("body") else ""):
        yield f"{place}: has the control character {found}, expected none"
    for name in _NAMES.findall(text):
        if name.startswith("${LIVETWIN_"):
            yield f"{place}: names a setting of a role, expected a secret such as ${{SMS_TOKEN}}"
            return
        if not SECRET.fullmatch(name) and name not in {f"{{{one}}}" for one in WEBHOOK_FIELDS}:
            fields = ", ".join(f"{{{one}}}" for one in WEBHOOK_FIELDS)
            yield f"{place}: has a $ or brace that is none of {fields} and no secret such as ${{SMS_TOKEN}}"
            return


def _url_faults(url: str) -> Iterator[str]:
    if SECRET.match(url):
        return  # The beginning is a secret; the alerting role reports a wrong one.
    try:
        ANY_HOST.check_url(_NAMES.sub("x", url))
    except SinkError as error:
        yield f"url: {error}"
        return
    host, _, query = url.partition("://")[2].partition("?")
    if _FIELD.search(host.partition("/")[0]):
        yield "url: has a field in its host, expected the same host for every message"
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if _is_secret(name) and value and not SECRET.search(value):
            yield _in_clear("url")


def _header_faults(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            yield "headers: has a name that is no name of a header"
        elif name.lower() in _OWN_HEADERS:
            yield f"headers.{name}: found in the template, expected none: the role sets it"
        elif any(f"{{{one}}}" in value for one in WEBHOOK_FIELDS if one not in _HEADER_FIELDS):
            fields = ", ".join(f"{{{one}}}" for one in sorted(_HEADER_FIELDS))
            yield f"headers.{name}: has a field with free text, expected {fields} only"


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def _in_clear(place: str) -> str:
    return f"{place}: holds a secret in clear, expected its name, such as ${{SMS_TOKEN}}"


def _leaves(place: str, part: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield place, last name and text of each text in a mapping."""
    for name, value in part.items():
        yield from _texts(f"{place}.{name}", name, value)


def _texts(place: str, name: str, value: Any) -> Iterator[tuple[str, str, str]]:
    match value:
        case str():
            yield place, name, value
        case dict():
            yield from _leaves(place, {str(key): one for key, one in value.items()})
        case list():
            for one in value:
                yield from _texts(place, name, one)
