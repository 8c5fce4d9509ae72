"""Follows the rosters that the duty plan names by URL: what is new and valid becomes part of the city model.

The last valid copy stays in use for as long as its source is away or invalid. It is in the database, and with
the model in the copy on each role's disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from alerting.delivery.channel_secrets import ChannelSecrets, MissingSecretError
from alerting.metrics import AlertingMetrics
from alerting.rosters.roster_download import DownloadError, RosterDownload
from cities.duty.roster_calendar import calendar_faults, without_stamps
from runtime.clock import Clock
from runtime.secret_files import SecretFileError
from runtime.sink_address import SinkRules
from storage.database import DATABASE_UNAVAILABLE, connect
from storage.model.fetched_rosters import read_fetched_rosters, store_fetched_roster
from twin.instant import SECOND, Instant
from twin.model.city_model import CityModel
from twin.model.duty import Contact, DutyTeam

log = logging.getLogger(__name__)

DETAIL_CHARACTERS_MAX = 300

_FAILED = "failed"
_INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterOptions:
    """How rosters are followed."""

    database: str
    rules: SinkRules
    interval_s: float


class RosterFollower:
    """Owned by one task, which runs `run`; `on_model` is called from the same loop."""

    def __init__(
        self,
        options: RosterOptions,
        model: CityModel,
        secrets: ChannelSecrets,
        *,
        clock: Clock,
        metrics: AlertingMetrics,
    ) -> None:
        self._options = options
        self._model = model
        self._secrets = secrets
        self._clock = clock
        self._metrics = metrics
        self._has_other_urls = asyncio.Event()
        self._checked: dict[str, Instant] = {}  #: when a team's roster was last downloaded and valid
        self._failures: dict[str, str] = {}  #: why a team's roster is not followed now

    def on_model(self, model: CityModel) -> None:
        """Continue with another model."""
        if _sources(model) != _sources(self._model):
            self._has_other_urls.set()
        self._model = model

    async def run(self) -> None:
        """Download each roster in turn, and again after the interval, until cancelled."""
        await self._read_checked()
        async with RosterDownload(self._options.rules) as download:
            while True:
                self._has_other_urls.clear()
                for team in [one for one in self._model.duty.teams if one.calendar_url]:
                    try:
                        await self.check(team, download)
                    except Exception as error:  # whatever a roster contains must not end the duty loop
                        self._on_failure(team, _FAILED, f"unexpected error: {type(error).__name__}")
                self._publish_ages()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._options.interval_s):
                        await self._has_other_urls.wait()

    async def check(self, team: DutyTeam, download: RosterDownload) -> None:
        """Download the roster of a team, and store it if it is valid; a failure is logged when it begins."""
        try:
            text = await download.fetch(self._secrets.fill(team.calendar_url))
        except MissingSecretError as error:
            self._on_failure(team, _FAILED, f"it needs the environment variable {error}, which is not set")
            return
        except (DownloadError, SecretFileError) as error:
            self._on_failure(team, _FAILED, self._secrets.redact(str(error), team.calendar_url))
            return
        contacts = [one for one in self._model.duty.contacts if one.id in team.members]
        if fault := await asyncio.to_thread(roster_fault, text, contacts):
            self._on_failure(team, _INVALID, fault)
            return
        now = self._clock()
        known = next((one.calendar for one in self._model.duty.rosters if one.team == team.id), "")
        if without_stamps(text) == without_stamps(known):
            text = known
        try:
            async with await connect(self._options.database, role="alerting") as connection:
                is_new = await store_fetched_roster(connection, self._model.city.id, team.id, text, now)
        except DATABASE_UNAVAILABLE as error:
            self._on_failure(team, _FAILED, f"it cannot be stored: {error}")
            return
        self._checked[team.id] = now
        self._metrics.rosters.checks.labels("valid").inc()
        if self._failures.pop(team.id, None) is not None or is_new:
            log.info(
                "the roster of team %s is %s",
                team.id,
                "another one" if is_new else "followed again",
                extra={"event": "alerting.roster", "team": team.id, "new": is_new},
            )

    def _on_failure(self, team: DutyTeam, outcome: str, detail: str) -> None:
        self._metrics.rosters.checks.labels(outcome).inc()
        if self._failures.get(team.id) != detail:
            self._failures[team.id] = detail
            log.error(
                "the roster of team %s cannot be followed, its last valid copy stays in use: %s",
                team.id,
                detail,
                extra={"event": "alerting.roster_failed", "team": team.id, "outcome": outcome},
            )

    async def _read_checked(self) -> None:
        """Read when each copy was last the same as its source; without the database count from now."""
        now = self._clock()
        with suppress(*DATABASE_UNAVAILABLE):
            async with await connect(self._options.database, role="alerting") as connection:
                stored = await read_fetched_rosters(connection)
            self._checked = {one.roster.team: min(one.checked, now) for one in stored}

    def _publish_ages(self) -> None:
        now = self._clock()
        self._metrics.rosters.age.clear()
        for team in self._model.duty.teams:
            if team.calendar_url:
                checked = self._checked.setdefault(team.id, now)
                self._metrics.rosters.age.labels(team.id).set((now - checked) / SECOND)


def roster_fault(text: str, contacts: Iterable[Contact]) -> str:
    """Return the first fault of a downloaded roster of these members; empty when it is valid."""
    faults = calendar_faults(text, contacts)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return f"line {faults[0].line}: {faults[0].message[:DETAIL_CHARACTERS_MAX]}{more}"
    if "BEGIN:VEVENT" not in text.upper():
        return "found no event, expected shifts: an empty calendar would leave nobody on call"
    return ""


def _sources(model: CityModel) -> dict[str, str]:
    return {team.id: team.calendar_url for team in model.duty.teams if team.calendar_url}
