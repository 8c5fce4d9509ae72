"""The compose file matches the programs: all roles, existing settings and secrets, limits, pinned images."""

from __future__ import annotations

import importlib
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from api.settings import ApiSettings
from cities import default_city
from cities.folder_reader import read_city
from cli.command_line import COMMANDS
from cli.embedded.mosquitto import EmbeddedMosquitto
from ingest.broker_accounts import ROLE_PREFIX, broker_accounts
from ingest.decoders import registry
from runtime.kafka.rights import RIGHTS as KAFKA_RIGHTS
from runtime.kafka.rights import kafka_user
from runtime.secret_files import FILE_SUFFIX, is_secret
from runtime.settings import RoleSettings
from storage.schema.rights import RIGHTS, role_user
from tests.support.repository import ROOT
from tests.support.services.compose_file import VARIABLE, compose_file

ROLES = {name for name, summary in COMMANDS.items() if summary.startswith("Role:")}
IMAGE_GROUP = 10001
SETTINGS = {
    "migrate": "runtime.settings",
    "city": "runtime.settings",
    "topics": "runtime.settings",
    "historian": "storage.settings",
    "simulate": "simulators.settings",
}


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose_file()["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """Return the services that run LiveTwin's image."""
    return {name: one for name, one in services().items() if "build" in one}


def settings_of(service: str) -> type[RoleSettings]:
    module = importlib.import_module(SETTINGS.get(service, f"{service}.settings"))
    [settings] = [
        member
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, RoleSettings)
        and member.__module__ == module.__name__
    ]
    return settings


def test_every_role_is_a_service_of_one_image() -> None:
    assert services().keys() >= ROLES
    assert ours().keys() == ROLES | {"migrate", "topics", "city", "simulate", "credentials"}
    assert len({one["image"] for one in ours().values()}) == 1


def test_every_service_is_bounded_and_unprivileged() -> None:
    for name, service in services().items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits.keys() == {"cpus", "memory", "pids"}, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged", False), name
    for name, service in ours().items():
        assert service["read_only"] is True, name


def test_a_service_reaches_only_those_that_it_talks_to() -> None:
    members: dict[str, set[str]] = {}
    for name, service in services().items():
        for network in service.get("networks", []):
            members.setdefault(network, set()).add(name)
    assert members == {
        "devices": {"mosquitto", "ingest", "alerting", "outlets", "simulate"},
        "log": {"kafka", *ROLES},
        "database": {"timescaledb", "migrate", "city", *ROLES},
        "metrics": {"prometheus", *ROLES},
        "monitoring": {"prometheus", "alertmanager", "grafana"},
        "outside": {"alerting", "outlets"},
        "public": {"api"},
    }
    modes = {name: one["network_mode"] for name, one in services().items() if "network_mode" in one}
    # Kafka's own listeners, for its administrator, are reached from its container alone.
    assert modes == {"credentials": "none", "topics": "service:kafka"}
    internal = {
        name for name, network in compose_file()["networks"].items() if (network or {}).get("internal")
    }
    assert internal == {"log", "database", "metrics"}
    # A port is published through a network that is not internal.
    for name, service in services().items():
        assert "ports" not in service or not set(service["networks"]) <= internal, name


def listeners(name: str) -> dict[str, str]:
    """Return the addresses in a setting of Kafka, by the name of their listener."""
    value = services()["kafka"]["environment"][name]
    return dict(one.split("://") for one in value.split(","))


