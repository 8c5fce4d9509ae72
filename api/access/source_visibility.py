"""What a role may see of a message as a device sent it: its topic and device, and its payload."""

from __future__ import annotations

from cities.files.schema import PERSONAL_FEEDS
from twin.model.city_model import CityModel
from twin.model.role import Role, may_read_personal_data, role_includes


def may_see_payloads(role: Role) -> bool:
    """Whether a role may see what devices sent as they sent it: staff may, the public may not.

    A payload has more than the observations: gateways, addresses, positions, what the maker of a device adds.
    """
    return role_includes(role, "viewer")


def may_see_source(role: Role, device: str, *, sensor: str, personal: bool) -> bool:
    """Whether a role may see topic, device and hash of a stored message of a sensor.

    Those of personal sensors are for `metering`. Anonymous clients see those of devices that are named as
    their sensors: others have an address of a radio network or a gateway.
    """
    if personal:
        return may_read_personal_data(role)
    return may_see_payloads(role) or device == sensor


class SourceVisibility:
    """What one role may see of quarantined messages, with one version of the city model.

    The owner of an unknown device is unknown: it may be a household's meter, on any feed. Operators see what
    devices sent, since they repair decoders and assign devices. Others see it of the known sensors that are
    not personal, and whose device has the name of the sensor, not an address of a radio network or a gateway.
    """

    def __init__(self, role: Role, model: CityModel) -> None:
        self._sees_payloads = may_see_payloads(role)
        self._is_operator = role_includes(role, "operator")
        self._model = model
        self._personal_feeds = PERSONAL_FEEDS | {
            sensor.feed for sensor in model.sensors.values() if sensor.personal
        }

    def shows_device(self, feed: str, device: str) -> bool:
        """Whether the role may see device, topic and detail of a message."""
        if self._is_operator:
            return True
        sensor = self._model.sensors.get(device)
        return (
            sensor is not None
            and not sensor.personal
            and sensor.device == device
            and feed not in self._personal_feeds
        )

    def shows_payload(self, feed: str, device: str) -> bool:
        """Whether the role may see the payload of a message, redacted for personal feeds."""
        return self._sees_payloads and self.shows_device(feed, device)

    def shows_hash(self, feed: str, device: str) -> bool:
        """Whether the role may see the hash of the payload as it was received.

        That of a personal payload is for nobody: who knows the rest of the payload finds the id of the meter.
        """
        return feed not in self._personal_feeds and self.shows_device(feed, device)
