"""A run as a table for people, and as JSON for comparisons."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.measure.completeness import SinkCompleteness
from benchmarks.measure.end_to_end import EndToEndRun
from benchmarks.measure.processes import ProcessUsage

SCHEMA = 1

# In the order of a message's path; others follow.
_ORDER = ("mosquitto", "ingest", "kafka", "stream", "api", "outlets", "historian", "postgres")
MEASURING_PROCESSES = ("load generator", "probe", "reader")

_MIB = 1 << 20


def machine_text(machine: Mapping[str, Any]) -> str:
    """Return processor, memory and software of a machine in a line."""
    return (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memoryBytes'] / (1 << 30):.0f} GiB, "
        f"{machine['fileSystem']}, {machine['system']}, Python {machine['python']}"
    )


def lines(run: EndToEndRun) -> Iterator[str]:
    """Yield the report, line by line."""
    machine, balance = run.machine, run.balance
    yield ""
    yield (
        f"{machine_text(machine)}, PostgreSQL {machine['postgresql']}, TimescaleDB {machine['timescaledb']}"
    )
    yield ""
    yield from _rows(
        ("rate requested", f"{run.options.rate or 'flat out'}/s for {run.options.seconds} s"),
        ("rate achieved", f"{run.rate}/s"),
        ("messages sent", balance.sent),
        ("acknowledged (PUBACK)", balance.acknowledged),
        ("stored", _arrival(balance.stored, run.stored_after_s)),
        ("SSE events", _arrival(balance.told, run.delivered_after_s)),
        ("lost", f"{balance.stored.lost} stored, {balance.told.lost} delivered"),
        ("duplicates", f"{balance.stored.duplicates} stored, {balance.told.duplicates} delivered"),
        ("quarantined", balance.quarantined),
        ("log records", _records(run)),
        (
            "bytes an observation",
            f"{_ratio(run.added.database, balance.stored.count):.0f} in the database "
            f"({_ratio(run.added.table, balance.stored.count):.0f} rows of observations, "
            f"{_ratio(run.added.indexes, balance.stored.count):.0f} their index), "
            f"{_ratio(run.event_bytes, balance.told.count):.0f} on the live stream",
        ),
    )
    yield ""
    yield f"{'milliseconds':<22}{'p50':>9}{'p90':>9}{'p99':>9}{'p99.9':>9}{'max':>9}"
    measured = (
        ("publish to SSE", run.latency),
        ("… after second 1", run.steady),
        ("sent later than due", run.late),
    )
    for name, delays in measured:
        yield f"{name:<22}{delays.p50:>9}{delays.p90:>9}{delays.p99:>9}{delays.p999:>9}{delays.max:>9}"
    slowest = max(range(len(run.seconds)), key=lambda index: run.seconds[index][1], default=0)
    if run.seconds:
        p50, p99, _ = run.seconds[slowest]
        yield f"slowest second: number {slowest + 1}, p50 {p50}, p99 {p99}"
    yield ""
    yield from _process_table(run)
    yield ""
    yield from _notes(run)


def document(run: EndToEndRun) -> dict[str, Any]:
    """Return the run as a JSON value: raw numbers, and numbers for each message."""
    return {
        "schema": SCHEMA,
        "machine": run.machine,
        "asked": {
            "rate": run.options.rate,
            "seconds": run.options.seconds,
            "connections": run.options.connections,
            "city": asdict(run.options.city),
        },
        "rate": run.rate,
        "toldRate": run.delivered_rate,
        "balance": asdict(run.balance),
        "faults": run.balance.faults,
        "latencyMs": asdict(run.latency),
        "steadyLatencyMs": asdict(run.steady),
        "lateMs": asdict(run.late),
        "secondsMs": run.seconds,
        "toldAfterS": run.delivered_after_s,
        "storedAfterS": run.stored_after_s,
        "bytesPerObservation": {
            "table": round(_ratio(run.added.table, run.balance.stored.count), 1),
            "index": round(_ratio(run.added.indexes, run.balance.stored.count), 1),
            "database": round(_ratio(run.added.database, run.balance.stored.count), 1),
            "event": round(_ratio(run.event_bytes, run.balance.told.count), 1),
        },
        "records": run.records,
        "processes": {
            name: {
                "cpuS": round(usage.cpu_s, 2),
                "cpuSPer1000": _per_1000(run, usage),
                "cores": round(usage.cpu_s / run.usage_s, 3),
                "idleCores": run.idle_cores[name],
                "memoryBytesMax": usage.memory_bytes_max,
            }
            for name, usage in run.usage.items()
        },
        "cpuSPer1000": {"system": _per_1000(run, _system(run)), "all": _per_1000(run, _all(run))},
        "otherCores": run.other_cores,
        "restarted": run.restarted,
        "recycles": run.recycles,
    }


def _rows(*rows: tuple[str, object]) -> Iterator[str]:
    for name, value in rows:
        yield f"{name:<22}{value}"


def _arrival(side: SinkCompleteness, after_s: float) -> str:
    until = "incomplete after" if side.lost else "the last within"
    return f"{side.count}, {until} {after_s} s of the last PUBACK"


def _records(run: EndToEndRun) -> str:
    each = (
        f"{count} {topic} (of {_ratio(run.balance.acknowledged, count):.1f} each)"
        for topic, count in run.records.items()
        if count
    )
    return ", ".join(each)


def process_order(names: Collection[str]) -> list[str]:
    """Return parts in the order of a message's path, those that measure last."""
    on_path = [one for one in _ORDER if one in names]
    others = [one for one in names if one not in (*_ORDER, *MEASURING_PROCESSES)]
    return [*on_path, *others, *(one for one in MEASURING_PROCESSES if one in names)]


