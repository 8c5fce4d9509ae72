"""The dossier of a cloudburst alarm: made of what is stored, verified offline, refused once changed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from click.testing import CliRunner

from cli.command_line import CommandGroup
from cli.dossier.verification import Verification, verify_dossier
from runtime.signing_key import SigningError, SigningKey
from storage.database import connect
from tests.support.pipelines.alarm_dossiers import (
    ALARM,
    GAUGE,
    StoredCloudburst,
    lines_of,
    new_signing_key,
    resigned,
    stored_cloudburst,
    written,
)
from twin.dossier.dossier_file import DossierError, pack, unpack
from twin.instant import MINUTE, SECOND, format_instant, to_datetime

Line = dict[str, Any]

RAISED_WITHIN = 65 * MINUTE


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return new_signing_key(tmp_path)


@pytest_asyncio.fixture
async def cloudburst(database: str) -> AsyncIterator[StoredCloudburst]:
    async with stored_cloudburst(database) as stored:
        await stored.advance(RAISED_WITHIN)
        assert [one.kind for one in stored.events()] == ["raised"]
        yield stored


def verified(data: bytes, key: SigningKey) -> Verification:
    return verify_dossier(data, {key.public.thumbprint})


async def test_a_dossier_is_verified_on_another_machine_and_refused_with_a_changed_byte(
    cloudburst: StoredCloudburst, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verifying side has a file, the thumbprint of a key, and neither a database nor a log."""
    contact = cloudburst.run.model.duty.contacts[0]
    await cloudburst.notify(contact.id)
    await cloudburst.acknowledge("Anna", "on my way")
    await cloudburst.advance(MINUTE)
    made = await cloudburst.dossier(key)
    assert made == await cloudburst.dossier(key), "the same alarm and instant give the same bytes"

    monkeypatch.chdir(tmp_path)
    for name in ("LIVETWIN_DATABASE", "LIVETWIN_KAFKA"):
        monkeypatch.setenv(name, "nowhere:9")
    path = tmp_path / "dossier.zip"
    path.write_bytes(made.data)
    command = ["dossier", "verify", str(path), "--key", key.public.thumbprint]
    result = CliRunner().invoke(CommandGroup(), command)
    assert result.exit_code == 0, result.output
    raised, acknowledged = cloudburst.events()
    assert f"1. raised at {format_instant(raised.time)}" in result.output
    assert f"2. acknowledged at {format_instant(acknowledged.time)} by Anna" in result.output
    assert contact.name in result.output
    assert result.output.splitlines()[-1].endswith(": verified")

    unknown = CliRunner().invoke(CommandGroup(), command[:3])
    assert unknown.exit_code == 0, unknown.output
    assert "NOT COMPARED" in unknown.output
    assert "NOT COMPARED" not in result.output

    for place in range(0, len(made.data), 997):
        changed = bytearray(made.data)
        changed[place] ^= 1
        with pytest.raises((DossierError, SigningError)):
            verified(bytes(changed), key)


async def test_a_dossier_says_who_was_told_of_what_and_holds_no_address(
    cloudburst: StoredCloudburst, key: SigningKey
) -> None:
    contact = cloudburst.run.model.duty.contacts[0]
    await cloudburst.notify(contact.id)
    await cloudburst.advance(MINUTE)
    data = (await cloudburst.dossier(key)).data
    (told,) = lines_of(data, "notifications.jsonl")
    assert (told["contact"], told["contactName"], told["outcome"]) == (contact.id, contact.name, "sent")
    assert {"alarm": ALARM, "revision": cloudburst.events()[0].revision} in told["told"]["alarms"]
    plan = cloudburst.run.model.duty
    addresses = [address for one in plan.contacts for address in one.addresses.values()]
    assert addresses
    assert [one for one in addresses if one.encode() in data] == []


async def test_a_dossier_of_an_earlier_instant_has_nothing_later(
    cloudburst: StoredCloudburst, key: SigningKey
) -> None:
    before = cloudburst.now
    await cloudburst.advance(2 * MINUTE)
    await cloudburst.acknowledge("Anna", "on my way")
    await cloudburst.notify("somebody")
    await cloudburst.advance(20 * MINUTE)
    early = (await cloudburst.dossier(key, at=before)).data
    assert [one["kind"] for one in lines_of(early, "events.jsonl")] == ["raised"]
    assert lines_of(early, "notifications.jsonl") == []
    last = max(one["receivedTime"] for one in lines_of(early, "observations.jsonl"))
    assert last <= format_instant(before)
    assert verified(early, key).faults == []


