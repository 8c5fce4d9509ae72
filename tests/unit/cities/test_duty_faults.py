"""Faults in routes.yaml and in rosters are reported at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from cities.folder_reader import read_city
from tests.support.cities.city_folders import ROUTES, faults_of, write_city_folder, write_duty_folder
from tests.support.cities.rosters import WEEKS, ZONE, calendar_text
from twin.model.duty import PUSH_URL

# What stands in routes.yaml, what stands there instead, line of the fault, part of its text.
CASES = [
    ("watchdog:", "watchdogs:", 27, "unknown key (did you mean watchdog?)"),
    ("watchdog:", "storm: {messages: 101}\nwatchdog:", 27, "storm: messages: found 101, expected at"),
    ("watchdog:", "storm: {digest: PT1S}\nwatchdog:", 27, "storm: digest: found 'PT1S', expected PT5S"),
    ("watchdog:", "storm: {group: town}\nwatchdog:", 27, "storm: group: found 'town', expected one of 'inci"),
    ("quietHours:", "quiethours:", 21, "quiethours: unknown key (did you mean quietHours?)"),
    ("members: [water, roads]", "members: [water, road]", 11, "teams[0] operations: "
     "members[1]: found 'road', expected the id of a contact of this city (did you mean roads?)"),
    ("team: leads", "team: lead", 26, "team: found 'lead', expected the id of a team"),
    ("policy: calm", "policy: clam", 26, "found 'clam', expected the id of a policy"),
    ("channels: [mail, log]", "channels: [sms, log]", 18, "steps[0].channels[0]: found 'sms', expected"),
    ("{mail: roads@", "{sms: 1, mail: roads@", 8, "addresses.sms: found 'sms', expected the id of a channel"),
    ("watchdog: {channel: mail", "watchdog: {channel: post", 27, "watchdog: channel: found 'post', expected"),
    (', address: "${WATCHDOG_MAIL}"', "", 27, "address: key is missing: this channel needs an address"),
    ("delta.quay", "delta.kay", 24, "within[0]: found 'delta.kay', expected the id of an entity"),
    ("themes: [water]", "themes: [wader]", 24, "themes[0]: found 'wader', expected one of 'environ"),
    ("severities: [major,", "severities: [mayor,", 24, "(did you mean major?)"),
    ("upTo: warning", "upTo: cleared", 22, "upTo: found 'cleared', expected one of 'warning', 'minor'"),
    ('from: "22:30"', "from: 22:30", 22, "times[0].from: found 1350, expected a local time of day in quotes"),
    ('from: "22:30"', 'from: "24:30"', 22, "from: found '24:30', expected a local time of day in quotes"),
    ("contact: lead, ", "", 19, "steps[1].contact: key is missing"),
    ("notify: team,", "notify: team, contact: lead,", 20, "expected it with notify: contact only"),
    ("members: [lead]}", "members: [lead], handOver: {channels: [mail]}}", 12,
     "handOver.channels[0]: notifies 'lead' over 'mail', expected an address there"),
    ("members: [lead]}", "members: [lead], handOver: {channels: [post]}}", 12,
     "handOver.channels[0]: found 'post', expected the id of a channel"),
    ("members: [lead]}", "members: [lead], handOver: {channels: []}}", 12, "handOver.channels: "),
    ("members: [lead]}", 'members: [lead], rosterUrl: "http://calendar.example.org/x"}', 12,
     "rosterUrl: found the scheme 'http', expected https"),
    ("members: [lead]}", 'members: [lead], rosterUrl: "${leads}"}', 12, "brace that is not a secret's name"),
    ("members: [lead]}", "members: [lead], rosterUrl: leads.ics}", 12, "rosterUrl: expected a URL with a"),
    ("contact: lead, channels: [log]", "contact: lead, channels: [mail]", 19,
     "steps[1].channels[0]: notifies 'lead' over 'mail', expected an address there"),
    ('addresses: {mail: "${WATER_MAIL}"}', "language: en", 18, "notifies 'water' over 'mail', expected"),
    ("name: Team lead operations", 'name: "Lead\\nBcc: x"', 9, "found 'Lead\\nBcc: x', expected one"),
    ("mail: roads@example.org", 'mail: "roads@example.org\\r\\nBcc: x"', 8, "expected one line"),
    (', address: "${WATCHDOG_MAIL}"', ', address: "a\\nb"', 27, "found 'a\\nb', expected one"),
    ("${MAIL_PASSWORD}", "${MAIL_PASSWORD}\\n", 3, "url: has the control character U+000A, expected none"),
    ("repeat: 2", "repeat: 21", 16, "repeat: found 21, expected at most 20"),
    ("steps: [{notify: team, channels: [log], wait: PT1H}]", "steps: []", 20, "steps: found a list of 0"),
    ("wait: PT1H}", "wait: P1D}, {notify: team, channels: [log], wait: P1D}", 20,
     "repeat: found 3, with which the steps take P8D, expected at most P7D"),
    ("wait: PT5M", "wait: PT1S", 18, "wait: found 'PT1S', expected PT10S to P1D"),
    ("remind: PT0S", "remind: PT1S", 20, "remind: found 'PT1S', expected PT5M to P7D, or PT0S for never"),
    ("- {causes: [flood], ", "- {", 26, "never matches: the route in line 25 matches everything"),
    ("id: roads, name: Duty officer roads and air", "id: roads, name: duty officer water", 8,
     "name: name is used twice: first in line 5"),
    ("{id: lead,", "{id: water,", 9, "id: id is used twice: first in line 5"),
    ("roster: roster-operations.ics", "roster: ../roster.ics", 11, "expected the name of a file"),
    ("livetwin://log", "livetwin://nowhere", 2, "expected livetwin://log or livetwin://push: there is no"),
    ("livetwin://log", "https://example.org/hook", 2, "found the scheme 'https', expected one that ap"),
    ("livetwin://log", "mailtoo://example.org", 2, "expected one that apprise knows (did you mean mailto?)"),
    ("livetwin://log", "log", 2, "found no scheme, expected an apprise URL"),
    ("${MAIL_PASSWORD}", "hunter2", 3, "url: holds a secret in clear (password), expected its name, such as "
     "${MAILTOS_PASSWORD}"),
    ("livetwin://log", "tgram://123456789:abcdefg/5", 2, "holds a secret in clear (bot_token)"),
    ("livetwin://log", "json://example.org?+Authorization=abc", 2, "holds a secret in clear (Authorization)"),
    ("livetwin://log", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", 2, "holds a secret in clear"),
    ("${MAIL_PASSWORD}", "${LIVETWIN_LINK_KEY}", 3, "nor a secret's name such as ${MAIL_PASSWORD}"),
    ("${MAIL_PASSWORD}", "${mail_password}", 3, "nor a secret's name such as ${MAIL_PASSWORD}"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[one[3][:50] for one in CASES])
def test_a_fault_has_its_place(tmp_path: Path, case: tuple[str, str, int, str]) -> None:
    old, new, line, text = case
    assert old in ROUTES
    folder = write_duty_folder(tmp_path, ROUTES.replace(old, new, 1))
    matching = [fault for fault in faults_of(folder) if text in str(fault)]
    assert len(matching) == 1, "\n".join(map(str, faults_of(folder)))
    assert (matching[0].file, matching[0].line) == (str(folder / "routes.yaml"), line)


def test_a_secret_that_is_refused_is_not_repeated(tmp_path: Path) -> None:
    for secret in ("hunter2", "$hunter2", "{hunter2}"):
        folder = write_duty_folder(tmp_path, ROUTES.replace("${MAIL_PASSWORD}", secret))
        assert "hunter2" not in "\n".join(map(str, faults_of(folder)))


def test_a_channel_to_browsers_is_for_contacts_and_not_for_the_watchdog(tmp_path: Path) -> None:
    routes = ROUTES.replace("livetwin://log", "livetwin://push")
    assert read_city(write_duty_folder(tmp_path, routes)).duty.channels[0].url == PUSH_URL
    [fault] = faults_of(
        write_duty_folder(tmp_path, routes.replace("watchdog: {channel: mail", "watchdog: {channel: log"))
    )
    assert "watchdog: channel: found a channel to livetwin://push, which reaches contacts only" in str(fault)


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    routes = (
        ROUTES.replace("log, url", "log, urls")
        .replace("team: leads", "team: x")
        .replace("repeat: 2", "repeat: 99")
    )
    folder = write_duty_folder(tmp_path, routes, roster="nothing")
    (folder / "sensors.yaml").write_text("sensors: [1]\n")
    lines = {(Path(one.file).name, one.line) for one in faults_of(folder)}
    assert {("routes.yaml", 2), ("routes.yaml", 26), ("routes.yaml", 16), ("sensors.yaml", 1)} <= lines
    assert ("roster-operations.ics", 1) in lines


WEBHOOK = """\
      url: "https://api.provider.example/${ACCOUNT}/{id}?key=${SMS_KEY}"
      headers: {Authorization: "Bearer ${SMS_TOKEN}"}
      body: {to: ["{address}"], text: "{text}", parts: 2}
