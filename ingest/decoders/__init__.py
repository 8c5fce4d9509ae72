"""The payload formats: each module here that defines `DECODER` adds one, and nothing else needs to change.

What lives here: pure functions from a message to readings. What may not live here: sensors, unit conversions,
the city model, and state between messages.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

from ingest.decoding import Decoder, RegistrationError


@cache
def registry() -> Mapping[str, Decoder]:
    """Return the `DECODER` of every module in this package, by name.

    Raises RegistrationError when two have the same name, feed or topic filter.
    """
    decoders: list[Decoder] = []
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        decoder = getattr(module, "DECODER", None)
        if isinstance(decoder, Decoder):
            decoders.append(decoder)
    return build_registry(decoders)


def build_registry(decoders: Iterable[Decoder]) -> Mapping[str, Decoder]:
    """Return decoders by name; raise RegistrationError when two of them claim the same thing."""
    by_name: dict[str, Decoder] = {}
    owners: dict[tuple[str, str], str] = {}
    for decoder in decoders:
        if decoder.name in by_name:
            raise RegistrationError(f"two decoders are named {decoder.name!r}")
        if decoder.filters and not decoder.feeds:
            raise RegistrationError(f"decoder {decoder.name!r} has topic filters but no feed")
        by_name[decoder.name] = decoder
        claims = [("feed", name) for name in decoder.feeds]
        claims += [("topic filter", topic_filter) for topic_filter in decoder.filters]
        for kind, name in claims:
            owner = owners.setdefault((kind, name), decoder.name)
            if owner != decoder.name:
                raise RegistrationError(f"decoders {owner!r} and {decoder.name!r} both claim {kind} {name!r}")
    return MappingProxyType(by_name)
