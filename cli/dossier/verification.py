"""The verification of a dossier: signature, digests, and the replay to the same decision.

Each step says what agreed, and each fault what, where, what was found, what was expected, and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.dossier.builder import TICK_GAP_MAX
from cli.dossier.dossier_reader import ReadDossier, StoredEvent, read_dossier, read_manifest
from cli.dossier.replay import ReplayResult, is_replayed, replay_dossier
from runtime.signing_key import SigningError, signer_of
from twin.alarms.messages import AlarmEvent
from twin.dossier.documents import event_document
from twin.dossier.dossier_file import MANIFEST, SIGNATURE, DossierError, check_contents, unpack
from twin.instant import format_instant, parse_instant
from twin.model.observation import Observation

LISTED_MAX = 20
"""The most faults of one kind that are printed."""

# The order and the times of log records are those of the run: a replay has its own.
_OF_THE_RUN = frozenset({"amendment", "revision", "toldTime", "command"})

_ADVICE_REPLAY = (
    "compare the versions of LiveTwin (`program` in manifest.json); if they are equal, report this dossier"
)


@dataclass(slots=True)
class Verification:
    """The result of a verification."""

    lines: list[str] = field(default_factory=list)  #: what agreed, and what was not decided
    faults: list[str] = field(default_factory=list)  #: empty: the dossier is verified

    @property
    def verified(self) -> bool:
        """Whether nothing was found that does not agree."""
        return not self.faults


def verify_dossier(data: bytes, trusted: Collection[str] | None) -> Verification:
    """Verify the bytes of a dossier; `trusted` are the thumbprints of the keys that may have signed it.

    With None every key will do: then the result says that nobody has compared the key.

    Raises DossierError or SigningError when the file is not intact, not signed by this key, or cannot be
    read: then nothing in it may be believed.
    """
    found = Verification()
    documents = unpack(data)
    for name in (MANIFEST, SIGNATURE):
        if name not in documents:
            raise DossierError(f"{name} is missing: the file is not a dossier, or only a part of one")
    signature = documents[SIGNATURE].decode("ascii", "replace")
    signer = signer_of(signature)
    if trusted is not None and signer.thumbprint not in trusted:
        expected = " or ".join(sorted(trusted))
        raise SigningError(
            f"the dossier is signed by the key {signer.thumbprint}, expected {expected}; ask the city for "
            "its keys, also for earlier ones, by another way than the one by which the file came"
        )
    signer.verify(signature, documents[MANIFEST])
    manifest = read_manifest(documents[MANIFEST])
    differences = check_contents(manifest, documents)
    if differences:
        raise DossierError(
            "the documents are not those that were signed: "
            + "; ".join(differences)
            + "; get the dossier again"
        )
    found.lines += [
        f"{'dossier':<14}{manifest['alarm']}, occurrence {manifest['occurrence']}",
        f"{'known at':<14}{manifest['at']}",
        f"{'signature':<14}good: {signer.thumbprint}",
        *_not_compared(signer.thumbprint, trusted),
        f"{'digests':<14}{len(manifest['contents'])} documents are those that were signed",
    ]
    dossier = read_dossier(documents, manifest)
    _check_replay(dossier, replay_dossier(dossier), found)
    found.lines += [f"{'left out':<14}{omission}" for omission in manifest["omissions"]]
    return found


def _not_compared(thumbprint: str, trusted: Collection[str] | None) -> list[str]:
    if trusted is not None:
        return []
    return [
        f"{'NOT COMPARED':<14}anybody can make a key: get the thumbprint of the city's key by another way "
        f"than this file, and give it with --key (this file has {thumbprint})"
    ]


def _check_replay(dossier: ReadDossier, replayed: ReplayResult, found: Verification) -> None:
    decoded = len(dossier.messages) - replayed.undecoded
    found.faults += _limited(replayed.faults)
    agreeing, faults = _compare_observations(dossier, replayed.observations)
    found.faults += _limited(faults)
    found.lines.append(
        f"{'messages':<14}{decoded} of {len(dossier.messages)} decoded again; "
        f"{agreeing} observations have the stored values"
    )
    for series, reason in dossier.input_reasons.items():
        count = len(dossier.inputs[series])
        found.lines.append(
            f"{'input':<14}{count} values of {series.name} of {series.entity} as they were stored: {reason}"
        )
    if dossier.baselines:
        found.lines.append(f"{'input':<14}the baseline as it was stored: the usual values of weeks before")
    _compare_events(dossier, replayed, found)
    found.lines.append(f"{'notified':<14}{_notified(dossier)}")


def _compare_observations(dossier: ReadDossier, decoded: Sequence[Observation]) -> tuple[int, list[str]]:
    """Return how many decoded observations have the stored values, and the faults of the others.

    An observation that a later message replaced is not the stored one, and is left out.
    """
    stored = {(one.datastream, one.phenomenon_time): one for one in dossier.observations}
    agreeing, faults = 0, []
    for one in decoded:
        datastream = dossier.model.datastreams.get(one.datastream)
        known = stored.get((one.datastream, one.phenomenon_time))
        if datastream is None or known is None or known.received_time != one.received_time:
            continue
        value = dossier.model.policy_of(datastream).calibrated(one.value, one.phenomenon_time)
        if value == known.value:
            agreeing += 1
            continue
        faults.append(
            f"observation of {datastream.sensor}, {datastream.property} at "
            f"{format_instant(one.phenomenon_time)}: the message gives {value!r}, stored is {known.value!r}; "
            + _ADVICE_REPLAY
        )
    return agreeing, faults


def _compare_events(dossier: ReadDossier, replayed: ReplayResult, found: Verification) -> None:
    """Compare the events that the replay decides about, in order."""
    end = dossier.span[1]
    expected = [one for one in dossier.events if is_replayed(one) and one.event.told_time <= end]
    others = [one for one in dossier.events if one not in expected]
    # What the messages of the last seconds cause was told after the instant of the dossier.
    at = parse_instant(dossier.manifest["at"]) - TICK_GAP_MAX
    events = [
        one for number, one in enumerate(replayed.events) if number < len(expected) or one.told_time < at
    ]
    faults: list[str] = []
    for number, stored in enumerate(expected, 1):
        title = _title(number, stored.event)
        if not events:
            faults.append(f"{title}: the replay does not give it; {_why(replayed, stored)}")
            continue
        event = events.pop(0)
        differences = list(_differences(stored.document, event_document(event)))
        if not differences:
            found.lines.append(f"{'agrees':<14}{title}")
            continue
        faults.append(f"{title}: " + "; ".join(differences) + f"; {_ADVICE_REPLAY}")
    faults += [
        f"{_title(len(expected) + number, event)}: the replay gives it, the dossier does not have it; "
        "it may have been made before this was stored: get it again for the same instant"
        for number, event in enumerate(events, 1)
    ]
    found.faults += _limited(faults)
    for stored in others:
        reason = "it is later than the messages in this dossier" if is_replayed(stored) else _reason(stored)
        found.lines.append(f"{'as stored':<14}{_title(0, stored.event)}: {reason}")


def _reason(stored: StoredEvent) -> str:
    """Return why the replay does not decide about an event."""
    if stored.amendment:
        return "it was added to the past from stored history"
    if stored.event.kind in ("suppressed", "unsuppressed"):
        return f"by {stored.event.suppressed_by or 'the end of its cause'}, which is not in this dossier"
    return stored.event.text or "it follows from a change of the rules"


def _why(replayed: ReplayResult, stored: StoredEvent) -> str:
    refusal = next((one.refusal for one in replayed.refusals if one.command == stored.event.command), "")
    return f"the command is refused: {refusal}" if refusal and stored.event.command else _ADVICE_REPLAY


def _title(number: int, event: AlarmEvent) -> str:
    prefix = f"{number}. " if number else ""
    actor = f" by {event.actor}" if event.actor else ""
    return (
        f"{prefix}{event.kind} at {format_instant(event.time)}{actor}, {event.severity.word}, {event.state}"
    )


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield how an event of the replay differs from the stored one."""
    for name, value in expected.items():
        if not path and name in _OF_THE_RUN:
            continue
        other = found.get(name)
        if value == other:
            continue
        if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
            for index, (one, another) in enumerate(zip(value, other, strict=True)):
                if isinstance(one, dict) and isinstance(another, dict):
                    yield from _differences(one, another, f"{path}{name}[{index}].")
            continue
        yield f"{path}{name} is {other!r} in the replay, {value!r} in the dossier"


def _notified(dossier: ReadDossier) -> str:
    """Return who was told, as the dossier has it: nothing decides about it again."""
    sent = [one for one in dossier.notifications if one["outcome"] == "sent"]
    if not dossier.notifications:
        return "nobody, as far as is stored"
    people = sorted({str(one["contactName"]) for one in sent})
    tries = len({one["notification"] for one in dossier.notifications})
    first = min((str(one["time"]) for one in sent), default="")
    who = f"{', '.join(people)}; first at {first}" if sent else "none of them was delivered"
    return f"{tries} messages, as they were stored: {who}"


def _limited(faults: Sequence[str]) -> list[str]:
    rest = len(faults) - LISTED_MAX
    return [*faults[:LISTED_MAX], *([f"and {rest} more of this kind"] if rest > 0 else [])]
