"""The course of a rule over points that come in order: history, which is there as a whole.

What `twin.alarms.course` comes to for the same points, without what it keeps for those that come late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from twin.alarms.binding import BoundRule
from twin.alarms.course import KEPT_MAX
from twin.alarms.expression import ExpressionError
from twin.alarms.judging import Sight, judge
from twin.alarms.operand import Point
from twin.alarms.progress import Progress, Shift
from twin.alarms.usual import Usual
from twin.instant import Instant
from twin.quality import takes_part


@dataclass(slots=True)
class StraightCourse:
    """Where a rule is after all points up to a time. Mutable."""

    bound: BoundRule
    progress: Progress
    sight: Sight
    usual: Usual = field(default_factory=Usual)
    error: str = ""  #: why the newest points could not be judged
    # Live, what is usual is learned from points that may not change any more.
    _waiting: deque[Point] = field(default_factory=deque)

    @classmethod
    def begun(cls, bound: BoundRule) -> StraightCourse:
        """Return the course before the first point."""
        return cls(bound, Progress.begun(bound.terms), Sight.begun(bound))

    def step(self, points: Mapping[int, Point]) -> list[Shift]:
        """Go on to the points of one time, by operand; return what changed, in order of time."""
        time = next(iter(points.values())).time
        terms = self.bound.terms
        try:
            judged = judge(time, points, self.sight, self.usual, self.bound)
            self.error = ""
        except ExpressionError as error:
            judged, self.error = None, str(error)
        shifts = self.progress.step(judged, terms) if judged is not None else []
        if self.bound.learns:
            self._learn(points[0])
        return shifts + self.progress.advance(time, terms)

    def _learn(self, point: Point) -> None:
        self._waiting.append(point)
        if len(self._waiting) > KEPT_MAX:
            one = self._waiting.popleft()
            if takes_part(one.flags):
                self.usual.add(one.time, one.value, self.bound.timezone)

    def advance(self, frontier: Instant) -> list[Shift]:
        """Let time pass without a point; return what fell due."""
        return self.progress.advance(frontier, self.bound.terms)
