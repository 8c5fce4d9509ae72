"""Makes the dossier of an alarm from what is stored. The same alarm and instant give the same bytes.

No transaction may be open on the connection: each part is read in its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec

from runtime.signing_key import SigningKey
from storage.database import Connection, QueryError
from storage.history.baseline_seed import read_baselines_until
from storage.history.condition_reader import read_points
from storage.history.observations import OBSERVATIONS_MAX, ObservationCursor, read_observations
from storage.history.source_messages import SourceMessage, read_source_messages
from storage.model.content_version import RuleVersion
from storage.model.model_document import encode_model
from storage.model.model_history import load_model_at
from storage.model.rule_store import read_versions_of
from storage.stores.alarm_trail import AlarmTrail, read_alarm_trail, told_of, unknown_alarm_message
from twin.alarms.rules.rule import encode_rule
from twin.dossier.documents import (
    README,
    baseline_document,
    event_document,
    incident_document,
    notification_document,
    point_document,
    series_document,
)
from twin.dossier.dossier_file import (
    FILE_BYTES_MAX,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    SIGNATURE,
    DossierError,
    contents_of,
    encode_document,
    encode_lines,
    pack,
)
from twin.dossier.evidence import Evidence, StoredInput, evidence_of, reduced_model, rule_of
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag, quality_word
from twin.quality.quality_rules import TIME_RULES_ONLY
from twin.wire.messages import partition_of

MESSAGES_MAX = 10_000
PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
OBSERVATIONS_LISTED_MAX = 20_000
POINTS_MAX = 20_000

MEDIA_TYPE = "application/zip"

SETTLED_AFTER: Duration = 30 * SECOND
"""What was told so long ago is stored: a dossier about a later instant could lack some of it."""

TICK_GAP_MAX: Duration = 10 * SECOND
"""So much may lie between two ticks of log time."""

_DELAY: Duration = HOUR
"""Observations are listed from so long before the messages: what arrives late was measured earlier."""


class DossierRequest(NamedTuple):
    """Which dossier."""

    alarm: str
    at: Instant  #: what was told later is not in it
    occurrence: int | None = None  #: None: the last one


class MadeDossier(NamedTuple):
    """A dossier that was made."""

    occurrence: int
    data: bytes

    @property
    def sha256(self) -> str:
        """Return the digest of the file, hex."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(slots=True)
class _Draft:
    """The parts that are known so far."""

    request: DossierRequest
    trail: AlarmTrail
    model: CityModel  #: of the time at which the alarm was raised, with the duty plan of then
    versions: Sequence[RuleVersion]  #: those that decided, in order
    evidence: Evidence
    omissions: list[str] = field(default_factory=list)  #: what is missing, and why

    @property
    def start(self) -> Instant:
        """From when on messages are needed."""
        events = [stored.event for stored in self.trail.events]
        raised = min(one.raised_time if one.raised_time is not None else one.time for one in events)
        return raised - self.evidence.lead

    @property
    def end(self) -> Instant:
        """Until when messages are needed, exclusive.

        Log time may lag behind the reception of the message that caused an event, by a tick.
        """
        last, at = self.trail.events[-1].event, self.request.at
        wanted = at if last.active else min(at, last.told_time + MINUTE)
        return max(wanted, last.told_time + TICK_GAP_MAX) + 1


async def make_dossier(
    connection: Connection, city: str, partitions: int, request: DossierRequest, key: SigningKey
) -> MadeDossier | None:
    """Return a signed dossier of an alarm of a city; None when nothing is stored of it.

    Raises DossierError when it would be
    larger than a dossier may be, and QueryError when its parts cannot be read.
    """
    draft = await _draft(connection, city, request)
    if draft is None:
        return None
    messages, complete_to = await _messages(connection, partitions, draft)
    observations = await _observations(connection, draft)
    _add_compared_series(draft, observations)
    documents = {
        "README.txt": README.encode(),
        "messages.jsonl": encode_lines(messages),
        "observations.jsonl": encode_lines(observations),
        "inputs.json": encode_document(await _inputs(connection, draft)),
        "model.json": msgspec.json.format(
            encode_model(reduced_model(draft.evidence, draft.trail.events[0].event.entity)), indent=2
        )
        + b"\n",
        "rules.jsonl": encode_lines(_rules(draft)),
        "events.jsonl": encode_lines(
            [event_document(one.event, one.amendment) for one in draft.trail.events]
        ),
        "incidents.jsonl": encode_lines([incident_document(one) for one in draft.trail.incidents]),
        "notifications.jsonl": encode_lines(_notifications(draft)),
    }
    manifest = _manifest(draft, documents, complete_to)
    documents[SIGNATURE] = key.sign(manifest, "json").encode()
    documents[MANIFEST] = manifest
    data = pack(documents)
    if len(data) > FILE_BYTES_MAX:
        raise DossierError(
            f"the dossier would have {len(data):,} bytes, at most {FILE_BYTES_MAX:,} are made; ask for an "
            "earlier instant (`at`)"
        )
    return MadeDossier(draft.trail.events[0].event.occurrence, data)


