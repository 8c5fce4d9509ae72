"""The messages of an experiment: observations with distinct times, out of order, some twice, and poison.

Everything follows from the seed. The time of an observation encodes its number, so stored rows can be
checked without keeping the sent messages.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from benchmarks.load.mqtt_wire import topic_field
from tests.chaos.system_under_test import LOAD_STREETS, PROPERTY, microphone_id
from twin.instant import Instant, format_instant

# Messages are shuffled within blocks of this size, as by a network.
SHUFFLED = 500

# One in this many observations is sent twice; one in this many is followed by a poison message.
TWICE_EACH = 100
POISON_EACH = 100

_VALUE_STEPS = 400


class MessageKind(IntEnum):
    """What a message is."""

    OBSERVATION = 0
    REPEAT = 1
    POISON = 2
    CANARY = 3


class PlannedMessage(NamedTuple):
    """A message to be sent."""

    kind: MessageKind
    number: int  #: of the observation or the poison message; of a canary its instant


def street_of(number: int) -> int:
    """Return the number of the street of an observation: each street in turn."""
    return number % LOAD_STREETS


def value_of(number: int) -> float:
    """Return the value of an observation, which differs from the street's previous one."""
    return round(30.0 + (number + number // LOAD_STREETS) % _VALUE_STEPS / 10, 1)


@dataclass(frozen=True)
class MessagePlan:
    """A number of observations, the first at `begin`, a `step` apart (microseconds)."""

    messages: int
    seed: int
    begin: Instant
    step: int
    _topics: dict[int, bytes] = field(default_factory=dict, init=False, repr=False)

    def planned_messages(self) -> Iterator[PlannedMessage]:
        """Yield every message in the order of sending."""
        dice = random.Random(self.seed)
        for first in range(0, self.messages, SHUFFLED):
            block = [
                PlannedMessage(MessageKind.OBSERVATION, number)
                for number in range(first, min(first + SHUFFLED, self.messages))
            ]
            again = [one._replace(kind=MessageKind.REPEAT) for one in block if one.number % TWICE_EACH == 7]
            poison = [
                one._replace(kind=MessageKind.POISON) for one in block if one.number % POISON_EACH == 13
            ]
            block += again + poison
            dice.shuffle(block)
            yield from block

    @property
    def poison_count(self) -> int:
        """The number of messages that no decoder can use."""
        return len(range(13, self.messages, POISON_EACH))

    @property
    def repeat_count(self) -> int:
        """The number of observations that are sent twice."""
        return len(range(7, self.messages, TWICE_EACH))

    def instant(self, number: int) -> Instant:
        """Return the time of an observation."""
        return self.begin + number * self.step

    def number_at(self, instant: Instant) -> int | None:
        """Return the number of the observation at an instant, or None."""
        number, rest = divmod(instant - self.begin, self.step)
        return number if rest == 0 and 0 <= number < self.messages else None

    def newest(self) -> dict[int, int]:
        """Return the newest observation of each street."""
        return {
            street_of(number): number for number in range(max(0, self.messages - LOAD_STREETS), self.messages)
        }

    def content(self, parcel: PlannedMessage) -> tuple[bytes, bytes]:
        """Return topic field and payload."""
        if parcel.kind is MessageKind.CANARY:
            return self._topic(LOAD_STREETS), _payload(parcel.number, 40.0)
        topic = self._topic(street_of(parcel.number))
        payload = _payload(self.instant(parcel.number), value_of(parcel.number))
        if parcel.kind is MessageKind.POISON:
            return topic, _poison(parcel.number, payload)
        return topic, payload

    def _topic(self, street: int) -> bytes:
        known = self._topics.get(street)
        if known is None:
            known = self._topics[street] = topic_field(f"livetwin/town/{microphone_id(street)}/observations")
        return known


def _payload(instant: Instant, value: float) -> bytes:
    return f'{{"time":"{format_instant(instant)}","values":{{"{PROPERTY}":{value}}}}}'.encode()


def _poison(number: int, payload: bytes) -> bytes:
    """Return a payload that no decoder can use: truncated, not text, or of the future."""
    match number // POISON_EACH % 3:
        case 0:
            return payload[: len(payload) // 2]
        case 1:
            return b"\xff\x00" + payload
        case _:
            return payload.replace(b'"20', b'"21', 1)