async def test_a_dossier_has_the_model_and_the_rule_of_the_time(
    cloudburst: StoredCloudburst, key: SigningKey
) -> None:
    """Afterwards the target level, the calibration and the rule change: none of it concerns the decision."""
    data = (await cloudburst.dossier(key)).data
    entity = cloudburst.events()[0].entity
    async with await connect(cloudburst.database, role="test") as connection:
        await connection.execute(
            "UPDATE entity SET attributes = jsonb_set(attributes, '{targetLevel}', '9') WHERE id = %s",
            (entity,),
        )
        model = cloudburst.run.model.entities[entity]
        difference = {"attributes": [dict(model.attributes), {**model.attributes, "targetLevel": 9}]}
        time = to_datetime(cloudburst.now + SECOND)
        await connection.execute(
            "INSERT INTO model_change (version, changed_at, kind, key, action, difference) "
            "VALUES (2, %s, 'entity', %s, 'update', %s)",
            (time, entity, msgspec.json.encode(difference).decode()),
        )
        await connection.execute(
            'INSERT INTO calibration (sensor_id, property, start, gain, "offset", note, created_at) '
            "VALUES (%s, 'water_level', %s, 2.0, 0, '', %s)",
            (GAUGE, to_datetime(0), time),
        )
        await connection.commit()
    again = (await cloudburst.dossier(key)).data
    assert unpack(again)["model.json"] == unpack(data)["model.json"]
    assert verified(again, key).faults == []


async def test_payloads_that_retention_has_removed_are_left_out_and_their_observations_are_inputs(
    cloudburst: StoredCloudburst, key: SigningKey
) -> None:
    async with await connect(cloudburst.database, role="test") as connection:
        await connection.execute("UPDATE message_batch SET payloads = NULL")
        await connection.commit()
    data = (await cloudburst.dossier(key)).data
    verification = verified(data, key)
    assert verification.faults == []
    assert any("0 of " in line and "decoded again" in line for line in verification.lines)
    assert any("retention has removed them" in line for line in verification.lines)


def _change(data: bytes, path: str, change: Callable[[list[Line]], None]) -> dict[str, bytes]:
    lines = lines_of(data, path)
    change(lines)
    return {path: written(lines)}


def _lower_water(lines: list[Line]) -> None:
    """Let the gauge have sent other levels, with the right hashes."""
    for line in lines:
        payload = base64.b64decode(line["payload"])
        changed = payload.replace(b'"distance":', b'"distance":1')
        assert changed != payload, payload
        line["payload"] = base64.b64encode(changed).decode()
        line["payloadSha256"] = hashlib.sha256(changed).hexdigest()


def _other_payload(lines: list[Line]) -> None:
    lines[0]["payload"] = base64.b64encode(b"{}").decode()


def _other_severity(lines: list[Line]) -> None:
    lines[0]["severity"] = "critical"


def _other_value(lines: list[Line]) -> None:
    lines[0]["operands"][0]["value"] += 0.001


def _no_acknowledgement(lines: list[Line]) -> None:
    del lines[0]


def _other_levels(lines: list[Line]) -> None:
    for level in lines[0]["content"]["condition"]["levels"]:
        level["raised"] += 5.0
        level["clear"] += 5.0


def _other_observation(lines: list[Line]) -> None:
    lines[-1]["value"] += 0.5


@pytest.mark.parametrize(
    ("path", "change", "fault"),
    [
        ("events.jsonl", _other_severity, "severity is 'warning' in the replay, 'critical' in the dossier"),
        ("events.jsonl", _other_value, "operands[0].value is"),
        ("events.jsonl", _no_acknowledgement, "the replay"),
        ("rules.jsonl", _other_levels, "the replay does not give it"),
        ("observations.jsonl", _other_observation, "the message gives"),
    ],
)
async def test_a_changed_dossier_with_a_valid_signature_does_not_replay(
    cloudburst: StoredCloudburst,
    key: SigningKey,
    path: str,
    change: Callable[[list[Line]], None],
    fault: str,
) -> None:
    """Whoever has the key can sign anything: the evaluator still decides otherwise."""
    await cloudburst.acknowledge("Anna", "on my way")
    await cloudburst.advance(MINUTE)
    data = (await cloudburst.dossier(key)).data
    verification = verified(resigned(data, key, _change(data, path, change)), key)
    assert any(fault in one for one in verification.faults), verification.faults


async def test_changed_messages_with_a_valid_signature_do_not_replay(
    cloudburst: StoredCloudburst, key: SigningKey
) -> None:
    data = (await cloudburst.dossier(key)).data
    with pytest.raises(DossierError, match="line 1: the payload has the SHA-256"):
        verified(resigned(data, key, _change(data, "messages.jsonl", _other_payload)), key)
    verification = verified(resigned(data, key, _change(data, "messages.jsonl", _lower_water)), key)
    assert any("the message gives" in one or "usable observations" in one for one in verification.faults)


async def test_a_dossier_of_another_key_or_without_a_part_is_refused(
    cloudburst: StoredCloudburst, key: SigningKey, tmp_path: Path
) -> None:
    data = (await cloudburst.dossier(key)).data
    (tmp_path / "other").mkdir()
    other = new_signing_key(tmp_path / "other")
    with pytest.raises(SigningError, match="ask the city for its keys"):
        verified(resigned(data, other, {}), key)
    documents = unpack(data)
    for path in documents:
        part = pack({name: one for name, one in documents.items() if name != path})
        with pytest.raises(DossierError, match="missing"):
            verified(part, key)
