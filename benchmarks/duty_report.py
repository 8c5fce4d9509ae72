"""A run of the case `duty` as a table for a person, and as JSON for a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.duty_run import DutyRun

SCHEMA = 1

_MIB = 1 << 20


def lines(run: DutyRun) -> Iterator[str]:
    """Yield the report, line by line."""
    machine, balance = run.machine, run.balance
    yield ""
    yield (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memoryBytes'] / (1 << 30):.0f} GiB, "
        f"{machine['fileSystem']}, {machine['system']}, Python {machine['python']}; "
        f"load {machine['loadBefore']} before, other programs used {run.other_cores:.2f} cores meanwhile"
    )
    yield ""
    for name, value in (
        ("rate", f"{run.rate}/s of {run.options.rate}/s for {run.options.seconds} s"),
        ("alarms raised", balance.raised),
        ("lost", balance.lost),
        ("duplicates", balance.duplicates),
        ("unasked", balance.unasked),
        ("recoveries told", balance.recoveries),
        ("tries made again", balance.again),
    ):
        yield f"{name:<22}{value}"
    yield ""
    yield f"{'milliseconds':<22}{'count':>7}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}"
    for name, one in (
        ("publish to decision", run.decided),
        ("publish to sending", run.sending),
        ("publish to receiver", run.latency),
        ("sent later than due", run.late),
    ):
        yield f"{name:<22}{one.count:>7}{one.p50:>9}{one.p90:>9}{one.p99:>9}{one.max:>9}"
    yield "slowest: " + ", ".join(f"{id} {ms:g}" for ms, id in run.slowest)
    yield ""
    yield f"{'process':<22}{'cores':>8}{'peak MiB':>10}"
    for name, used in run.usage.items():
        yield f"{name:<22}{used.cpu_s / run.usage_s:>8.2f}{used.memory_bytes_max / _MIB:>10.0f}"
    yield ""
    if run.rate < 0.99 * run.options.rate:
        yield "WARNING: the rate asked for was not reached."
    if run.restarted:
        yield f"WARNING: restarted during the run: {', '.join(run.restarted)}."
    yield f"WRONG: {'; '.join(balance.faults)}." if balance.faults else "Everything was told, and once."


def document(run: DutyRun) -> dict[str, Any]:
    """Return the run as JSON holds it."""
    return {
        "schema": SCHEMA,
        "machine": run.machine,
        "asked": {"rate": run.options.rate, "seconds": run.options.seconds},
        "rate": run.rate,
        "balance": asdict(run.balance),
        "faults": run.balance.faults,
        "latencyMs": asdict(run.latency),
        "decidedMs": asdict(run.decided),
        "sendingMs": asdict(run.sending),
        "lateMs": asdict(run.late),
        "slowestMs": run.slowest,
        "processes": {
            name: {
                "cpuS": round(one.cpu_s, 2),
                "cores": round(one.cpu_s / run.usage_s, 3),
                "memoryBytesMax": one.memory_bytes_max,
            }
            for name, one in run.usage.items()
        },
        "otherCores": run.other_cores,
        "restarted": run.restarted,
    }