def _process_table(run: EndToEndRun) -> Iterator[str]:
    yield f"{'process':<22}{'CPU s/1000':>11}{'cores':>8}{'idle':>8}{'peak MiB':>10}"
    names = [one for one in process_order(run.usage) if one not in MEASURING_PROCESSES]
    for name in names:
        yield _process_row(run, name, run.usage[name], run.idle_cores[name])
    idle = sum(run.idle_cores[name] for name in names)
    yield _process_row(run, "the system", _system(run), idle)
    for name in MEASURING_PROCESSES:
        yield _process_row(run, name, run.usage[name], run.idle_cores[name])


def _process_row(run: EndToEndRun, name: str, usage: ProcessUsage, idle_cores: float) -> str:
    return (
        f"{name:<22}{_per_1000(run, usage):>11.4f}{usage.cpu_s / run.usage_s:>8.2f}"
        f"{idle_cores:>8.2f}{usage.memory_bytes_max / _MIB:>10.0f}"
    )


def _notes(run: EndToEndRun) -> Iterator[str]:
    yield (
        "The probe receives all events. CPU is counted from the first message until all was stored; "
        "memory is proportional: each process counts its part of a shared page."
    )
    yield (f"Other programs used {run.other_cores:.2f} cores (load {run.machine['loadBefore']} before).")
    if run.rate < 0.99 * (run.options.rate or 0):
        yield "WARNING: the requested rate was not reached."
    if run.restarted:
        yield (
            f"WARNING: restarted during the run: {', '.join(run.restarted)}; "
            "the processor time of the supervisor includes theirs until then."
        )
    if run.recycles:
        yield f"The embedded log was recycled {run.recycles} times during the run."
    faults = run.balance.faults
    yield f"LOST: {'; '.join(faults)}." if faults else "Nothing was lost."


def _per_1000(run: EndToEndRun, usage: ProcessUsage) -> float:
    return round(_ratio(usage.cpu_s * 1000, run.balance.acknowledged), 4)


def _system(run: EndToEndRun) -> ProcessUsage:
    return _sum([one for name, one in run.usage.items() if name not in MEASURING_PROCESSES])


def _all(run: EndToEndRun) -> ProcessUsage:
    return _sum(list(run.usage.values()))


def _sum(parts: list[ProcessUsage]) -> ProcessUsage:
    return ProcessUsage(
        cpu_s=sum(one.cpu_s for one in parts),
        memory_bytes_max=sum(one.memory_bytes_max for one in parts),
    )


def _ratio(amount: float, count: int) -> float:
    return amount / count if count else 0.0
