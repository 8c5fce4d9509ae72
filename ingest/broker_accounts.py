"""Who may do what at the MQTT broker: an account for each device, each network server and each of our roles.

A device may publish on its own topics and read nothing. Where devices reach us through a network server (The
Things Stack, ChirpStack), or the topic does not name them, the account is that of the feed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingest.decoding import Decoder
from ingest.pipeline.routes import Routes
from runtime.mqtt.outlet_topics import Topics
from twin.errors import TwinError
from twin.model.city_model import CityFeed, CityPlan
from twin.model.sensor import Sensor
from twin.wire.probe import probe_topic

OURS = "livetwin-"
"""What the accounts of roles and feeds begin with, and no sensor's."""

READER = f"{OURS}reader"
SIMULATOR = f"{OURS}simulate"

# What ends a topic level, makes it a pattern, or ends a line of a file.
_NOT_IN_A_LEVEL = frozenset("+#/\0\n\r")


class AccountError(TwinError):
    """A device cannot have an account of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccount:
    """A user of the broker, and the topic filters that it may write to and read."""

    name: str
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


def broker_accounts(
    plan: CityPlan, decoders: Mapping[str, Decoder], *, simulator: bool = False
) -> tuple[BrokerAccount, ...]:
    """Return the accounts that a city needs: roles first, then feeds and devices by name.

    `simulator` adds one that may publish for every device. Raises AccountError for a device whose name would
    open topics of others.
    """
    writes = _writes(plan, decoders)
    outputs = Topics(plan.city.id)
    roles = [
        BrokerAccount(name=f"{OURS}ingest", reads=Routes(decoders, plan.feeds).filters),
        BrokerAccount(
            name=f"{OURS}outlets",
            writes=(*outputs.filters, outputs.marker),
            reads=(*outputs.filters, outputs.marker),
        ),
        BrokerAccount(name=f"{OURS}alerting", writes=(probe_topic(plan.city.id),)),
        BrokerAccount(name=READER, reads=outputs.filters),
    ]
    if simulator:
        all_topics = sorted({topic for topics in writes.values() for topic in topics})
        roles.append(BrokerAccount(name=SIMULATOR, writes=tuple(all_topics)))
    senders = [BrokerAccount(name=name, writes=tuple(sorted(writes[name]))) for name in sorted(writes)]
    return (*roles, *senders)


def _writes(plan: CityPlan, decoders: Mapping[str, Decoder]) -> dict[str, set[str]]:
    """Return what each device, or the feed that speaks for it, may write to."""
    own = {feed.id: feed for feed in plan.feeds}
    built_in = {feed: decoder for decoder in decoders.values() for feed in decoder.feeds}
    writes: dict[str, set[str]] = {}
    for sensor in plan.sensors:
        if sensor.id.startswith(OURS):
            raise AccountError(f"sensor {sensor.id!r}: names that begin with {OURS!r} are those of our roles")
        template = _template(own.get(sensor.feed), built_in.get(sensor.feed), plan.city.id)
        if template is not None:
            writes[sensor.id] = {template.format(device=_level(sensor))}
        elif sensor.feed in own:
            writes.setdefault(f"{OURS}feed-{sensor.feed}", set()).add(own[sensor.feed].filter)
        else:
            filters = set(built_in[sensor.feed].filters)
            writes.setdefault(f"{OURS}feed-{sensor.feed}", set()).update(filters)
    return writes


def _template(feed: CityFeed | None, decoder: Decoder | None, city: str) -> str | None:
    """Return the topic of a device with `{device}` in its place; None when it names no device of ours."""
    if feed is not None:
        level = feed.device_level
        return None if level is None else "/".join(_levels(feed.filter.split("/"), level))
    if decoder is None or not decoder.device_topic:
        return None
    return decoder.device_topic.format(city=city, device="{device}")


def _levels(levels: list[str], device_level: int) -> Iterator[str]:
    """Yield the levels of a filter with the device at its own, which may lie behind the `#`."""
    for number in range(max(len(levels), device_level + 1)):
        if number == device_level:
            yield "{device}"
        elif number >= len(levels) or levels[number] == "#":
            yield "+"
        else:
            yield _literal(levels[number])
    if levels[-1] == "#":
        yield "#"


def _literal(level: str) -> str:
    return level.replace("{", "{{").replace("}", "}}")


def _level(sensor: Sensor) -> str:
    if not sensor.device or _NOT_IN_A_LEVEL & set(sensor.device):
        raise AccountError(
            f"sensor {sensor.id!r}: its device {sensor.device!r} cannot be a level of a topic: expected no "
            "+, #, / and line end in it"
        )
    return sensor.device
