"""A typed client of LiveTwin's API: the resuming live stream, pages and attempts.

It imports nothing of the server. `api_types` is generated from the OpenAPI document, the rest is written.
"""

from livetwin_client.api_types import Alarm, Entity, History, LiveEvent, Problem, State
from livetwin_client.cursor_stores import CursorStore, FileCursorStore, MemoryCursorStore
from livetwin_client.errors import (
    BadRequestError,
    ForbiddenError,
    LiveTwinError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
)
from livetwin_client.live_twin import LiveTwin
from livetwin_client.retries import Retries

__version__ = "0.1.0"

__all__ = [
    "Alarm",
    "BadRequestError",
    "CursorStore",
    "Entity",
    "FileCursorStore",
    "ForbiddenError",
    "History",
    "LiveEvent",
    "LiveTwin",
    "LiveTwinError",
    "MemoryCursorStore",
    "NotFoundError",
    "Problem",
    "RefusedError",
    "Retries",
    "State",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
]
