"""The MQTT topics that outlets write. No decoder of ours reads them, and no feed of a city may."""

from __future__ import annotations

from typing import Literal

# What every id of an alarm holds, and no other.
_ALARM = "~"

_OUTPUTS = (
    ("livetwin", "+", "entities", "+", "state"),
    ("livetwin", "+", "alarms", _ALARM),
    ("livetwin", "+", "outlets"),
)


class OutletTopics:
    """The topics of one city.

    >>> topics = OutletTopics("alkmaar")
    >>> topics.entity_topic("alkmaar.overdie")
    'livetwin/alkmaar/entities/alkmaar.overdie/state'
    >>> topics.parse("livetwin/alkmaar/alarms/high-water~alkmaar.singel")
    ('alarm', 'high-water~alkmaar.singel')
    """

    def __init__(self, city: str) -> None:
        self._base = f"livetwin/{city}"
        self.marker_topic = (
            f"{self._base}/outlets"  #: where an outlet tells itself that it has seen everything
        )
        self.filters = (self.entity_topic("+"), self.alarm_topic("+"))  #: of all that is retained

    def entity_topic(self, id: str) -> str:
        """Return where the state of an entity is."""
        return f"{self._base}/entities/{id}/state"

    def alarm_topic(self, id: str) -> str:
        """Return where an alarm is."""
        return f"{self._base}/alarms/{id}"

    def parse(self, topic: str) -> tuple[Literal["entity", "alarm"], str]:
        """Return of what a topic that a filter matched is."""
        levels = topic.split("/")
        return ("alarm" if levels[2] == "alarms" else "entity"), levels[3]


def may_match_outlet_topic(filter: str) -> bool:
    """Whether an MQTT topic filter matches what an outlet of some city writes.

    >>> may_match_outlet_topic("livetwin/#"), may_match_outlet_topic("+/+/entities/+/state")
    (True, True)
    >>> may_match_outlet_topic("livetwin/+/+/observations"), may_match_outlet_topic("lora/+/up")
    (False, False)
    """
    levels = filter.split("/")
    return any(
        all(_may_be(one, level) for one, level in zip(levels, output, strict=False))
        and ("#" in levels[: len(output) + 1] or len(levels) == len(output))
        for output in _OUTPUTS
    )


def _may_be(level: str, output: str) -> bool:
    return level in ("+", "#", output) or output == "+" or (output == _ALARM and _ALARM in level)
