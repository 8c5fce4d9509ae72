"""Which receivers of webhooks are allowed."""

from __future__ import annotations

import ipaddress

import pytest

from runtime.sink_address import SinkError, SinkRules, parse_networks

PUBLIC = SinkRules()
HERE = SinkRules(parse_networks("127.0.0.0/8, ::1/128, 10.1.0.0/16"))


@pytest.mark.parametrize(
    "url", ["https://example.org/hook?key=1", "https://example.org:8443/", "https://[2606:4700::1]/"]
)
def test_https_receivers_on_the_public_internet_are_allowed(url: str) -> None:
    PUBLIC.check_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9000/hook", "http://localhost:9000/", "http://[::1]:9000/", "https://10.1.2.3/hook"],
)
def test_other_networks_must_be_allowed_by_name(url: str) -> None:
    HERE.check_url(url)
    with pytest.raises(SinkError, match="LIVETWIN_SINK_NETWORKS"):
        PUBLIC.check_url(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org/", "expected https"),
        ("http://10.1.2.3/", "expected https"),
        ("ftp://example.org/", "expected https"),
        ("example.org", "expected a URL with a host"),
        ("https://", "expected a URL with a host"),
        ("https://[::1", "expected a URL"),
        ("https://example.org:99999/", "expected a URL"),
        ("https://me:secret@example.org/", "without user"),
        ("https://example.org/#part", "fragment"),
        ("https://example.org/a b", "spaces"),
        ("https://exämple.org/", "ASCII"),
        ("https://example.org/" + "x" * 2_000, "2000"),
        ("https://169.254.169.254/latest/meta-data", "LIVETWIN_SINK_NETWORKS"),
        ("https://192.168.1.1/", "LIVETWIN_SINK_NETWORKS"),
        ("https://0.0.0.0/", "LIVETWIN_SINK_NETWORKS"),
        ("https://224.0.0.1/", "LIVETWIN_SINK_NETWORKS"),
        ("https://[fd00::1]/", "LIVETWIN_SINK_NETWORKS"),
    ],
)
def test_any_other_url_is_refused_with_the_reason(url: str, expected: str) -> None:
    with pytest.raises(SinkError, match=expected):
        HERE.check_url(url)


@pytest.mark.parametrize("address", ["::ffff:192.168.1.1", "64:ff9b::c0a8:101", "2002:c0a8:101::1"])
def test_an_embedded_ipv4_address_is_checked(address: str) -> None:
    with pytest.raises(SinkError):
        PUBLIC.check_address(ipaddress.ip_address(address))


def test_an_allowed_embedded_ipv4_address_is_allowed() -> None:
    HERE.check_address(ipaddress.ip_address("::ffff:10.1.2.3"))


def test_an_invalid_list_of_networks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.1/16"):
        parse_networks("10.1.0.1/16")
