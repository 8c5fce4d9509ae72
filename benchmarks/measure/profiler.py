"""Stack samples of a role by py-spy, which the user installs by hand: it is no dependency."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.results import OUT

END_TIMEOUT_S = 30.0
_RATE_HZ = 200


@contextmanager
def profiled(role: str | None, pids: Sequence[int]) -> Iterator[None]:
    """Record processes while the block runs; write stacks and their counts to `benchmarks/out`.

    Without a role do nothing. Raises BenchmarkError when py-spy is missing or the role does not run.
    """
    if role is None:
        yield
        return
    program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        raise BenchmarkError("py-spy is missing: install it with `pip install py-spy`")
    if not pids:
        raise BenchmarkError(f"no role {role} runs")
    OUT.mkdir(parents=True, exist_ok=True)
    recorders = {
        OUT / f"{role}-{pid}.folded": _recorder(program, pid, OUT / f"{role}-{pid}.folded") for pid in pids
    }
    try:
        yield
    finally:
        for path, recorder in recorders.items():
            recorder.send_signal(signal.SIGINT)
            recorder.wait(END_TIMEOUT_S)
            print(f"stacks of {role} are in {path}")


def _recorder(program: str, pid: int, path: Path) -> subprocess.Popen[bytes]:
    options = ["--format=raw", f"--rate={_RATE_HZ}", f"--output={path}", f"--pid={pid}", "--nonblocking"]
    return subprocess.Popen(
        [program, "record", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
