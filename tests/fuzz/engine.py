"""The fuzzing engine: mutates inputs from a seed until one breaks a law, then shrinks and saves that input.

An input with a new outcome joins the pool from which later inputs are made, so that a run reaches deeper code
without instrumentation. A seed determines the sequence of inputs.
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
"""A folder for each target, with the inputs that once broke a law."""

POOL_MAX = 400
PARENT_BYTES_MAX = 8 * 1024
"""A larger input does not join the pool, since a thousand small inputs take as long."""
CPU_S_MAX = 5.0
"""Processor time limit of one input. The largest valid input takes some milliseconds."""

MESSAGE_CHARACTERS_MAX = 5_000
SHRINK_RUNS_MAX = 400
_DIGITS = re.compile(r"\b[0-9A-F]{4}\b|[0-9]+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class CpuLimitError(BaseException):
    """An input exceeded the processor time limit. Not an `Exception`, which code under test might catch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzTarget:
    """Code that processes input of others. `run` returns the outcome as a short text, or raises."""

    name: str
    run: Callable[[bytes], str]
    corpus: tuple[bytes, ...]  #: valid inputs
    dictionary: tuple[bytes, ...] = ()  #: words of the format
    size_max: int = SIZE_MAX  #: size of the largest generated input

    def fixtures(self) -> list[Path]:
        """Return the inputs that once broke a law of this target."""
        return sorted((FIXTURES / self.name).glob("*"))


class Crash(NamedTuple):
    """An input that broke a law."""

    target: str
    data: bytes
    error: BaseException

    def __str__(self) -> str:
        """Return target, error and the beginning of the input."""
        return f"{self.target}: {self.error!r} by {len(self.data)} bytes {self.data[:200]!r}"

    @property
    def file_name(self) -> str:
        """A file name that is the same for the same input."""
        return hashlib.sha256(self.data).hexdigest()[:12]


@dataclass(slots=True)
class FuzzReport:
    """The result of a run."""

    target: str
    seed: int
    inputs: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    crash: Crash | None = None


def fuzz(target: FuzzTarget, seed: int, *, inputs: int, seconds: float = float("inf")) -> FuzzReport:
    """Run a target on inputs from a seed until one breaks a law, or the number or time limit is reached."""
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
    """Run a target on an input within the processor time limit; return the outcome."""
    with _cpu_bound():
        return target.run(data)


def outcome_signature(outcome: str) -> str:
    """Return an outcome without its numbers and quoted parts.

    >>> outcome_signature("malformed: 'x' has 12 members")
    "malformed: ' has 0 members"
    """
    return _DIGITS.sub("0", _QUOTED.sub("'", outcome))[:120]


def error_text(error: Exception) -> str:
    """Return the message of an error; assert that it is neither empty nor too long."""
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
    """Return the shortest input found that fails with the same type of error."""
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
    """Write the input of a crash into a folder; return the file."""
    path = folder / crash.target / crash.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(crash.data)
    return path


def largest_inputs(words: Sequence[bytes], size: int) -> Iterator[bytes]:
    """Yield inputs of one size that repeat one word, to find algorithms that are worse than linear."""
    for word in words:
        if word:
            yield (word * (size // len(word) + 1))[:size]
