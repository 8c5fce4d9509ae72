"""Stores rules in the database, and reads their earlier versions."""

from __future__ import annotations

from psycopg.rows import dict_row

from storage.database import Connection
from storage.model.content_version import RuleVersion
from storage.model.version_table import VersionTable
from storage.queries import query
from twin.alarms.rules.rule import Rule, decode_rule, encode_rule

RULES = VersionTable[Rule](
    noun="rule",
    audit_kind="rule",
    encode=encode_rule,
    decode=decode_rule,
    list_query="model/list_rules",
    insert_query="model/insert_rule_version",
    digest_query="model/update_rule_digest",
)


async def read_versions_of(connection: Connection, id: str, before: int, limit: int) -> list[RuleVersion]:
    """Return versions of a rule before version `before`, newest first.

    Raises ServiceError when one cannot be decoded.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("model/list_rule_versions"), {"id": id, "before": before, "limit": limit})
        return [RULES.version_of(row) for row in await cursor.fetchall()]
