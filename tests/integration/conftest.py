"""With services in containers, only tests that have one there are run: others would run as they do anyway."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.services.service_source import in_containers


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of this folder that have no service of the fixture `services`."""
    if not in_containers():
        return
    here = Path(__file__).parent
    out = [
        item
        for item in items
        if item.path.is_relative_to(here) and "services" not in getattr(item, "fixturenames", ())
    ]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]
