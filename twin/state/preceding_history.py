"""What a datastream's state keeps of the observations before those in memory.

Whether the last run of equal values before memory is stuck may depend on observations in memory. So the last
good value and the register of a counter are kept twice: as if that run were sound, and as before the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from twin.instant import Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import LastGoodValue, Observation
from twin.quality.constant_run import ConstantRun, extend_run, is_stuck
from twin.quality.quality_flags import STUCK_FOUND_LATER, UNUSABLE_FLAGS, QualityFlag, is_usable
from twin.quality.stuck_runs import activity_memory, long_run
from twin.state.counter import counter_increase, next_register

RegisterReading: TypeAlias = tuple[Instant, float]
"""The reading with which the next one is compared: phenomenon time and value."""

# Plain integers: the operators of an enumeration cost a microsecond each.
_STUCK = int(QualityFlag.STUCK)


class PrecedingHistory(msgspec.Struct, array_like=True):
    """Summary of all observations before those in memory. Mutable, owned by one datastream state."""

    time: Instant  #: of the newest of them
    run: ConstantRun  #: of equal values, as received, that ends with the newest
    last_good: LastGoodValue | None  #: as if that run were sound
    last_good_before_run: LastGoodValue | None
    register: RegisterReading | None  #: as if that run were sound
    register_before_run: RegisterReading | None
    is_stuck_by_itself: bool = False  #: by its observations before memory
    is_stuck: bool = False  #: by all of its observations
    #: From when on verdicts may be wrong: one before memory came late, and storage has not answered.
    doubted_since: Instant | None = None

    @classmethod
    def of(cls, received: Observation, assessed: Observation, policy: DatastreamPolicy) -> PrecedingHistory:
        """Return the summary of one observation: as received, and calibrated and checked."""
        time, value = received.phenomenon_time, received.value
        history = cls(time, ConstantRun(value, 0, time), None, None, None, None)
        history.add(received, assessed, policy)
        return history

    @classmethod
    def from_storage(
        cls,
        time: Instant,
        run: ConstantRun,
        flags: int,
        usable_before_run: LastGoodValue | None,
        policy: DatastreamPolicy,
    ) -> PrecedingHistory:
        """Return the summary of stored observations; `flags` are those of the newest, which is at `time`."""
        is_stuck = flags & _STUCK != 0
        last_good = usable_before_run
        if is_usable(flags & ~STUCK_FOUND_LATER if is_stuck else flags):
            last_good = LastGoodValue(policy.calibrated(run.value, time), time)
        history = cls(time, run, last_good, usable_before_run, None, None, is_stuck=is_stuck)
        if policy.aggregation == "counter":
            history.register, history.register_before_run = (
                (good.phenomenon_time, good.value) if good is not None else None
                for good in (last_good, usable_before_run)
            )
        history.reassess(policy)
        return history

    @property
    def last_good_before_memory(self) -> LastGoodValue | None:
        """The newest usable value."""
        return self.last_good_before_run if self.is_stuck else self.last_good

    @property
    def register_before_memory(self) -> RegisterReading | None:
        """The reading of a counter with which the first one in memory is compared."""
        return self.register_before_run if self.is_stuck else self.register

    def add(self, received: Observation, assessed: Observation, policy: DatastreamPolicy) -> None:
        """Add the observation that follows: as received, and calibrated and checked."""
        run, flags, time, value = self.run, assessed.flags, received.phenomenon_time, received.value
        self.time = time
        self.run = extend_run(run, time, value)
        if value != run.value:
            if self.is_stuck:
                self.last_good, self.register = self.last_good_before_run, self.register_before_run
                self.is_stuck = self.is_stuck_by_itself = False
            self.last_good_before_run, self.register_before_run = self.last_good, self.register
        if flags & _STUCK and not received.flags & _STUCK:
            self.is_stuck = True
            if flags & STUCK_FOUND_LATER == _STUCK:
                self.is_stuck_by_itself = True
            flags &= ~STUCK_FOUND_LATER
            assessed = assessed._replace(flags=flags)
        if not flags & UNUSABLE_FLAGS:
            self.last_good = LastGoodValue(assessed.value, time)
            if policy.aggregation == "counter":
                self.register = register_after(self.register, assessed)

    def is_changed_by(self, time: Instant, value: float, policy: DatastreamPolicy) -> bool:
        """Return whether a late observation before memory may change verdicts or increases in memory.

        It may be a part of the run or interrupt it, or change how long the value stayed equal before.
        """
        if policy.aggregation == "counter":
            return True
        if long_run(policy.rules) is None:
            return False
        return value == self.run.value or time >= self.run.start or activity_memory(policy.rules) > 0

    def interrupt(self, time: Instant, value: float) -> bool:
        """Note an observation before memory that came late; return whether it interrupts the run.

        The values of the run between it and memory are not known: the run is taken to begin with it.
        """
        run = self.run
        if value == run.value or not run.start < time < self.time:
            return False
        share = (self.time - time) / (self.time - run.start)
        self.run = replace(run, count=max(1, round(run.count * share)), start=time)
        return True

    def reassess(self, policy: DatastreamPolicy) -> None:
        """Decide by a new policy whether the run is stuck before memory."""
        self.is_stuck_by_itself = self.run.count > 1 and is_stuck(self.run, self.time, policy.rules)


class StoredHistory(msgspec.Struct, array_like=True, frozen=True):
    """What storage has found, after a repair, of a datastream's observations before those in memory."""

    datastream: int
    preceding: PrecedingHistory | None  #: before the first of `received`; None: there are none
    received: tuple[Observation, ...]  #: the newest stored ones, ascending
    assessed: tuple[Observation, ...]  #: the same, calibrated and checked
    offset: int = -1  #: in the log: observations up to it are included


def register_after(register: RegisterReading | None, reading: Observation) -> RegisterReading | None:
    """Return the reading with which the next one is compared, given the one for this reading of a counter."""
    if not is_usable(reading.flags):
        return register
    time, value = reading.phenomenon_time, reading.value
    return time, value if register is None else next_register(register[1], value)


def increase_up_to(
    register: RegisterReading | None, reading: Observation, policy: DatastreamPolicy
) -> tuple[float, RegisterReading | None]:
    """Return the increase up to a reading, and the reading for the next comparison; 0 for other properties.

    A suspect reading adds nothing, and the next reading is not compared with it.
    """
    if policy.aggregation != "counter" or not is_usable(reading.flags):
        return 0.0, register
    time, value = reading.phenomenon_time, reading.value
    if register is None:
        return 0.0, (time, value)
    increase = counter_increase(register, (time, value), wraps_at=policy.wraps_at, rate_max=policy.rate_max)
    return increase.amount, (time, increase.register)


def increases_of(
    register: RegisterReading | None, readings: Iterable[Observation], policy: DatastreamPolicy
) -> dict[Instant, float]:
    """Return the increase up to each reading, by its phenomenon time; empty for other properties."""
    increases: dict[Instant, float] = {}
    if policy.aggregation == "counter":
        for reading in readings:
            increases[reading.phenomenon_time], register = increase_up_to(register, reading, policy)
    return increases
