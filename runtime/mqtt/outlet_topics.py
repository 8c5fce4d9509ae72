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


class Topics:
    """The topics of one city.

    >>> topics = Topics("alkmaar")
    >>> topics.of_entity("alkmaar.overdie")
    'livetwin/alkmaar/entities/alkmaar.overdie/state'
    >>> topics.names("livetwin/alkmaar/alarms/high-water~alkmaar.singel")
    ('alarm', 'high-water~alkmaar.singel')
    """

    def __init__(self, city: str) -> None:
        self._base = f"livetwin/{city}"
        self.marker = f"{self._base}/outlets"  #: where an outlet tells itself that it has seen everything
        self.filters = (self.of_entity("+"), self.of_alarm("+"))  #: of all that is retained

    def of_entity(self, id: str) -> str:
        """Return where the state of an entity is."""
        return f"{self._base}/entities/{id}/state"

    def of_alarm(self, id: str) -> str:
        """Return where an alarm is."""
        return f"{self._base}/alarms/{id}"

    def names(self, topic: str) -> tuple[Literal["entity", "alarm"], str]:
        """Return of what a topic that a filter matched is."""
        levels = topic.split("/")
        return ("alarm" if levels[2] == "alarms" else "entity"), levels[3]


def may_match_output(filter: str) -> bool:
    """Whether an MQTT topic filter matches what an outlet of some city writes.

    >>> may_match_output("livetwin/#"), may_match_output("+/+/entities/+/state")
    (True, True)
    >>> may_match_output("livetwin/+/+/observations"), may_match_output("lora/+/up")
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
