"""Routes an MQTT topic to its feed and decoder.

Topics are matched as in MQTT 5.0 §4.7. When several filters match, the most specific one wins: level by
level, a name before `+`, and `+` before `#`. With the same filter, a feed of the city wins over a built-in
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ingest.decoding import Decoder, RegistrationError
from twin.model.city_model import CityFeed


class TopicRoute(NamedTuple):
    """The feed and the decoder of a topic."""

    feed: str  #: the city's feed, or the first of the decoder's own
    decoder: Decoder
    device_level: int | None  #: topic level, from 0, of the device; None: the decoder finds the device
    sender_level: int | None  #: topic level that tells the senders of a feed apart; None: they share a topic


class TopicRoutes:
    """The topic filters of the decoders, and of the feeds of the city."""

    def __init__(self, decoders: Mapping[str, Decoder], feeds: Iterable[CityFeed] = ()) -> None:
        """Raise RegistrationError for an invalid filter, an unknown decoder, or two feeds with one filter."""
        routes: dict[str, TopicRoute] = {}
        for feed in feeds:
            decoder = decoders.get(feed.decoder)
            if decoder is None:
                raise RegistrationError(
                    f"feed {feed.id!r}: there is no decoder {feed.decoder!r}; "
                    f"known are {', '.join(sorted(decoders))}"
                )
            if feed.filter in routes:
                raise RegistrationError(
                    f"feed {feed.id!r}: feed {routes[feed.filter].feed!r} already has filter {feed.filter!r}"
                )
            sender_level = _sender_level(feed.filter) if feed.device_level is None else feed.device_level
            routes[feed.filter] = TopicRoute(feed.id, decoder, feed.device_level, sender_level)
        for decoder in decoders.values():
            for topic_filter in decoder.filters:
                route = TopicRoute(decoder.feeds[0], decoder, None, _sender_level(topic_filter))
                routes.setdefault(topic_filter, route)
        compiled = [(_levels(filter), route) for filter, route in routes.items()]
        self._routes = sorted(compiled, key=lambda route: [_rank(level) for level in route[0]])
        self.filters: tuple[str, ...] = tuple(sorted(routes))

    def route(self, topic: str) -> TopicRoute | None:
        """Return the route of a topic; None when no filter matches it, or its device level is missing."""
        levels = topic.split("/")
        for pattern, route in self._routes:
            if _matches(pattern, levels):
                missing = route.device_level is not None and route.device_level >= len(levels)
                return None if missing else route
        return None


def _rank(level: str) -> int:
    return 2 if level == "#" else 1 if level == "+" else 0


def _sender_level(filter: str) -> int | None:
    """Return the last `+` of a filter: there the built-in topics have the device; else its `#`."""
    levels = filter.split("/")
    for wildcard in ("+", "#"):
        if wildcard in levels:
            return max(number for number, level in enumerate(levels) if level == wildcard)
    return None


def _levels(filter: str) -> tuple[str, ...]:
    levels = tuple(filter.split("/"))
    wild = any(("+" in level or "#" in level) and len(level) > 1 for level in levels)
    if not filter or "\0" in filter or wild or "#" in levels[:-1]:
        raise RegistrationError(
            f"{filter!r} is not an MQTT topic filter: + and # must be whole levels, and # the last one"
        )
    return levels


def _matches(pattern: tuple[str, ...], levels: list[str]) -> bool:
    if levels[0].startswith("$") and pattern[0] in ("+", "#"):
        return False
    if pattern[-1] == "#":
        # `a/#` includes `a` itself.
        if len(levels) < len(pattern) - 1:
            return False
        pattern = pattern[:-1]
    elif len(levels) != len(pattern):
        return False
    return all(one in ("+", level) for one, level in zip(pattern, levels, strict=False))