def test_kafka_takes_nothing_from_its_network_without_tls_and_a_password() -> None:
    environment = services()["kafka"]["environment"]
    protocols = dict(one.split(":") for one in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    open_to_network = {
        name for name, address in listeners("KAFKA_LISTENERS").items() if not address.startswith("localhost:")
    }
    assert {name: protocols[name] for name in open_to_network} == {"ROLES": "SASL_SSL"}
    assert listeners("KAFKA_ADVERTISED_LISTENERS") == {"ROLES": "kafka:9092", "LOCAL": "localhost:9094"}
    assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == "1@localhost:9093"
    # The entry point of the image demands settings of its own where it reads SSL:// or SASL_ in it.
    assert "SSL://" not in environment["KAFKA_ADVERTISED_LISTENERS"]
    # Whoever did not authenticate administers Kafka: no listener of a network may give this principal.
    assert environment["KAFKA_SUPER_USERS"] == "User:ANONYMOUS"
    assert environment["KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND"] == "false"
    assert environment["KAFKA_AUTHORIZER_CLASS_NAME"].endswith(".StandardAuthorizer")


def test_each_role_uses_kafka_with_its_own_account(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    files = {name: one["file"] for name, one in compose_file()["secrets"].items()}
    assert KAFKA_RIGHTS.keys() == ROLES
    for role in ROLES:
        environment = services()[role]["environment"]
        assert environment["LIVETWIN_KAFKA_PROTOCOL"] == "SASL_SSL"
        assert environment["LIVETWIN_KAFKA_CA"] == "/run/secrets/tls_ca"
        assert environment["LIVETWIN_KAFKA_USERNAME"] == kafka_user(role)
        assert environment["LIVETWIN_KAFKA_PASSWORD_FILE"] == f"/run/secrets/kafka_{role}"
        assert files[f"kafka_{role}"].endswith(f"/kafka-roles/{role}")
        assert services()[role]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}
    assert {path.name for path in (tmp_path / "kafka-roles").iterdir()} == ROLES
    [host] = {services()[role]["environment"]["LIVETWIN_KAFKA"].split(":")[0] for role in ROLES}
    server = x509.load_pem_x509_certificate((tmp_path / "tls/kafka.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "tls/ca.crt").read_bytes())
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert host in names.get_values_for_type(x509.DNSName)


def test_each_service_with_a_database_checks_who_it_is(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    users = {name for name, one in services().items() if "database" in one.get("networks", [])} - {
        "timescaledb"
    }
    assert users == ROLES | {"migrate", "city"}
    for name in users:
        environment = services()[name]["environment"]
        assert environment["PGSSLMODE"] == "verify-full", name
        assert environment["PGSSLROOTCERT"] == "/run/secrets/tls_ca", name
    certificate = x509.load_pem_x509_certificate((tmp_path / "tls/timescaledb.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    for file in (tmp_path / "database_url", *(tmp_path / "database-roles").iterdir()):
        assert conninfo_to_dict(file.read_text().strip())["host"] in names.get_values_for_type(x509.DNSName)
    rules = (ROOT / "deploy/compose/pg_hba.conf").read_text()
    kinds = [line.split()[0] for line in rules.splitlines() if line and not line.startswith("#")]
    assert kinds == ["local", "hostssl"]


def test_the_key_of_the_authority_is_for_no_container(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    assert stat.S_IMODE((tmp_path / "tls/ca.key").stat().st_mode) == 0o400
    mounted = str([one.get("volumes") for one in services().values()])
    assert "/tls:" not in mounted.replace("./deploy/tls:/tls:ro", "")
    assert not any(one["file"].endswith("ca.key") for one in compose_file()["secrets"].values())


def test_a_certificate_that_expires_soon_is_replaced(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    file = tmp_path / "tls/kafka.pem"
    first, authority = file.read_text(), (tmp_path / "tls/ca.crt").read_text()
    assert make_secrets(tmp_path) == ""
    script = tmp_path / "tomorrow.sh"
    # As if eleven years had gone by: no certificate of ten years is valid so long.
    text = (ROOT / "deploy/make-secrets.sh").read_text()
    assert "RENEWAL_S=31536000" in text
    script.write_text(
        text.replace("RENEWAL_S=31536000", f"RENEWAL_S={11 * 31_536_000}").replace(
            'cd "$(dirname "${BASH_SOURCE[0]}")/.."', ""
        )
    )
    done = subprocess.run(["bash", script, tmp_path], check=True, capture_output=True, text=True)
    assert "the certificate of kafka expires within a year: restart it after this\n" in done.stdout
    assert file.read_text() != first
    assert (tmp_path / "tls/ca.crt").read_text() == authority


def test_every_permanent_service_has_a_health_check() -> None:
    watched = {name for name, one in services().items() if "healthcheck" in one}
    assert watched == ROLES | {"mosquitto", "kafka", "timescaledb"}


def test_profiles_contain_the_documented_services() -> None:
    profiles = {name: one["profiles"] for name, one in services().items() if "profiles" in one}
    assert profiles == {
        "credentials": ["by-hand"],
        "simulate": ["demo"],
        "prometheus": ["monitoring"],
        "alertmanager": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_environments_have_only_settings_of_their_role() -> None:
    for name, service in ours().items():
        if "environment" not in service:
            continue
        fields = settings_of(name).model_fields
        known = {f"LIVETWIN_{field.upper()}" for field in fields}
        known |= {
            f"LIVETWIN_{field.upper()}{FILE_SUFFIX}" for field, about in fields.items() if is_secret(about)
        }
        # All services of the image get the settings that every role shares.
        known |= {"LIVETWIN_MQTT_HOST"}
        known |= {"OTEL_EXPORTER_OTLP_ENDPOINT", "PGSSLMODE", "PGSSLROOTCERT"}
        assert service["environment"].keys() <= known, f"{name}: {service['environment'].keys() - known}"


def test_each_secret_goes_only_to_services_that_read_it() -> None:
    for name, service in services().items():
        read = set(
            re.findall(r"/run/secrets/(\w+)", str([service.get("environment"), service.get("command")]))
        )
        scripts = [word for word in service.get("entrypoint", []) if word.startswith("/start/")]
        for script in scripts:
            text = (ROOT / "deploy/compose" / script.removeprefix("/start/")).read_text()
            read |= set(re.findall(r"/run/secrets/(\w+)", text))
        read |= set(re.findall(r"/run/secrets/(\w+)", str(service.get("healthcheck"))))
        assert set(service.get("secrets", [])) == read, name


def test_the_contact_for_vulnerabilities_reaches_the_api_and_may_be_missing() -> None:
    passed = services()["api"]["environment"]["LIVETWIN_SECURITY_CONTACT"]
    assert VARIABLE.findall(passed) == [("LIVETWIN_SECURITY_CONTACT", "")]
    assert ApiSettings(security_contact="").security_contact is None
    assert ApiSettings(security_contact="mailto:x@city.example").security_contact == "mailto:x@city.example"
    with pytest.raises(ValidationError):
        ApiSettings(security_contact="x@city.example")


def test_ports_are_published_on_loopback_by_default() -> None:
    published = {name: one["ports"] for name, one in services().items() if "ports" in one}
    assert published.keys() == {"mosquitto", "api", "prometheus", "alertmanager", "grafana"}
    for name, ports in published.items():
        for port in ports:
            assert VARIABLE.sub(r"\2", port).startswith("127.0.0.1:"), name


def test_third_party_images_are_settings_with_a_version() -> None:
    for name, service in services().items():
        if name in ours():
            continue
        [(variable, default)] = VARIABLE.findall(service["image"])
        assert variable == f"LIVETWIN_IMAGE_{name.upper()}"
        assert re.fullmatch(r"[\w/-]+:v?\d+\.[\w.-]+", default), f"{name}: {default} names no version"


def test_every_variable_is_in_the_example_with_its_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = dict(VARIABLE.findall(text))
    assert set(re.findall(r"\$\{(\w+)", text)) == used.keys(), "give each variable a default"
    example = dict(re.findall(r"^#(LIVETWIN_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example == used


def make_secrets(folder: Path) -> str:
    done = subprocess.run(
        [ROOT / "deploy/make-secrets.sh", folder], check=True, capture_output=True, text=True
    )
    return done.stdout


def made_secrets(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_each_role_uses_the_database_with_its_own_account(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    files = {name: one["file"] for name, one in compose_file()["secrets"].items()}
    for role in RIGHTS:
        service = services()[role]
        assert service["environment"]["LIVETWIN_DATABASE_FILE"] == f"/run/secrets/database_{role}"
        assert files[f"database_{role}"].endswith(f"/database-roles/{role}")
    users = {
        role: conninfo_to_dict((tmp_path / "database-roles" / role).read_text().strip())["user"]
        for role in RIGHTS
    }
    assert users == {role: role_user(role) for role in RIGHTS}
    owners = {name for name, one in services().items() if "database_url" in one.get("secrets", [])}
    assert owners == {"migrate", "city"}
    assert services()["migrate"]["command"] == ["migrate", "--accounts=/database-roles"]


def test_the_script_creates_every_secret_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    named = {VARIABLE.sub("", one["file"])[1:] for one in compose_file()["secrets"].values()}
    made = {name: (folder / name).read_text() for name in made_secrets(folder)}
    # Those of the broker are made by `livetwin credentials`; no container gets the key of the authority.
    assert made.keys() == {name for name in named if not name.startswith("mqtt/")} | {"tls/ca.key"}
    assert all(secret.strip() for secret in made.values())
    assert len(set(made.values())) == len(made)
    (folder / "link_key").unlink()
    assert make_secrets(folder) == f"made {folder}/link_key\n"
    again = {name: (folder / name).read_text() for name in made_secrets(folder)}
    assert {name for name in made if made[name] != again[name]} == {"link_key"}
    assert made["database_password"].strip() in made["database_url"]


def test_only_the_owner_may_enter_the_folder_of_secrets(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    text = (ROOT / "deploy/image/Dockerfile").read_text()
    assert f"--uid {IMAGE_GROUP} --user-group" in text
    assert f"GROUP={IMAGE_GROUP} " in (ROOT / "deploy/make-secrets.sh").read_text()


def test_roles_have_the_accounts_that_the_broker_knows() -> None:
    accounts = {one.name for one in broker_accounts(read_city(default_city()), registry(), simulator=True)}
    for name, service in ours().items():
        environment = service.get("environment", {})
        if "LIVETWIN_MQTT_USERNAME" in environment:
            account = environment["LIVETWIN_MQTT_USERNAME"].removeprefix(ROLE_PREFIX)
            assert account in (name, f"{name}-0")
            assert f"{ROLE_PREFIX}{account}" in accounts
            [secret] = [secret for secret in service["secrets"] if secret.startswith("mqtt_")]
            assert compose_file()["secrets"][secret]["file"].endswith(f"/mqtt/mqtt-{account}")


def test_the_queue_of_the_broker_fits_into_its_memory() -> None:
    limit = compose_file()["services"]["mosquitto"]["deploy"]["resources"]["limits"]["memory"]
    assert limit == "1g"
    for name in ("mosquitto/livetwin.conf", "compose/mosquitto.conf"):
        text = (ROOT / "deploy" / name).read_text()
        bounds = {
            key: int(value) for key, value in re.findall(r"^max_queued_(\w+) (\d+)$", text, re.MULTILINE)
        }
        messages, payloads = bounds["messages"], bounds["bytes"]
        assert 0 < messages * EmbeddedMosquitto.MESSAGE_OVERHEAD_BYTES + payloads < 0.9 * (1 << 30), name


def test_every_listener_of_the_broker_binds_client_ids_to_accounts() -> None:
    for name in ("mosquitto/livetwin.conf", "compose/mosquitto.conf", "compose/mosquitto-start"):
        listeners = re.split(r"\blistener \d+", (ROOT / "deploy" / name).read_text())[1:]
        assert listeners
        assert all("use_username_as_clientid true" in one for one in listeners), name
    # The account of the simulator has one connection, too.
    assert compose_file()["services"]["simulate"]["environment"]["LIVETWIN_CONNECTIONS"] == 1


def test_secrets_are_kept_out_of_git_and_of_the_image() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/deploy/secrets/", "/.env", "/livetwin.env"} <= set(ignored)
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert sent[1] == "*", "what is sent to the engine is named, one by one"
    assert not {one for one in sent if one.startswith("!") and ("secret" in one or "env" in one)}
