"""Reads the documents of a dossier into the values that the stages work with."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from storage.model.model_document import decode_model
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.messages import AlarmEvent
from twin.alarms.rules.operand import OperandSeries, Point
from twin.alarms.rules.rule import Rule, decode_rule
from twin.dossier.documents import (
    Document,
    baseline_from_document,
    event_from_document,
    points_from_documents,
    series_from_document,
)
from twin.dossier.dossier_file import FORMAT, FORMAT_VERSION, MANIFEST, DossierError
from twin.errors import MessageError
from twin.instant import Instant, parse_instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.codec import DECODE_ERRORS

_READ_ERRORS = (*DECODE_ERRORS, MessageError, KeyError, TypeError, ValueError, AttributeError, binascii.Error)


class DossierMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A raw message."""

    number: int  #: line of messages.jsonl, from 1
    topic: str
    payload: bytes | None  #: None: it is not in the dossier
    received_time: Instant
    record_time: Instant
    record: tuple[str, int, int]  #: log, partition and offset
    rank: int
    observations: int  #: how many ingest accepted
    decoder: str
    decoder_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event of the alarm as it was stored."""

    document: Document
    event: AlarmEvent
    amendment: int  #: 0: told by the stream


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDossier:
    """A dossier, decoded."""

    manifest: Document
    model: CityModel
    rules: tuple[tuple[Instant, Rule], ...]  #: when the first event by each version was told; in order
    messages: tuple[DossierMessage, ...]
    observations: tuple[Observation, ...]
    events: tuple[StoredEvent, ...]
    earlier: AlarmEvent | None
    inputs: dict[OperandSeries, list[Point]]
    input_reasons: dict[OperandSeries, str]
    baselines: dict[OperandSeries, Baseline]
    notifications: tuple[Document, ...]

    @property
    def span(self) -> tuple[Instant, Instant]:
        """The time whose messages are all there."""
        messages = self.manifest["messages"]
        return parse_instant(messages["start"]), parse_instant(messages["end"])


def read_manifest(data: bytes) -> Document:
    """Return the manifest; raise DossierError when this version cannot read it."""
    try:
        manifest = msgspec.json.decode(data)
        known = manifest["format"], manifest["formatVersion"]
        contents = [(str(one["path"]), int(one["bytes"]), str(one["sha256"])) for one in manifest["contents"]]
    except _READ_ERRORS as error:
        raise DossierError(f"{MANIFEST} is not the manifest of a dossier: {error!r}") from error
    if known != (FORMAT, FORMAT_VERSION) or not contents:
        raise DossierError(
            f"{MANIFEST} has the format {known[0]!r} version {known[1]!r}, this program reads {FORMAT!r} "
            f"version {FORMAT_VERSION}; use a version of LiveTwin of that time"
        )
    found: Document = manifest
    return found


def read_dossier(documents: dict[str, bytes], manifest: Document) -> ReadDossier:
    """Return the decoded documents, whose digests were checked; raise DossierError if one cannot be read."""
    name = ""
    try:
        name = "model.json"
        model = decode_model(documents[name])
        name = "rules.jsonl"
        rules = tuple(
            (parse_instant(one["since"]), _rule(one["content"], one["version"]))
            for one in _lines(documents[name])
        )
        name = "messages.jsonl"
        messages = tuple(_message(number, one) for number, one in enumerate(_lines(documents[name]), 1))
        name = "observations.jsonl"
        observations = tuple(_observation(one) for one in _lines(documents[name]))
        name = "events.jsonl"
        events = tuple(_event(one) for one in _lines(documents[name]))
        name = "inputs.json"
        inputs = msgspec.json.decode(documents[name])
        series = {series_from_document(one["series"]): one for one in inputs["series"]}
        earlier = inputs["earlier"]
        found = ReadDossier(
            manifest=manifest,
            model=model,
            rules=rules,
            messages=messages,
            observations=observations,
            events=events,
            earlier=event_from_document(earlier) if earlier is not None else None,
            inputs={key: points_from_documents(one["points"]) for key, one in series.items()},
            input_reasons={key: str(one["reason"]) for key, one in series.items()},
            baselines=dict(baseline_from_document(one) for one in inputs["baselines"]),
            notifications=tuple(_lines(documents["notifications.jsonl"])),
        )
        if not events or not rules:
            raise DossierError(f"{name}: a dossier has at least one event and one version of the rule")
        return replace(found, model=replace(model, rules={rules[0][1].id: rules[0][1]}))
    except _READ_ERRORS as error:
        raise DossierError(
            f"{name} cannot be read: {error!r}; use the version of LiveTwin that made the dossier, "
            f"{manifest.get('program')}"
        ) from error


def _lines(data: bytes) -> list[Any]:
    return [msgspec.json.decode(line) for line in data.splitlines()]


def _rule(content: Document, number: int) -> Rule:
    return msgspec.structs.replace(decode_rule(msgspec.json.encode(content)), version=number)


def _message(number: int, document: Document) -> DossierMessage:
    payload = document["payload"]
    data = base64.b64decode(payload, validate=True) if payload is not None else None
    if data is not None and not document["redacted"]:
        digest = hashlib.sha256(data).hexdigest()
        if digest != document["payloadSha256"]:
            raise DossierError(
                f"messages.jsonl, line {number}: the payload has the SHA-256 {digest}, ingest noted "
                f"{document['payloadSha256']}"
            )
    log = document["log"]
    return DossierMessage(
        number=number,
        topic=document["topic"],
        payload=data,
        received_time=parse_instant(document["receivedTime"]),
        record_time=parse_instant(document["recordTime"]),
        record=(log["id"], log["partition"], log["offset"]),
        rank=document["rank"],
        observations=document["observations"],
        decoder=document["decoder"],
        decoder_version=document["decoderVersion"],
    )


def _observation(document: Document) -> Observation:
    return Observation(
        document["datastreamId"],
        parse_instant(document["phenomenonTime"]),
        parse_instant(document["receivedTime"]),
        float(document["value"]),
        document["flags"],
    )


def _event(document: Document) -> StoredEvent:
    return StoredEvent(
        document=document, event=event_from_document(document), amendment=document["amendment"]
    )
