"""Under `livetwin up` each role uses the database with its own account."""

from __future__ import annotations

import psycopg
import pytest

from storage.schema.rights import RIGHTS, role_user
from tests.support.processes.running_system import RunningSystem
from tests.support.waiting import wait_until

pytestmark = pytest.mark.embedded

SESSIONS = """
    SELECT usename, application_name, rolsuper FROM pg_stat_activity JOIN pg_roles ON rolname = usename
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name LIKE 'livetwin-%'
"""


def test_each_role_uses_the_database_with_its_own_account(running_system: RunningSystem) -> None:
    def sessions() -> list[tuple[str, str, bool]]:
        with psycopg.connect(running_system.postgres) as connection:
            return list(connection.execute(SESSIONS).fetchall())

    users = {role_user(role) for role in RIGHTS}
    wait_until(lambda: users <= {user for user, _, _ in sessions()}, sessions)
    for role in RIGHTS:
        assert {user for user, name, _ in sessions() if name == f"livetwin-{role}"} <= {role_user(role)}
    assert {user for user, name, _ in sessions() if name == "livetwin-model"} <= users
