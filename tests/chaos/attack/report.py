"""The table of an attack, and the promises that it broke."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.attack.attack import Met
from tests.chaos.attack.attackers import Turn
from tests.chaos.attack.bystanders import Bystanders, spread
from tests.chaos.attack.figures import ResourceFigures
from tests.chaos.balance import MessageBalance

LIVE_S_MAX = 1.0
"""The live delay of others stays below this."""

MEMORY_BYTES_MAX = 1 << 30
"""Of each process; under systemd a role has 2 GiB."""

# The database keeps an observation, the raw message and their indexes; it keeps old segments of its journal,
# and logs are rotated.
DISK_BYTES_EACH_MAX = 2_000
DISK_BYTES_FIXED_MAX = 2 << 30

QUARANTINE_EXCESS = 1.25
"""Beyond a limit quarantine keeps heads, until a quarter more than the limit."""

_ANSWERS_SHOWN = 8
_MIB = 1 << 20


@dataclass
class AttackResult:
    """Everything that was measured."""

    turns: list[Turn] = field(default_factory=list)
    balance: MessageBalance = field(default_factory=MessageBalance)
    quarantine: Mapping[str, int] = field(default_factory=dict)  #: of the ledger
    quarantine_bytes_max: int = 0  #: the limit in all
    interruptions: list[Any] = field(default_factory=list)  #: of sessions, of the ledger
    replaced: list[str] = field(default_factory=list)  #: processes that ended meanwhile
    errors: list[str] = field(default_factory=list)  #: unexpected errors in the logs
    failures: list[str] = field(default_factory=list)  #: of the attackers themselves


def broken_promises(result: AttackResult, others: Bystanders, figures: ResourceFigures) -> list[str]:
    """Return what the attack broke, a sentence each."""
    broken = [*result.balance.faults, *result.failures]
    for turn in result.turns:
        broken += [f"{turn.attack}: {what} ({count} times)" for what, count in turn.met.broken.items()]
    slow = [seconds for _, seconds in others.delays.seconds if seconds >= LIVE_S_MAX]
    if slow:
        broken.append(
            f"{len(slow)} of {len(others.delays.seconds)} values of others were live after "
            f"{LIVE_S_MAX:g} s or more, the last after {max(slow):.1f} s"
        )
    if not others.delays.seconds:
        broken.append("no value of others became live")
    broken += [f"{what} ({count} times)" for what, count in others.failures.items()]
    if result.interruptions:
        broken.append(f"the session of ingest was interrupted: {result.interruptions[:3]}")
    broken += [f"{name} ended and was started again, or not" for name in result.replaced]
    broken += [f"an unexpected error in a log: {line}" for line in result.errors]
    broken += [
        f"{name} took {size // _MIB} MiB of memory, more than {MEMORY_BYTES_MAX // _MIB} MiB"
        for name, size in figures.memory_max.items()
        if size > MEMORY_BYTES_MAX
    ]
    broken += _disk(result, figures)
    return broken


def _disk(result: AttackResult, figures: ResourceFigures) -> Iterator[str]:
    balance = result.balance
    messages = int(balance.ledger.get("received", 0))
    bound = DISK_BYTES_FIXED_MAX + DISK_BYTES_EACH_MAX * messages
    if figures.disk_growth > bound:
        yield f"{figures.disk_growth // _MIB} MiB were added on disk, more than {bound // _MIB} MiB"
    limit = QUARANTINE_EXCESS * result.quarantine_bytes_max
    if result.quarantine.get("bytes", 0) > limit:
        yield f"quarantine has {result.quarantine['bytes']} bytes, more than {limit:.0f}"


def report_lines(result: AttackResult, others: Bystanders, figures: ResourceFigures) -> Iterator[str]:
    """Yield the table and the figures, line by line."""
    yield "| attack | turns | what it met | live delay of others |"
    yield "|---|---:|---|---|"
    if result.turns:
        yield f"| none yet | | | {spread(others.delays.between(0, result.turns[0].begin))} |"
    for name in dict.fromkeys(turn.attack for turn in result.turns):
        turns = [turn for turn in result.turns if turn.attack == name]
        met = Met()
        delays: list[float] = []
        for turn in turns:
            met.include(turn.met)
            delays += others.delays.between(turn.begin, turn.end)
        yield f"| {name} | {len(turns)} | {_answers(met)} | {spread(delays)} |"
    yield from (f"balance: {line}" for line in result.balance.report_lines())
    yield f"observations of devices in the hands of attackers: {result.balance.of_attackers}"
    yield f"live delay of others: {spread(seconds for _, seconds in others.delays.seconds)}"
    yield f"answers for an operator: {spread(others.operator_s)}"
    yield "memory before and at most: " + ", ".join(
        f"{name} {figures.memory_first[name] // _MIB} and {size // _MIB} MiB"
        for name, size in sorted(figures.memory_max.items())
    )
    yield f"disk: {figures.disk_growth // _MIB} MiB more, " + ", ".join(
        f"{name} {(size - figures.disk_first.get(name, 0)) // _MIB}"
        for name, size in sorted(figures.disk_last.items())
        if size - figures.disk_first.get(name, 0) >= _MIB
    )
    yield (
        f"quarantine: {result.quarantine.get('bytes', 0) // _MIB} MiB of "
        f"{result.quarantine_bytes_max // _MIB}, {result.quarantine.get('headsOnly', 0)} messages without "
        f"payload, {result.quarantine.get('countedOnly', 0)} only counted"
    )


def _answers(met: Met) -> str:
    ordered = sorted(met.answers.items(), key=lambda one: -one[1])
    shown = [f"{answer} {count}" for answer, count in ordered[:_ANSWERS_SHOWN]]
    rest = sum(count for _, count in ordered[_ANSWERS_SHOWN:])
    return ", ".join([*shown, *([f"others {rest}"] if rest else [])])
