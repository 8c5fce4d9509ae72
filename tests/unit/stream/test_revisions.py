"""Revisions are integers that each client of the API can read exactly."""

from __future__ import annotations

import json

import pytest

from api.http.models import REVISION_MAX
from stream.engine.stage import REASSESSED_BASE, alarm_revision, revision_base, window_revision
from tests.unit.api.conftest import make_model
from twin.instant import parse_instant

LATE = parse_instant("2089-12-31T23:59:59Z")


@pytest.mark.parametrize("version", [1, 2, 30_000])
def test_revisions_are_the_same_in_javascript(version: int) -> None:
    model = make_model(version)
    for revision in (
        revision_base(model) + 2 * REASSESSED_BASE,
        window_revision(LATE, model),
        alarm_revision(LATE, model),
    ):
        assert revision <= REVISION_MAX
        assert int(float(json.dumps(revision))) == revision
