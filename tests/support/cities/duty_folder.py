"""The small city with a duty plan, as a folder of files."""

from __future__ import annotations

from pathlib import Path

from tests.support.cities.city_folders import write_city_folder
from tests.support.cities.rosters import WEEKS, calendar_text

ROUTES = """\
channels:
  - {id: log, url: "livetwin://log"}
  - {id: mail, url: "mailtos://${MAIL_USER}:${MAIL_PASSWORD}@mail.example.org?to={address}"}
contacts:
  - id: water
    name: Duty officer water
    addresses: {mail: "${WATER_MAIL}"}
  - {id: roads, name: Duty officer roads and air, language: en, addresses: {mail: roads@example.org}}
  - {id: lead, name: Team lead operations}
teams:
  - {id: operations, name: Operations, members: [water, roads], roster: roster-operations.ics}
  - {id: leads, name: Leads, members: [lead]}
policies:
  - id: urgent
    groupWait: PT10S
    repeat: 2
    steps:
      - {notify: on-call, channels: [mail, log], wait: PT5M}
      - {notify: contact, contact: lead, channels: [log]}
  - {id: calm, remind: PT0S, groupInterval: PT1H, steps: [{notify: team, channels: [log], wait: PT1H}]}
quietHours:
  - {upTo: warning, times: [{days: [fri, sun], from: "22:30", until: "07:00"}, {days: [sat]}]}
routes:
  - {severities: [major, critical], themes: [water], within: [delta.quay], team: operations, policy: urgent}
  - {causes: [flood], team: operations, policy: urgent}
  - {team: leads, policy: calm}
watchdog: {channel: mail, address: "${WATCHDOG_MAIL}"}
"""

ROSTER = calendar_text(*WEEKS)


def write_duty_folder(folder: Path, routes: str = ROUTES, roster: str | None = ROSTER) -> Path:
    """Write the small city with its duty plan; None omits the roster's file."""
    write_city_folder(folder)
    (folder / "routes.yaml").write_text(routes, encoding="utf-8")
    if roster is not None:
        (folder / "roster-operations.ics").write_bytes(roster.encode())
    return folder
