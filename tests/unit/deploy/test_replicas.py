"""Several processes of a role on one host: of those that may have them, and each ingest with its own id."""

from __future__ import annotations

from typing import Any

import yaml

from tests.support.repository import ROOT
from tests.support.services.compose_file import compose_file

SEVERAL = {"ingest", "stream", "historian", "api"}


class _Loader(yaml.SafeLoader):
    """Reads compose's own tag `!override` as what stands behind it."""


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


_Loader.add_constructor("!override", _sequence)


def services() -> dict[str, Any]:
    content: dict[str, Any] = yaml.load((ROOT / "deploy/compose/replicas.yml").read_text(), _Loader)
    found: dict[str, Any] = content["services"]
    return found


def test_only_roles_that_may_have_several_processes_have_them() -> None:
    for name, service in services().items():
        role = service.get("extends", {}).get("service", name)
        assert role in SEVERAL & compose_file()["services"].keys()
        assert name.startswith("ingest") or service["deploy"]["replicas"] > 1


def test_each_ingest_shares_a_subscription_under_an_id_that_stays() -> None:
    given = [one["environment"] for name, one in services().items() if name.startswith("ingest")]
    assert len({one["LIVETWIN_MQTT_CLIENT_ID"] for one in given}) == len(given) > 1
    assert len({one["LIVETWIN_MQTT_SHARE"] for one in given}) == 1
    assert all(one["LIVETWIN_MQTT_SHARE"] for one in given)
    # A session keeps what it subscribed to without a share: it must not be that of one that ran alone.
    assert "livetwin-ingest-0" not in {one["LIVETWIN_MQTT_CLIENT_ID"] for one in given}
