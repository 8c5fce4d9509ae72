"""What of an alarm is shown to whom: no single household (decision 0009), and no people to just anybody."""

from __future__ import annotations

from twin.alarms.messages import AlarmEvent, OperandValue
from twin.alarms.rules.operand import ObservationRef
from twin.model.city_model import CityModel
from twin.model.role import Role, may_read_personal_data, role_includes
from twin.privacy.cohort import CONNECTIONS_MIN


def may_see_alarm(role: Role, event: AlarmEvent, model: CityModel) -> bool:
    """Whether a role may know of an alarm at all.

    That a meter is silent says that somebody may be away: it is for those who look after meters. Whose a
    sensor was that the model knows no more nobody can say.
    """
    sensor = model.sensors.get(event.sensor)
    public = not event.sensor or (sensor is not None and not sensor.personal)
    return public or role_includes(role, "operator") or may_read_personal_data(role)


def may_see_people(role: Role) -> bool:
    """Whether a role may see who did something to an alarm, and what they wrote."""
    return role_includes(role, "viewer")


def may_see_value(role: Role, operand: OperandValue, model: CityModel) -> bool:
    """Whether a role may see the value of an operand: not where it is of few households."""
    personal = {one.datastream for one in operand.sources if _is_personal(one, model)}
    return not personal or len(personal) >= CONNECTIONS_MIN or may_read_personal_data(role)


def may_see_sentence(role: Role, event: AlarmEvent, model: CityModel) -> bool:
    """Whether a role may read the sentence of an alarm, which says the values of its operands."""
    return all(may_see_value(role, one, model) for one in event.operands)


def visible_sources(role: Role, operand: OperandValue, model: CityModel) -> list[ObservationRef]:
    """Return the observations behind an operand that a role may see; none of what the model does not know."""
    return [
        one
        for one in operand.sources
        if one.datastream in model.datastreams
        and (not _is_personal(one, model) or may_read_personal_data(role))
    ]


def _is_personal(source: ObservationRef, model: CityModel) -> bool:
    datastream = model.datastreams.get(source.datastream)
    sensor = model.sensors.get(datastream.sensor) if datastream is not None else None
    return sensor is not None and sensor.personal
