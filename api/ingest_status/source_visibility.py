"""What a role may see of the sender of a quarantined message."""

from __future__ import annotations

from cities.files.schema import PERSONAL_FEEDS
from twin.model.city_model import CityModel
from twin.model.role import Role, role_includes


class SourceVisibility:
    """The rights of one role, with one version of the city model.

    The owner of an unknown device is unknown: it may be a household's meter, on any feed. Operators see what
    devices sent, since they repair decoders and assign devices. Others see it of the known sensors that are
    not personal, and whose device has the name of the sensor, not an address of a radio network or a gateway.
    """

    def __init__(self, role: Role, model: CityModel) -> None:
        self._is_operator = role_includes(role, "operator")
        self._model = model
        self._personal_feeds = PERSONAL_FEEDS | {
            sensor.feed for sensor in model.sensors.values() if sensor.personal
        }

    def shows_device(self, feed: str, device: str) -> bool:
        """Whether the role may see device, topic, detail and payload (redacted) of a message."""
        if self._is_operator:
            return True
        sensor = self._model.sensors.get(device)
        return (
            sensor is not None
            and not sensor.personal
            and sensor.device == device
            and feed not in self._personal_feeds
        )

    def shows_hash(self, feed: str, device: str) -> bool:
        """Whether the role may see the hash of the payload as it was received.

        That of a personal payload is for nobody: who knows the rest of the payload finds the id of the meter.
        """
        return feed not in self._personal_feeds and self.shows_device(feed, device)
