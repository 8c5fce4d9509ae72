"""Accounts of the MQTT broker and their access rights: one per device, network server and role of ours.

A device may publish on its own topics and read nothing. Where a network server publishes for devices
(The Things Stack, ChirpStack), or the topic does not contain the device, the account belongs to the feed.

The name of an account is also the client id of its connection, so an account has one connection at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ingest.decoding import Decoder
from ingest.pipeline.routes import TopicRoutes
from runtime.mqtt.outlet_topics import OutletTopics
from twin.errors import TwinError
from twin.model.city_model import CityFeed, CityPlan
from twin.model.sensor import Sensor
from twin.wire.probe import probe_topic

ROLE_PREFIX = "livetwin-"
"""Prefix of the accounts of roles and feeds; no sensor id may have it."""

INGEST_ACCOUNT = f"{ROLE_PREFIX}ingest-0"
READER_ACCOUNT = f"{ROLE_PREFIX}reader"
SIMULATOR_ACCOUNT = f"{ROLE_PREFIX}simulate"

FURTHER = "~"
"""Separates the name of an account from that of a further connection; no id contains it."""

_FURTHER_INGEST = re.compile(re.escape(f"{ROLE_PREFIX}ingest-") + r"[1-9][0-9]{0,3}")
_FURTHER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

# They end a topic level, make it a pattern, or end a line of a file.
_FORBIDDEN_CHARACTERS = frozenset("+#/\0\n\r")


class BrokerAccountError(TwinError):
    """A device cannot have an account of its own; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccount:
    """A user of the broker, and the topic filters that it may publish to and subscribe to."""

    name: str
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


def broker_accounts(
    plan: CityPlan, decoders: Mapping[str, Decoder], *, simulator: bool = False
) -> tuple[BrokerAccount, ...]:
    """Return the accounts of a city: roles first, then feeds and devices by name.

    `simulator` adds an account that may publish for every device. Raises BrokerAccountError for a device
    whose name would give access to other topics.
    """
    sender_topics = _sender_topics(plan, decoders)
    outputs = OutletTopics(plan.city.id)
    roles = [
        BrokerAccount(name=INGEST_ACCOUNT, reads=TopicRoutes(decoders, plan.feeds).filters),
        BrokerAccount(
            name=f"{ROLE_PREFIX}outlets",
            writes=(*outputs.filters, outputs.marker_topic),
            reads=(*outputs.filters, outputs.marker_topic),
        ),
        BrokerAccount(name=f"{ROLE_PREFIX}alerting", writes=(probe_topic(plan.city.id),)),
        BrokerAccount(name=READER_ACCOUNT, reads=outputs.filters),
    ]
    if simulator:
        all_topics = sorted({topic for topics in sender_topics.values() for topic in topics})
        roles.append(BrokerAccount(name=SIMULATOR_ACCOUNT, writes=tuple(all_topics)))
    senders = [
        BrokerAccount(name=name, writes=tuple(sorted(topics)))
        for name, topics in sorted(sender_topics.items())
    ]
    return (*roles, *senders)


def is_further(name: str) -> bool:
    """Return whether a name is that of an account for a further connection.

    >>> [is_further(one) for one in ("livetwin-ingest-1", "livetwin-reader~page", "livetwin-ingest-0")]
    [True, True, False]
    """
    base, mark, suffix = name.partition(FURTHER)
    if not mark:
        return _FURTHER_INGEST.fullmatch(name) is not None
    return base.startswith(ROLE_PREFIX) and _FURTHER_NAME.fullmatch(suffix) is not None


def further_accounts(accounts: Iterable[BrokerAccount], names: Iterable[str]) -> list[BrokerAccount]:
    """Return accounts for further connections, each with the rights of the account that its name begins with.

    Raises BrokerAccountError for a name that begins with none of these accounts.
    """
    known = {account.name: account for account in accounts}
    found: list[BrokerAccount] = []
    for name in names:
        base = known.get(INGEST_ACCOUNT if FURTHER not in name else name.partition(FURTHER)[0])
        if base is None or not is_further(name):
            raise BrokerAccountError(
                f"{name!r} names no further connection: expected {ROLE_PREFIX}ingest-1, or the account of a "
                f"role or feed, {FURTHER} and a name, such as {READER_ACCOUNT}{FURTHER}dashboard"
            )
        found.append(replace(base, name=name))
    return found


def _sender_topics(plan: CityPlan, decoders: Mapping[str, Decoder]) -> dict[str, set[str]]:
    """Return the topic filters of each device, or of the feed that publishes for it, by account."""
    city_feeds = {feed.id: feed for feed in plan.feeds}
    built_in = {feed: decoder for decoder in decoders.values() for feed in decoder.feeds}
    writes: dict[str, set[str]] = {}
    for sensor in plan.sensors:
        if sensor.id.startswith(ROLE_PREFIX):
            raise BrokerAccountError(
                f"sensor {sensor.id!r}: names that begin with {ROLE_PREFIX!r} are reserved for roles"
            )
        template = _device_topic_template(
            city_feeds.get(sensor.feed), built_in.get(sensor.feed), plan.city.id
        )
        if template is not None:
            writes[sensor.id] = {template.format(device=_device_level(sensor))}
        elif sensor.feed in city_feeds:
            writes.setdefault(f"{ROLE_PREFIX}feed-{sensor.feed}", set()).add(city_feeds[sensor.feed].filter)
        else:
            filters = set(built_in[sensor.feed].filters)
            writes.setdefault(f"{ROLE_PREFIX}feed-{sensor.feed}", set()).update(filters)
    return writes


def _device_topic_template(feed: CityFeed | None, decoder: Decoder | None, city: str) -> str | None:
    """Return the topic of a device with the placeholder `{device}`; None when it has no device level."""
    if feed is not None:
        level = feed.device_level
        return None if level is None else "/".join(_template_levels(feed.filter.split("/"), level))
    if decoder is None or not decoder.device_topic:
        return None
    return decoder.device_topic.format(city=city, device="{device}")


def _template_levels(levels: list[str], device_level: int) -> Iterator[str]:
    """Yield the levels of a filter with the device at its level, which the `#` may cover."""
    for number in range(max(len(levels), device_level + 1)):
        if number == device_level:
            yield "{device}"
        elif number >= len(levels) or levels[number] == "#":
            yield "+"
        else:
            yield _escaped(levels[number])
    if levels[-1] == "#":
        yield "#"


def _escaped(level: str) -> str:
    return level.replace("{", "{{").replace("}", "}}")


def _device_level(sensor: Sensor) -> str:
    if not sensor.device or _FORBIDDEN_CHARACTERS & set(sensor.device):
        raise BrokerAccountError(
            f"sensor {sensor.id!r}: its device {sensor.device!r} cannot be a topic level: expected a name "
            "without +, #, / and line ends"
        )
    return sensor.device
