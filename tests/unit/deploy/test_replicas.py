"""Several processes of a role on one host: an id for each ingest, a journal for each alerting."""

from __future__ import annotations

from typing import Any

import yaml

from ingest.broker_accounts import is_further
from tests.support.repository import ROOT
from tests.support.services.compose_file import compose_file

SEVERAL = {"ingest", "stream", "historian", "api", "outlets"}
WITH_STANDBY = {"alerting", "alerting-b", "outlets"}


class _Loader(yaml.SafeLoader):
    """A YAML loader that ignores the tag `!override` of Compose."""


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


_Loader.add_constructor("!override", _sequence)


def services() -> dict[str, Any]:
    content: dict[str, Any] = yaml.load((ROOT / "deploy/compose/replicas.yml").read_text(), _Loader)
    found: dict[str, Any] = content["services"]
    return found


def test_only_scalable_roles_have_several_processes() -> None:
    for name, service in services().items():
        role = service.get("extends", {}).get("service", name)
        assert role in (SEVERAL | WITH_STANDBY) & compose_file()["services"].keys()
        assert name.startswith(("ingest", "alerting")) or service["deploy"]["replicas"] > 1


def test_roles_that_work_alone_have_a_standby_and_journals_of_their_own() -> None:
    for name in WITH_STANDBY:
        assert services()[name]["environment"]["LIVETWIN_STANDBY"] == "true"
    journals = [*compose_file()["services"]["alerting"]["volumes"], *services()["alerting-b"]["volumes"]]
    assert len({one.partition(":")[0] for one in journals}) == len(journals) == 2


def test_each_ingest_shares_a_subscription_with_a_stable_id() -> None:
    given = [one["environment"] for name, one in services().items() if name.startswith("ingest")]
    assert len({one["LIVETWIN_MQTT_CLIENT_ID"] for one in given}) == len(given) > 1
    assert len({one["LIVETWIN_MQTT_SHARE"] for one in given}) == 1
    assert all(one["LIVETWIN_MQTT_SHARE"] for one in given)
    # The broker uses the name of the account as the id.
    assert all(one["LIVETWIN_MQTT_CLIENT_ID"] == one["LIVETWIN_MQTT_USERNAME"] for one in given)
    assert all(is_further(one["LIVETWIN_MQTT_USERNAME"]) for one in given)
    # A session keeps what it subscribed to without a share: it must not be that of one that ran alone.
    assert "livetwin-ingest-0" not in {one["LIVETWIN_MQTT_CLIENT_ID"] for one in given}
