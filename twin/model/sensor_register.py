"""The sensor register: what the public may know of each sensor beside its values.

Dutch municipalities publish which sensors are in public space, whose they are, why, and what they do not
observe. What an entry lacks is that of its kind of device, and then that of the city.
"""

from __future__ import annotations

import msgspec

from twin.model.bilingual_text import BilingualText


class RegisterEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a city folder says of one sensor, of a kind of device, or of all sensors."""

    kind: str = ""  #: id of the kind of device
    device: BilingualText | None = None  #: the kind of device in words
    owner: str = ""
    contact: str = ""  #: address of a page or a mailbox: a URL
    purpose: BilingualText | None = None
    observes: BilingualText | None = None
    observes_not: BilingualText | None = None  #: what it explicitly does not observe
    legal_basis: BilingualText | None = None
    personal_data: bool | None = None  #: whether personal data are processed; None: not said
    since: str = ""  #: date, ISO 8601
    until: str = ""  #: date on which it was or will be removed; empty: none is planned


NO_ENTRY = RegisterEntry()


class SensorRegister(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a city says of all its sensors, and of each kind of device."""

    defaults: RegisterEntry = NO_ENTRY
    kinds: dict[str, RegisterEntry] = {}

    def complete(self, entry: RegisterEntry) -> RegisterEntry:
        """Return an entry with what it lacks from its kind, and then from the city."""
        layers = (entry, self.kinds.get(entry.kind, NO_ENTRY), self.defaults)
        fields = {
            name: next((value for layer in layers if (value := getattr(layer, name)) not in ("", None)), None)
            for name in RegisterEntry.__struct_fields__
        }
        return RegisterEntry(**{name: value for name, value in fields.items() if value is not None})


NO_REGISTER = SensorRegister()
