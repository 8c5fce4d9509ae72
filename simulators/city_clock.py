"""The city's clock: runs at a speed until it reaches the present, and waits for who cannot keep up."""

from __future__ import annotations

from twin.instant import SECOND, Duration, Instant

STEP_MAX: Duration = SECOND
"""The longest wall time that one tick credits: a longer pause was spent waiting, and the city waited too."""

CATCH_UP_SPEED = 10.0
"""How fast a city that has been in the present goes back there after it had to wait, at the least."""


class CityClock:
    """City time as a function of the ticks of a wall clock."""

    def __init__(self, start: Instant, speed: float, now: Instant) -> None:
        self.time: Instant = min(start, now)
        self._speed = speed
        self._wall = now
        self._present = self.time >= now

    def tick(self, now: Instant) -> Instant:
        """Return the city time at a wall time: never in its future, never backwards."""
        elapsed = min(max(0, now - self._wall), STEP_MAX)
        self._wall = max(self._wall, now)
        speed = max(CATCH_UP_SPEED, self._speed) if self._present else self._speed
        self.time = max(self.time, min(now, self.time + int(elapsed * speed)))
        self._present = self._present or self.time >= now
        return self.time

    def wait_s(self, due: Instant, now: Instant) -> float:
        """Return after how many seconds the city will have reached an instant; 0 when it is due."""
        if self._present:
            return max(0, due - now) / SECOND
        return max(0, due - self.time) / SECOND / self._speed
