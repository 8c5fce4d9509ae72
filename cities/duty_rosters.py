"""The roster files of a city folder: read as they are, and every fault in them told with its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cities.duty.roster_calendar import CALENDAR_BYTES_MAX, calendar_faults
from cities.duty.schema import TeamItem
from cities.files.faults import CityFault
from cities.files.items import Items
from twin.model.duty import Contact


def read_rosters(
    folder: Path, teams: Items[TeamItem], contacts: Iterable[Contact], faults: list[CityFault]
) -> Mapping[str, str]:
    """Return the text of each file that a team names; add to `faults` what is wrong with the files."""
    known = tuple(contacts)
    texts: dict[str, str] = {}
    for item, location in teams.placed:
        if item.roster is None or item.roster in texts:
            continue
        path = folder / item.roster
        if not path.is_file():
            teams.add_fault(
                (*location, "roster"), f"found no file {item.roster}, expected it beside routes.yaml"
            )
            continue
        text, wrong = _text(path)
        texts[item.roster] = text
        wrong += [CityFault(str(path), one.line, "", one.message) for one in calendar_faults(text, known)]
        # Of a file that cannot be read, the first fault is the one that says why.
        faults.extend(wrong[:1] if not text else wrong)
    named = {one.get("roster") for one, _ in teams.entries}
    for path in sorted(folder.glob("roster*.ics")):
        if path.name not in named:
            faults.append(CityFault(str(path), 1, "", "no team of routes.yaml has this roster"))
    return texts


def _text(path: Path) -> tuple[str, list[CityFault]]:
    """Return the text with its own line ends, so that it is written back as it was."""
    try:
        if path.stat().st_size > CALENDAR_BYTES_MAX:
            message = f"file is too large: expected at most {CALENDAR_BYTES_MAX} bytes"
            return "", [CityFault(str(path), 1, "", message)]
        return path.read_bytes().decode("utf-8-sig"), []
    except OSError as error:
        return "", [CityFault(str(path), 1, "", f"file cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return "", [CityFault(str(path), 1, "", "text is not UTF-8")]
