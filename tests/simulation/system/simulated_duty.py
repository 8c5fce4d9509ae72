"""The duty loop in virtual time with its real journal, which a random generator kills."""

from __future__ import annotations

from pathlib import Path
from random import Random

from alerting.incidents.incident_manager import IncidentManager
from alerting.incidents.journal import DutyJournal
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from runtime.kafka import topics
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.alarms.messages import ALARMS
from twin.instant import Instant
from twin.model.city_model import CityModel


class SimulatedDuty:
    """The incident manager between a log of alarms and channels that accept every message.

    With `dice` it is killed at random: at any time, or just before or after a message is handed over. It then
    loses everything that is not in the journal, and reads the log again from the journal's position.
    """

    def __init__(self, model: CityModel, journal: Path, dice: Random | None = None) -> None:
        self._model = model
        self._path = journal
        self._dice = dice
        self.delivered: list[tuple[Instant, OutgoingMessage]] = []
        self.kills = 0
        self._open(0)

    def _open(self, now: Instant) -> None:
        self._journal = DutyJournal(self._path)
        self._desk = IncidentManager(self._journal.read(), self._model)
        self._desk.resolve_doubtful(now)
        self._write()

    def run_until(self, stages: StagePipeline, now: Instant) -> None:
        """Process alarm records, advance the time to `now`, and send the messages that are due."""
        while not self._followed(stages, now):
            self.kills += 1
            self._journal.close()
            self._open(now)

    def _followed(self, stages: StagePipeline, now: Instant) -> bool:
        """Do the same once; return False when killed meanwhile."""
        for number in range(stages.partitions):
            place = topics.ALARMS, number
            records = stages.records[place]
            for offset in range(self._desk.position(place), len(records)):
                self._desk.on_alarm_batch(ALARMS.decode(records[offset]), now)
                self._desk.advance_position(place, offset + 1)
                if self._is_killed(0.05):
                    return False
                self._write()
        self._desk.advance_to(now)
        self._write()
        for message in self._desk.due_messages(now):
            sending = self._desk.begin_attempt(message, now)
            self._write()
            if self._is_killed(0.02):
                return False
            self.delivered.append((now, sending))
            if self._is_killed(0.1):
                return False
            self._desk.end_attempt(AttemptResult(message.id, sent=True, detail=""), now)
            self._write()
        return True

    def _is_killed(self, probability: float) -> bool:
        return self._dice is not None and self._dice.random() < probability

    def _write(self) -> None:
        change = self._desk.take_change()
        if not change.is_empty:
            self._journal.write(change)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()