async def _draft(connection: Connection, city: str, request: DossierRequest) -> _Draft | None:
    trail = await read_alarm_trail(connection, request.alarm, request.occurrence, request.at)
    if trail is None:
        return None
    events = [stored.event for stored in trail.events]
    then = await load_model_at(connection, city, events[0].told_time)
    rule_id = rule_of(events[0])
    versions = []
    for number in dict.fromkeys(one.rule_version for one in events):
        found = await read_versions_of(connection, rule_id, number + 1, 1)
        versions += [one for one in found if one.item.version == number]
    omissions = [f"{name}: only the first are in this dossier" for name in trail.truncated]
    if not versions:
        raise QueryError(
            f"version {events[0].rule_version} of the rule {rule_id!r} is not stored: the alarm cannot be "
            "evaluated again"
        )
    evidence = evidence_of(events[0], versions[0].item, then)
    if evidence.bound is None:
        omissions.append(f"the rule {rule_id} was not one for {events[0].entity} when the alarm was raised")
    omissions += [f"the messages of {id} are personal data and are left out" for id in evidence.withheld]
    return _Draft(request, trail, then, versions, evidence, omissions)


async def _messages(
    connection: Connection, partitions: int, draft: _Draft
) -> tuple[list[dict[str, Any]], Instant]:
    """Return the raw messages, and the time up to which all of them are there."""
    by_partition: defaultdict[int, set[int]] = defaultdict(set)
    for id in draft.evidence.datastreams:
        sensor = draft.model.sensors[draft.model.datastreams[id].sensor]
        by_partition[partition_of(sensor.entity, partitions)].add(id)
    found: list[SourceMessage] = []
    end = draft.end
    for number, ids in sorted(by_partition.items()):
        part = await read_source_messages(
            connection,
            number,
            ids,
            (draft.start, end),
            messages_max=MESSAGES_MAX,
            bytes_max=PAYLOAD_BYTES_MAX,
        )
        found, end = found + part.messages, min(end, part.end)
    kept = sorted((one for one in found if one.stored.header.received_time < end), key=_log_place)
    if end < draft.end:
        draft.omissions.append(
            f"messages received from {format_instant(end)} on: there are more than {MESSAGES_MAX:,} of them, "
            f"or more than {PAYLOAD_BYTES_MAX:,} bytes"
        )
    without = sum(one.stored.payload is None for one in kept)
    if without:
        draft.omissions.append(
            f"the payloads of {without} of {len(kept)} messages: retention has removed them, or they were "
            "not kept; their observations are inputs"
        )
    return [_message_document(one) for one in kept], end


def _log_place(message: SourceMessage) -> tuple[Instant, int, str, int, int]:
    stored = message.stored
    return message.record_time, stored.partition, stored.log_id, stored.log_offset, message.number


def _message_document(message: SourceMessage) -> dict[str, Any]:
    stored, header = message.stored, message.stored.header
    payload = stored.payload
    is_whole = payload is not None and hashlib.sha256(payload).digest() == header.payload_sha256
    return {
        "receivedTime": format_instant(header.received_time),
        "recordTime": format_instant(message.record_time),
        "topic": header.topic,
        "feed": header.feed,
        "device": header.device,
        "decoder": header.decoder,
        "decoderVersion": header.decoder_version,
        "observations": header.observations,
        "rank": header.rank,
        "session": stored.session,
        "sequence": header.sequence if header.sequence >= 0 else None,
        "log": {"id": stored.log_id, "partition": stored.partition, "offset": stored.log_offset},
        "payloadBytes": header.payload_bytes,
        "payloadSha256": header.payload_sha256.hex(),
        "redacted": payload is not None and not is_whole,
        "payload": base64.b64encode(payload).decode() if payload is not None else None,
    }


async def _observations(connection: Connection, draft: _Draft) -> list[dict[str, Any]]:
    """Return the observations of the datastreams, as they were known at the instant of the dossier."""
    by_property: defaultdict[str, list[int]] = defaultdict(list)
    for id in sorted(draft.evidence.datastreams):
        by_property[draft.model.datastreams[id].property].append(id)
    found: list[Observation] = []
    for property, ids in sorted(by_property.items()):
        observed = draft.model.properties.get(property)
        rules = observed.quality if observed is not None else TIME_RULES_ONLY
        after: ObservationCursor | None = None
        while len(found) <= OBSERVATIONS_LISTED_MAX:
            try:
                page = await read_observations(
                    connection,
                    ids,
                    draft.start - _DELAY,
                    draft.end,
                    OBSERVATIONS_MAX,
                    after,
                    quality_rules=rules,
                    known_at=draft.request.at,
                )
            except QueryError as error:
                draft.omissions.append(f"observations of {property}: {error}")
                break
            found += page
            if len(page) < OBSERVATIONS_MAX:
                break
            after = ObservationCursor(page[-1].phenomenon_time, page[-1].datastream)
    if len(found) > OBSERVATIONS_LISTED_MAX:
        draft.omissions.append(f"observations after the first {OBSERVATIONS_LISTED_MAX:,}")
    found = sorted(found, key=lambda one: (one.phenomenon_time, one.datastream))[:OBSERVATIONS_LISTED_MAX]
    return [_observation_document(one, draft.model) for one in found]