"""

# What stands in the template, what stands there instead, part of the fault.
WEBHOOK_CASES = [
    ("https://", "http://", "url: found the scheme 'http', expected https"),
    ("https://api", "https://me:hunter2@api", "url: expected a URL without user, password and fragment"),
    ("provider.example/", "provider.example:hunter2/", "url: expected a URL such as https://example.org/hook"),
    ("https://api.", "https://{address}.", "url: has a field in its host, expected the same host for every"),
    ("${SMS_KEY}", "hunter2", "url: holds a secret in clear, expected its name, such as ${SMS_TOKEN}"),
    ("Bearer ${SMS_TOKEN}", "Bearer hunter2", "headers.Authorization: holds a secret in clear"),
    ("Bearer ${SMS_TOKEN}", "hunter2 {id}", "headers.Authorization: holds a secret in clear"),
    ("Bearer ${SMS_TOKEN}", "$hunter2", "headers.Authorization: has a $ or brace that is none of {address}"),
    ("Bearer ${SMS_TOKEN}", "${LIVETWIN_LINK_KEY}", "headers.Authorization: names a setting of a role"),
    ("Bearer ${SMS_TOKEN}", "${SMS_TOKEN}\\r\\nX: 1", "Authorization: has the control character U+000D"),
    ("Authorization:", "Transfer-Encoding:", "Transfer-Encoding: found in the template, exp"),
    ("Authorization:", '"X Y":', "headers: has a name that is no name of a header"),
    ("Authorization:", 'X-Title: "{title}", Authorization:', "headers.X-Title: has a field with free text"),
    ("parts: 2", "password: hunter2", "body.password: holds a secret in clear"),
    ("parts: 2", 'more: {secrets: ["hunter2"]}', "body.more.secrets: holds a secret in clear"),
    ("parts: 2", 'more: ["{hunter2}"]', "body.more: has a $ or brace that is none of {address}"),
    ('"{text}"', '"hello"', "has no {text}: a message would say nothing"),
    ("parts: 2}", "parts: 2}\n      method: GET", "body: found one, expected none with method: GET"),
    ("parts: 2}", "parts: 2}\n      format: form", "body: has a list or mapping, expected texts and numbers"),
    ("parts: 2}", "parts: 2}\n      characters: 39", "webhook.characters: found 39, expected at least 40"),
    ("parts: 2}", "parts: 2}\n      replies: true", "found 160, expected at least 200 with replies"),
    ("parts: 2}", "parts: 2}\n      replies: true\n      text: voice", "replies: found with text: voice"),
    ('to: ["{address}"], text: "{text}", parts: 2}', 'text: "{text}"}\n      replies: true',
     "replies: expected {address} in the template"),
    ("parts: 2}", "parts: 2}\n      method: DELETE", "webhook.method: found 'DELETE', expected one of"),
    ("parts: 2}", "parts: 2}\n    url: livetwin://log", "expected one of the keys url and webhook"),
]  # fmt: skip


def with_webhook(template: str) -> str:
    return ROUTES.replace("channels:\n", f"channels:\n  - id: sms\n    webhook:\n{template}", 1)


@pytest.mark.parametrize("case", WEBHOOK_CASES, ids=[one[2][:50] for one in WEBHOOK_CASES])
def test_a_fault_of_a_template_names_its_part_and_repeats_no_secret(
    tmp_path: Path, case: tuple[str, str, str]
) -> None:
    old, new, text = case
    assert old in WEBHOOK
    faults = faults_of(write_duty_folder(tmp_path, with_webhook(WEBHOOK.replace(old, new, 1))))
    assert any(text in str(fault) for fault in faults), "\n".join(map(str, faults))
    assert "hunter2" not in "\n".join(map(str, faults))


def test_a_template_without_faults_has_none(tmp_path: Path) -> None:
    folder = write_duty_folder(tmp_path, with_webhook(WEBHOOK))
    assert read_city(folder).duty.channels[0].webhook is not None


START, END = f"DTSTART;{ZONE}:20260105T080000", f"DTEND;{ZONE}:20260106T080000"
GOOD = ("UID:1", START, END, "SUMMARY:water")


def event(**changed: str) -> str:
    """Return a calendar of one event with changed lines; line 5 begins the event."""
    lines = {"uid": GOOD[0], "start": GOOD[1], "end": GOOD[2], "who": GOOD[3], **changed}
    return calendar_text(tuple(line for line in lines.values() if line))


ROSTER_CASES = [
    ("", 1, "found no iCalendar (RFC 5545)"),
    ("routes: []\n", 1, "found no iCalendar (RFC 5545)"),
    (calendar_text(GOOD).replace("END:VCALENDAR\r\n", ""), 1, "found no iCalendar (RFC 5545)"),
    (calendar_text(GOOD) * 2, 1, "found no iCalendar (RFC 5545)"),
    (event(uid=""), 4, "UID is missing"),
    (event(start=""), 4, "DTSTART is missing"),
    (event(end=""), 4, "DTEND is missing: a shift has an end"),
    (event(start="DTSTART:tomorrow"), 4, "DTSTART: "),
    (event(start=f"{START}\r\n{START}"), 4, "DTSTART: found it more than once"),
    (event(start="DTSTART:20260105T080000", end="DTEND:20260106T080000"), 4, "found no known time zone"),
    (event(start="DTSTART;VALUE=DATE:20260105", end=""), 4, "found no known time zone"),
    (event(start="DTSTART;TZID=Mars:20260105T080000", end="DURATION:P1D"), 4, "found no known time zone"),
    (event(end="DTEND:20260106T080000"), 4, "DTEND: expected it written as DTSTART is"),
    (event(end=f"DTEND;{ZONE}:20260105T080000"), 4, "expected later than DTSTART"),
    (event(end=f"{END}\r\nDURATION:P1D"), 4, "found DTEND and DURATION, expected one of them"),
    (event(start=f"DTSTART;{ZONE}:19000105T080000"), 4, "found the year 1900, expected 1970 or later"),
    (event(rule="RRULE:FREQ=FORTNIGHTLY"), 4, "RRULE: "),
    (event(rule="RRULE:FREQ=HOURLY"), 4, "RRULE: found FREQ=HOURLY, expected one of DAILY, WEEKLY"),
    (event(rule="RRULE:FREQ=DAILY;INTERVAL=0"), 4, "RRULE: found an INTERVAL below 1"),
    (event(rule="RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), 4, "RRULE: found no repetition within 8 years"),
    (event(rule="RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0"), 1, "found events that cannot be repeated"),
    (event(start="DTSTART;VALUE=PERIOD:20260105T080000Z/P1D"), 4, "DTSTART: found another kind"),
    (event(start="DTSTART;VALUE=TIME:080000"), 4, "DTSTART: found another kind"),
    (event(end="DURATION;VALUE=DATE:20260101"), 4, "expected a duration such as PT12H"),
    (event(start="DTSTART:99991231T000000Z", end="DURATION:P30D"), 1, "found events that cannot be repeated"),
    (event(rule="RRULE:FREQ=DAILY;BYMINUTE=1,2,3"), 4, "found BYMINUTE, expected at most one shift a day"),
    (event(who="SUMMARY:Anybody"), 4, "names 'Anybody', expected a member of the team"),
    (event(who="ATTENDEE:mailto:nobody@example.org"), 4, "names 'nobody@example.org', expected a member"),
    (event(who="SUMMARY:Team lead operations"), 4, "names 'Team lead operations', expected a member"),
    (event(who=""), 4, "names nobody: expected ATTENDEE or SUMMARY"),
    (calendar_text(GOOD, head=("X-WR-TIMEZONE:Mars",)), 1, "X-WR-TIMEZONE: found 'Mars', expected an IANA"),
    (calendar_text(*[GOOD] * 1001), 1, "found 1001 events, expected at most 1000"),
    (calendar_text(*WEEKS, (*GOOD[:3], "SUMMARY:x")), 20, "names 'x', expected a member of the team"),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", ROSTER_CASES, ids=[f"{one[2][:40]}-{n}" for n, one in enumerate(ROSTER_CASES)]
)
def test_a_fault_in_a_roster_has_the_line_of_its_event(tmp_path: Path, case: tuple[str, int, str]) -> None:
    text, line, message = case
    folder = write_duty_folder(tmp_path, roster=text)
    matching = [fault for fault in faults_of(folder) if message in str(fault)]
    assert len(matching) == 1, "\n".join(map(str, faults_of(folder)))
    assert (matching[0].file, matching[0].line) == (str(folder / "roster-operations.ics"), line)


def test_a_missing_roster_is_a_fault_of_the_team(tmp_path: Path) -> None:
    folder = write_duty_folder(tmp_path, roster=None)
    (fault,) = faults_of(folder)
    assert (fault.line, fault.message) == (
        11, "roster: found no file roster-operations.ics, expected it beside routes.yaml"
    )  # fmt: skip


def test_a_roster_without_a_team_is_a_fault(tmp_path: Path) -> None:
    folder = write_duty_folder(tmp_path)
    (folder / "roster-old.ics").write_text("")
    assert [fault.message for fault in faults_of(folder)] == ["no team of routes.yaml has this roster"]


def test_a_plan_that_is_no_mapping_is_a_fault(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path)
    (folder / "routes.yaml").write_text("- 1\n")
    assert "found a list of 1, expected a mapping with the keys channels, contacts" in str(
        faults_of(folder)[0]
    )
