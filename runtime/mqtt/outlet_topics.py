"""The MQTT topics that the outlets publish on. No decoder reads them, and no feed of a city may."""

from __future__ import annotations

from typing import Literal

# Every alarm id contains it; no other id does.
_ALARM = "~"

_OUTPUTS = (
    ("livetwin", "+", "entities", "+", "state"),
    ("livetwin", "+", "alarms", _ALARM),
    ("livetwin", "+", "outlets"),
)


class OutletTopics:
    """The outlet topics of one city.

    >>> topics = OutletTopics("alkmaar")
    >>> topics.entity_topic("alkmaar.overdie")
    'livetwin/alkmaar/entities/alkmaar.overdie/state'
    >>> topics.parse("livetwin/alkmaar/alarms/high-water~alkmaar.singel")
    ('alarm', 'high-water~alkmaar.singel')
    """

    def __init__(self, city: str) -> None:
        self._base = f"livetwin/{city}"
        self.marker_topic = (
            f"{self._base}/outlets"  #: marks the end of the retained messages, see `outlets.mqtt_connection`
        )
        self.filters = (self.entity_topic("+"), self.alarm_topic("+"))  #: match all retained messages

    def entity_topic(self, id: str) -> str:
        """Return the topic of the state of an entity."""
        return f"{self._base}/entities/{id}/state"

    def alarm_topic(self, id: str) -> str:
        """Return the topic of an alarm."""
        return f"{self._base}/alarms/{id}"

    def parse(self, topic: str) -> tuple[Literal["entity", "alarm"], str]:
        """Return the kind and the id in a topic that one of the filters matched."""
        levels = topic.split("/")
        return ("alarm" if levels[2] == "alarms" else "entity"), levels[3]


def may_match_outlet_topic(filter: str) -> bool:
    """Return whether an MQTT topic filter may match an outlet topic of any city.

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
