"""Records of other releases: appended fields are ignored, another layout version is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from twin.alarms.messages import ALARMS, AlarmBatch
from twin.errors import MessageError
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION, Codec
from twin.wire.messages import (
    AGGREGATES,
    AREA_INPUTS,
    OBSERVATIONS,
    QUARANTINE,
    UPDATES,
    AggregateBatch,
    AreaInput,
    AreaInputBatch,
    ObservationBatch,
    QuarantinedMessage,
    Update,
    UpdateBatch,
    WindowRepair,
)

ONE = Observation(1, 1_000, 2_000, 3.5)
REFUSED = QuarantinedMessage(
    LAYOUT_VERSION, "id", "ttn", "v3/x", 5, "malformed", "no JSON", b"{", 1, "hash", "run", 7, 0, "eui-1"
)
RECORDS: list[tuple[Codec[Any], Any]] = [
    (OBSERVATIONS, ObservationBatch(LAYOUT_VERSION, (ONE,), 5, b"headers", b"payloads")),
    (UPDATES, UpdateBatch(LAYOUT_VERSION, (Update("a", "pm10", 3, 7.0, 10, 12, 0, (7,), ONE),))),
    (QUARANTINE, REFUSED),
    (AGGREGATES, AggregateBatch(LAYOUT_VERSION, 5, 6, (), (), (WindowRepair(1, 2),))),
    (AREA_INPUTS, AreaInputBatch(LAYOUT_VERSION, 5, (AreaInput("a", "b", "pm10", 1.0, 2, 0, 1, 9, 4),))),
    (ALARMS, AlarmBatch(LAYOUT_VERSION, 5)),
]
every_record = pytest.mark.parametrize(("codec", "record"), RECORDS, ids=lambda one: type(one).__name__)

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


@every_record
def test_a_record_is_read_as_written(codec: Codec[Any], record: Any) -> None:
    assert codec.decode(codec.encode(record)) == record


@every_record
@pytest.mark.parametrize("version", [LAYOUT_VERSION - 1, LAYOUT_VERSION + 1])
def test_another_layout_version_is_refused_and_named(codec: Codec[Any], record: Any, version: int) -> None:
    other = encode([version, *decode(codec.encode(record))[1:]])
    with pytest.raises(
        MessageError, match=f"has version {version}, this program reads version {LAYOUT_VERSION}"
    ):
        codec.decode(other)


@every_record
def test_a_field_appended_by_a_later_release_is_ignored(codec: Codec[Any], record: Any) -> None:
    later = encode([*decode(codec.encode(record)), {"more": [1, 2]}])
    assert codec.decode(later) == record


def test_a_field_missing_in_an_earlier_release_has_its_default() -> None:
    earlier = encode(decode(OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION, (ONE,), 5)))[:3])
    assert OBSERVATIONS.decode(earlier) == ObservationBatch(LAYOUT_VERSION, (ONE,), 5)
    earlier = encode(decode(QUARANTINE.encode(REFUSED))[:13])
    assert QUARANTINE.decode(earlier) == msgspec.structs.replace(REFUSED, device="")


def test_an_item_of_a_record_cannot_gain_a_field_without_another_version() -> None:
    """Frequent items such as observations are tuples of fixed length, because they must be read fast."""
    version, (one,), *rest = decode(OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION, (ONE,), 5)))
    with pytest.raises(MessageError, match="cannot be read"):
        OBSERVATIONS.decode(encode([version, [[*one, "more"]], *rest]))