def _observation_document(observation: Observation, model: CityModel) -> dict[str, Any]:
    datastream = model.datastreams[observation.datastream]
    return {
        "datastreamId": datastream.id,
        "sensorId": datastream.sensor,
        "entityId": datastream.entity,
        "property": datastream.property,
        "phenomenonTime": format_instant(observation.phenomenon_time),
        "receivedTime": format_instant(observation.received_time),
        "value": observation.value,
        "flags": observation.flags,
        "quality": quality_word(observation.flags),
    }


def _add_compared_series(draft: _Draft, observations: Sequence[Mapping[str, Any]]) -> None:
    """Take series as they were stored where a comparison with neighbours judged their values.

    The neighbours are other entities, whose messages are not in the dossier.
    """
    judged = {
        (one["entityId"], one["property"]) for one in observations if one["flags"] & QualityFlag.DISAGREES
    }
    evidence = draft.evidence
    if not judged or evidence.bound is None:
        return
    known = {one.series for one in evidence.inputs}
    reason = "a comparison with neighbours judged some of its values: their messages are not in the dossier"
    evidence.inputs += [
        StoredInput(one, reason)
        for one in evidence.bound.series
        if one not in known and any(entity == one.entity for entity, _ in judged)
    ]


async def _inputs(connection: Connection, draft: _Draft) -> dict[str, Any]:
    """Return what a replay takes as it was stored: values with their reason, baselines, the alarm before."""
    evidence, trail = draft.evidence, draft.trail
    span = draft.start, draft.end
    stored = await read_points(connection, draft.model, {one.series: span for one in evidence.inputs})
    series = []
    for input in evidence.inputs:
        points = stored.get(input.series, [])
        if len(points) > POINTS_MAX:
            draft.omissions.append(f"values of {input.series.name} after the first {POINTS_MAX:,}")
        series.append(
            {
                "series": series_document(input.series),
                "reason": input.reason,
                "provenance": f"/v1/entities/{input.series.entity}/provenance?property={input.series.name}",
                "points": [point_document(one) for one in points[:POINTS_MAX]],
            }
        )
    baselines = {}
    if evidence.bound is not None and evidence.bound.uses_baseline:
        compared = evidence.bound.series[0]
        baselines = await read_baselines_until(connection, evidence.model, {compared: draft.start})
    return {
        "earlier": event_document(trail.earlier) if trail.earlier is not None else None,
        "series": series,
        "baselines": [baseline_document(*one) for one in sorted(baselines.items(), key=lambda one: one[0])],
    }


def _rules(draft: _Draft) -> list[dict[str, Any]]:
    """Return the versions of the rule that decided; `since` is when the first event by it was told."""
    since: dict[int, Instant] = {}
    for stored in draft.trail.events:
        since.setdefault(stored.event.rule_version, stored.event.told_time)
    return [
        {
            "id": one.item.id,
            "version": one.item.version,
            "since": format_instant(since[one.item.version]),
            "origin": one.origin,
            "changedBy": one.changed_by,
            "changedTime": format_instant(one.changed_at),
            "content": msgspec.json.decode(encode_rule(one.item)),
        }
        for one in draft.versions
    ]


def _notifications(draft: _Draft) -> list[dict[str, Any]]:
    names = {one.id: one.name for one in draft.model.duty.contacts}
    return [
        notification_document(one, names.get(one.contact, one.contact), told_of(draft.trail.incidents, one))
        for one in draft.trail.notifications
    ]


def _manifest(draft: _Draft, documents: Mapping[str, bytes], complete_to: Instant) -> bytes:
    first = draft.trail.events[0].event
    city = draft.model.city
    return encode_document(
        {
            "format": FORMAT,
            "formatVersion": FORMAT_VERSION,
            "program": f"livetwin {version('livetwin')}",
            "city": {"id": city.id, "name": city.name, "timezone": city.timezone},
            "alarm": first.alarm,
            "entity": first.entity,
            "entityName": draft.model.entities[first.entity].name
            if first.entity in draft.model.entities
            else first.entity,
            "occurrence": first.occurrence,
            "at": format_instant(draft.request.at),
            "rule": draft.versions[0].item.id,
            "ruleVersion": first.rule_version,
            "modelVersion": draft.model.version,
            "messages": {"start": format_instant(draft.start), "end": format_instant(complete_to)},
            "omissions": draft.omissions,
            "contents": contents_of(documents),
        }
    )


def unknown_dossier(request: DossierRequest) -> str:
    """Return the message that there is nothing to make a dossier of."""
    return unknown_alarm_message(request.alarm, request.occurrence, request.at)
