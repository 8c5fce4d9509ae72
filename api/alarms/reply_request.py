"""A reply as a provider of SMS sends it: who may send it, and where its sender and text are."""

from __future__ import annotations

import base64
import binascii
import hmac
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from api.context import ApiContext
from api.http.bodies import json_object
from api.http.parameters import Parameters
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from runtime.webhook_signature import SECRET_PREFIX, sign
from twin.instant import MINUTE, SECOND, Duration

FORM = "application/x-www-form-urlencoded"
FORM_FIELDS_MAX = 100
TEXT_CHARACTERS_MAX = 1_000
SIGNATURES_MAX = 10

SIGNATURE_VALID: Duration = 5 * MINUTE
"""How far the time of a signature may be from ours."""


class ReplyParameters(Parameters):
    """The names of the members in the provider's body."""

    sender: str = Field(default="from", max_length=100, description="Member with the sender's number.")
    text: str = Field(default="text", max_length=100, description="Member with the text of the reply.")


class ReplyBody(BaseModel):
    """The body of a provider; the query names the two members that are read, where they have other names."""

    model_config = ConfigDict(extra="allow")

    sender: str | int | None = Field(default=None, alias="from", description="The sender's number.")
    text: str | int | None = Field(default=None, description="The text of the reply.")


class ReceivedReply(NamedTuple):
    """A reply of somebody."""

    sender: str
    text: str


def check_credentials(context: ApiContext, request: Request, body: bytes) -> None:
    """Raise a problem unless a request is one of the provider's: 404 without a key in the settings, else 401.

    It has the key as a bearer token or as the password of HTTP Basic, or signs the body with it (Standard
    Webhooks: HMAC-SHA-256).
    """
    setting = context.settings.reply_key
    if setting is None:
        raise not_found("This server takes no replies: LIVETWIN_REPLY_KEY is not set.")
    key = setting.get_secret_value()
    signatures = request.headers.get("webhook-signature")
    if signatures is not None:
        granted = _is_signed(request, signatures, body, key, context.clock() // SECOND)
    else:
        granted = _has_key(request.headers.get("authorization", ""), key)
    if not granted:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "Expected the key of LIVETWIN_REPLY_KEY as a bearer token or as a password, or a signature "
            "with it that is at most 5 minutes old.",
            headers={"WWW-Authenticate": 'Bearer, Basic realm="replies"'},
        )


def _has_key(authorization: str, key: str) -> bool:
    scheme, _, credentials = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            found = credentials.strip()
        case "basic":
            try:
                found = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
            except ValueError:
                return False
        case _:
            return False
    return hmac.compare_digest(found.encode(), key.encode())


def _is_signed(request: Request, signatures: str, body: bytes, key: str, now_s: int) -> bool:
    id, timestamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(int(timestamp) - now_s) > SIGNATURE_VALID // SECOND:
        return False
    expected = reply_signature(key, id, timestamp, body)
    return any(
        hmac.compare_digest(one.encode(), expected.encode()) for one in signatures.split()[:SIGNATURES_MAX]
    )


def reply_signature(key: str, id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a request; `timestamp` is in seconds since 1970."""
    secret = key.encode()
    if key.startswith(SECRET_PREFIX):
        with suppress(binascii.Error):  # a key of another kind that begins so
            secret = base64.b64decode(key.removeprefix(SECRET_PREFIX), validate=True)
    return sign(secret, id, timestamp, body)


def read_reply(request: Request, body: bytes, parameters: ReplyParameters) -> ReceivedReply:
    """Return the reply in the body of a request. Raises a problem (400) that names what is missing."""
    if request.headers.get("content-type", "").lower().startswith(FORM):
        try:
            fields: dict[str, object] = dict(
                parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
            )
        except ValueError as error:
            raise bad_request(RequestFault("body", "", "malformed", f"expected a form: {error}")) from None
    else:
        fields = json_object(body, "expected a JSON object or a form")
    return ReceivedReply(_text(fields, parameters.sender), _text(fields, parameters.text))


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise bad_request(
            RequestFault("body", name, "missing", "expected a text; the query names another member")
        )
    return value[:TEXT_CHARACTERS_MAX]
