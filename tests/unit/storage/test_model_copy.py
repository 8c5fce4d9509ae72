"""The copy of the city model on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from socket import gethostname

from storage.model.model_source import read_model_copy, write_model_copy
from tests.support.cities.city_builder import CityBuilder
from twin.model.city_model import CityModel

READABLE_BY_ALL = 0o644


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def city() -> CityModel:
    return CityBuilder().entity("town", "Municipality").model()


def test_only_the_owner_may_read_the_copy(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_model_copy(tmp_path / "model-town.json", city())
    finally:
        os.umask(before)
    assert modes(tmp_path) == {"model-town.json": 0o600}
    assert read_model_copy(tmp_path / "model-town.json") == city()


def test_a_copy_and_a_draft_of_an_earlier_version_lose_their_mode(tmp_path: Path) -> None:
    copy = tmp_path / "model-town.json"
    for path in (copy, copy.with_suffix(f".{gethostname()}-{os.getpid()}.draft")):
        path.write_text("{}")
        path.chmod(READABLE_BY_ALL)
    write_model_copy(copy, city())
    assert modes(tmp_path) == {"model-town.json": 0o600}
    assert read_model_copy(copy) == city()
