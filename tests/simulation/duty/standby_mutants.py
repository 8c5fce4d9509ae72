"""Planted bugs of lease, copied journal and delivery that the simulation of two alertings must find."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from msgspec.structs import replace

from alerting.delivery.delivery_pool import DeliveryPool
from alerting.incidents.journal import JournalChange
from alerting.standby import replicated_journal
from alerting.standby.journal_updates import JournalUpdate, encode_update
from runtime.lease import lease_log
from runtime.lease.lease_log import LeaseLog
from runtime.lease.lease_records import LeaseOrder, LeaseRecord, RecordKind
from tests.simulation.duty.duty_mutants import Mutant


def send_before_the_intent_is_in_the_log(patch: pytest.MonkeyPatch) -> None:
    """An attempt begins at once."""

    async def mutated(self: DeliveryPool, permit: object, message: object) -> None:
        return

    patch.setattr(DeliveryPool, DeliveryPool._wait_for_permit.__name__, mutated)


def leave_an_attempt_without_permit_in_doubt(patch: pytest.MonkeyPatch) -> None:
    """What waits for the log when the turn ends gets no result, and nobody keeps that it was not sent."""

    async def mutated(self: DeliveryPool) -> None:
        attempts = list(self._attempts)
        self._on_result = lambda result: None
        assert self._permit is not None
        self._permit.unsent = deque(maxlen=0)
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    patch.setattr(DeliveryPool, DeliveryPool.close.__name__, mutated)


def accept_a_claim_whatever_its_sender_has_read(patch: pytest.MonkeyPatch) -> None:
    """A claim is valid although the holder has appended what its sender does not know."""
    is_valid = LeaseOrder._is_valid

    def mutated(self: LeaseOrder, record: LeaseRecord) -> bool:
        if record.kind is RecordKind.CLAIM and record.log == self.log and record.epoch == self.epoch + 1:
            return True
        return is_valid(self, record)

    patch.setattr(LeaseOrder, is_valid.__name__, mutated)


def hold_the_lease_for_too_long(patch: pytest.MonkeyPatch) -> None:
    """A process that the log does not confirm goes on for longer than the other one waits."""
    patch.setattr(lease_log, "HOLD_S", 8.0)


def begin_a_lease_with_any_record(patch: pytest.MonkeyPatch) -> None:
    """A late record of the log before may be the first of a new one, and leads readers to its base."""
    is_valid = LeaseOrder._is_valid

    def mutated(self: LeaseOrder, record: LeaseRecord) -> bool:
        return self.epoch == 0 or is_valid(self, replace(record, log=self.log))

    patch.setattr(LeaseOrder, is_valid.__name__, mutated)
    patch.setattr(LeaseRecord, LeaseRecord.names_base_of.__name__, lambda self, log, offset: True)


def keep_intents_from_the_standby(patch: pytest.MonkeyPatch) -> None:
    """The standby learns of messages only when they have ended."""

    def without_intents(change: JournalChange) -> JournalChange:
        kept = {id: one for id, one in change.messages.items() if id in change.ended}
        changed = JournalChange(**{name: getattr(change, name) for name in JournalChange.__slots__})
        changed.messages = kept
        return changed

    def mutated(update: JournalUpdate) -> bytes:
        return encode_update(replace(update, changes=tuple(map(without_intents, update.changes))))

    patch.setattr(replicated_journal, encode_update.__name__, mutated)


def stop_reading_without_a_word(patch: pytest.MonkeyPatch) -> None:
    """The task that reads the lease ends as if it were cancelled when the log does not answer."""

    async def mutated(self: LeaseLog) -> None:
        try:
            await self._read()
        except Exception as error:
            raise asyncio.CancelledError from error

    patch.setattr(LeaseLog, LeaseLog._read_whenever_available.__name__, mutated)


STANDBY_MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        send_before_the_intent_is_in_the_log,
        leave_an_attempt_without_permit_in_doubt,
        accept_a_claim_whatever_its_sender_has_read,
        hold_the_lease_for_too_long,
        begin_a_lease_with_any_record,
        keep_intents_from_the_standby,
        stop_reading_without_a_word,
    )
}
