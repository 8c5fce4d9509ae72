"""Creates the accounts of the roles at Kafka, and gives each exactly the declared rights.

aiokafka has neither the request for SCRAM accounts nor methods for access rules; the requests are those of
Kafka's protocol.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from runtime.kafka.access import Kafka
from runtime.kafka.admin import administer
from runtime.kafka.rights import RIGHTS, AccessRule, declared_rules, kafka_principal, kafka_user

ADMINISTER_TIMEOUT_S = 30.0

SCRAM_ITERATIONS = 8192
"""Twice Kafka's least. A client computes as many rounds at each connect."""

_SALT_BYTES = 32
_SCRAM_SHA_512 = 2  # the mechanism's code in the protocol
_ANY = 1  # of a type, a pattern, an operation or a permission, in a filter
_TEXT = CompactString("utf-8")


class _AlterScramResponse(Response):  # type: ignore[misc] # aiokafka has no types
    """The result for each account."""

    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", _TEXT), ("error_code", Int16), ("error_message", _TEXT), ("tags", TaggedFields)
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScramStruct(RequestStruct):  # type: ignore[misc]
    """AlterUserScramCredentials, version 0."""

    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _AlterScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", _TEXT), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("name", _TEXT),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScramRequest(Request[_AlterScramStruct]):  # type: ignore[misc]
    """Creates accounts, or replaces their passwords."""

    API_KEY = 51

    def __init__(self, upsertions: list[tuple[Any, ...]]) -> None:
        self._upsertions = upsertions

    def build(self, request_struct_class: type[_AlterScramStruct]) -> _AlterScramStruct:
        return request_struct_class([], self._upsertions, {})


async def apply_accounts(kafka: Kafka, passwords: Mapping[str, str]) -> int:
    """Give each role (name → password) its account, and all roles exactly the declared rights.

    Return how many rights were changed. Kafka gets no password, only what SCRAM derives from it, and does
    not tell whether that is a new one: so accounts are always written. Their open connections stay.

    Raises ServiceError when Kafka does not do it in time.
    """
    changed = await administer(
        kafka, _apply_rules, purpose="set the rights of the roles", timeout_s=ADMINISTER_TIMEOUT_S
    )

    async def write(client: AIOKafkaAdminClient) -> None:
        await _write_accounts(client, passwords)

    await administer(kafka, write, purpose="write the accounts of the roles", timeout_s=ADMINISTER_TIMEOUT_S)
    return changed


async def _apply_rules(client: AIOKafkaAdminClient) -> int:
    """Create and delete access rules until those of our accounts are the declared ones."""
    declared, found = declared_rules(), await _present_rules(client)
    for rule in sorted(found - declared):
        response = await client._send_to_controller(DeleteAclsRequest(*rule))
        for error, message, _rules in response.filter_responses:
            _check(error, message)
    for rule in sorted(declared - found):
        response = await client._send_to_controller(CreateAclsRequest(*rule))
        for error, message in response.creation_responses:
            _check(error, message)
    return len(found ^ declared)


async def _present_rules(client: AIOKafkaAdminClient) -> frozenset[AccessRule]:
    """Return the access rules of our accounts."""
    everything = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
    response = await client._send_to_controller(everything)
    _check(response.error_code, response.error_message)
    ours = {kafka_principal(role) for role in RIGHTS}
    return frozenset(
        AccessRule(resource, name, pattern, *entry)
        for resource, name, pattern, entries in response.resources
        for entry in entries
        if entry[0] in ours
    )


async def _write_accounts(client: AIOKafkaAdminClient, passwords: Mapping[str, str]) -> None:
    upsertions: list[tuple[Any, ...]] = []
    for role, password in passwords.items():
        salt = secrets.token_bytes(_SALT_BYTES)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, SCRAM_ITERATIONS)
        upsertions.append((kafka_user(role), _SCRAM_SHA_512, SCRAM_ITERATIONS, salt, salted, {}))
    response = await client._send_to_controller(_AlterScramRequest(upsertions))
    for _user, error, message, _tags in response.results:
        _check(error, message)


def _check(error_code: int, message: str | None) -> None:
    """Raise the error that Kafka has answered."""
    if error_code:
        raise for_code(error_code)(message or "")
