"""Signing in from the page at a real OpenID provider, in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import expect

from cli.embedded.ports import free_port
from tests.e2e.page.browser import WAIT_MS, Chromium
from tests.support.processes.running_system import RunningSystem
from tests.support.services.openid_provider import ALGORITHM, AUDIENCE, openid_provider, signing_key
from tests.support.services.service_folder import make_service_folder

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

PAGE = "livetwin-page"


@pytest.fixture
def system_with_issuer() -> Iterator[RunningSystem]:
    """Yield a system whose operators sign in at an issuer that runs beside it."""
    http, provider = free_port(), free_port()
    home = f"http://127.0.0.1:{http}/"
    issuer = {
        "id": "sso",
        "issuer": f"http://127.0.0.1:{provider}",
        "audience": AUDIENCE,
        "algorithms": [ALGORITHM],
        "clients": [PAGE],
        "rolesClaim": "groups",
        "nameClaim": "sub",
        "roles": {"twin-operator": "operator"},
        "page": {"clientId": PAGE, "scopes": ["openid", "twin"], "resource": AUDIENCE, "name": "City login"},
    }
    pages = {PAGE: {"redirectUri": home, "claims": {"groups": ["twin-operator"]}}}
    environment = {"LIVETWIN_BASE_URL": home, "LIVETWIN_OIDC": json.dumps([issuer])}
    folder = make_service_folder()
    system = RunningSystem(folder, "--no-simulate", f"--port={http}", environment=environment)
    try:
        # In a thread: a browser that is open allows no event loop in this one.
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(openid_provider(provider, [signing_key("a")], {}, pages)),
        ):
            system.wait_ready()
            yield system
            assert system.stop() == 0, system.output
    finally:
        system.kill()
        shutil.rmtree(folder)


def test_an_operator_signs_in_at_the_issuer_and_is_back_where_it_began(
    system_with_issuer: RunningSystem, chromium: Chromium
) -> None:
    system = system_with_issuer
    with chromium.opened(f"{system.http}/?view=work&part=duty") as opened:
        page = opened.page
        opened.wait_until_live(with_map=False)
        duty = page.locator("section[data-part=duty]")
        expect(duty).to_contain_text("Sign in to see the roster.")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="City login").click()
        who = page.get_by_test_id("signed-in")
        expect(who).to_contain_text("j.devries (sso)", timeout=WAIT_MS)
        expect(who).to_contain_text("operator")
        # The code of the issuer is not in the address, which is what it was.
        expect(page).to_have_url(re.compile(r"/\?view=work&part=duty$"))
        expect(duty).not_to_contain_text("Sign in to see the roster.")
        opened.keep_picture("signed-in-at-issuer")
        page.get_by_role("button", name="Sign out").click()
        expect(duty).to_contain_text("Sign in to see the roster.")
