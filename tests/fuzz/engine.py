"""The engine: inputs made from a seed, run until one breaks a law; what breaks one is made small and kept.

An input that ends in an outcome not seen before joins the pool that later inputs are made from, so that a
run finds its way deeper without looking into the code. One seed makes one sequence of inputs.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tests.fuzz.mutation import SIZE_MAX, mutate

FIXTURES = Path(__file__).parent / "fixtures"
"""A folder for each target, and in it what once broke a law."""

POOL_MAX = 400
PARENT_BYTES_MAX = 8 * 1024
"""A larger input is tried, and no other is made of it: a thousand small ones take its time."""
CPU_S_MAX = 5.0
"""Processor time of one input. The largest takes some milliseconds; what takes seconds does not end."""

MESSAGE_CHARACTERS_MAX = 5_000
SHRINK_RUNS_MAX = 400
_DIGITS = re.compile(r"\b[0-9A-F]{4}\b|[0-9]+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class CpuLimitError(BaseException):
    """An input took more processor time than any may. No `Exception`, which programs under test may catch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzTarget:
    """Something that takes what others send. `run` returns in a word or two how it ended, or raises."""

    name: str
    run: Callable[[bytes], str]
    corpus: tuple[bytes, ...]  #: valid inputs
    dictionary: tuple[bytes, ...] = ()  #: what the format knows
    size_max: int = SIZE_MAX  #: of the largest input that is worth its time

    def fixtures(self) -> list[Path]:
        """Return the inputs that once broke a law of this target."""
        return sorted((FIXTURES / self.name).glob("*"))


class Crash(NamedTuple):
    """An input that broke a law."""

    target: str
    data: bytes
    error: BaseException

    def __str__(self) -> str:
        """Return how a person sees it."""
        return f"{self.target}: {self.error!r} by {len(self.data)} bytes {self.data[:200]!r}"

    @property
    def file_name(self) -> str:
        """A name that the same input always has."""
        return hashlib.sha256(self.data).hexdigest()[:12]


@dataclass(slots=True)
class FuzzReport:
    """What a run has seen."""

    target: str
    seed: int
    inputs: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    crash: Crash | None = None


def fuzz(target: FuzzTarget, seed: int, *, inputs: int, seconds: float = float("inf")) -> FuzzReport:
    """Run a target on inputs made from a seed, until one breaks a law, or either bound is reached."""
    report = FuzzReport(target.name, seed)
    dice = random.Random(f"{seed}/{target.name}")
    pool = [*target.corpus, *(path.read_bytes() for path in target.fixtures())]
    ends = time.monotonic() + seconds
    for number in range(inputs):
        if number % 16 == 0 and time.monotonic() >= ends:
            break
        data = mutate(dice.choice(pool), dice, pool, target.dictionary)
        report.inputs += 1
        try:
            outcome = outcome_signature(run_input(target, data))
        except (Exception, CpuLimitError) as error:
            report.crash = Crash(target.name, *_smallest(target, data, error))
            break
        seen = report.outcomes.setdefault(outcome, 0)
        report.outcomes[outcome] = seen + 1
        if not seen and len(data) <= PARENT_BYTES_MAX:
            if len(pool) < POOL_MAX:
                pool.append(data)
            else:
                pool[dice.randrange(len(target.corpus), POOL_MAX)] = data
    return report


def run_input(target: FuzzTarget, data: bytes) -> str:
    """Return how a target ends on an input, within the processor time that one may take."""
    with _cpu_bound():
        return target.run(data)


def outcome_signature(outcome: str) -> str:
    """Return an outcome without what differs from input to input.

    >>> outcome_signature("malformed: 'x' has 12 members")
    "malformed: ' has 0 members"
    """
    return _DIGITS.sub("0", _QUOTED.sub("'", outcome))[:120]


def error_text(error: Exception) -> str:
    """Return what an error tells a person, which is something, and no book."""
    text = str(error)
    assert 0 < len(text) <= MESSAGE_CHARACTERS_MAX, f"a message of {len(text)} characters"
    text.encode()
    return text


@contextlib.contextmanager
def _cpu_bound() -> Iterator[None]:
    def expired(number: int, frame: FrameType | None) -> None:
        raise CpuLimitError(f"more than {CPU_S_MAX} s of processor time")

    before = signal.signal(signal.SIGVTALRM, expired)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _smallest(target: FuzzTarget, data: bytes, error: BaseException) -> tuple[bytes, BaseException]:
    """Return a shorter input that fails in the same way."""
    kind = type(error)
    runs = 0
    size = max(1, len(data) // 2)
    while runs < SHRINK_RUNS_MAX and not isinstance(error, CpuLimitError):
        start = 0
        while start < len(data) and runs < SHRINK_RUNS_MAX:
            shorter = data[:start] + data[start + size :]
            runs += 1
            failed = _failure(target, shorter)
            if type(failed) is kind and failed is not None:
                data, error = shorter, failed
            else:
                start += size
        if size == 1:
            break
        size = max(1, size // 2)
    return data, error


def _failure(target: FuzzTarget, data: bytes) -> BaseException | None:
    try:
        run_input(target, data)
    except (Exception, CpuLimitError) as error:
        return error
    return None


def save_crash(crash: Crash, folder: Path) -> Path:
    """Write what broke a law into a folder; return the file."""
    path = folder / crash.target / crash.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(crash.data)
    return path


def largest_inputs(words: Sequence[bytes], size: int) -> Iterator[bytes]:
    """Yield inputs of one size that repeat a single thing: what makes an algorithm worse than linear."""
    for word in words:
        if word:
            yield (word * (size // len(word) + 1))[:size]
