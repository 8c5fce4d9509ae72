"""Whatever arrives in a lease topic, late, twice or from an old holder: its order makes one the holder."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from runtime.lease.lease_records import LeaseOrder, LeaseRecord, ReadingStart, RecordKind

OWNERS = ("east", "west", "north")


class Process:
    """A process that has read the topic up to an offset, and has records under way to it."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.order = LeaseOrder()
        self.read = 0
        self.held_epoch = 0
        self.under_way: list[LeaseRecord] = []

    def read_next(self, log: list[LeaseRecord]) -> None:
        if self.read < len(log):
            record = log[self.read]
            self.read += 1
            if self.order.apply(record) and record.kind is RecordKind.CLAIM and record.owner == self.owner:
                self.held_epoch = record.epoch

    def send_claim(self) -> None:
        self.under_way.append(self.order.next_claim(self.owner))

    def send_append(self, kind: RecordKind) -> None:
        if self.held_epoch and self.order.epoch == self.held_epoch:
            number = self.order.number + 1
            self.under_way.append(
                LeaseRecord(kind=kind, owner=self.owner, epoch=self.held_epoch, number=number)
            )


@st.composite
def topics(draw: st.DrawFn) -> list[LeaseRecord]:
    """Return what a topic may hold after three processes have read, sent and repeated in any order."""
    log: list[LeaseRecord] = []
    processes = [Process(owner) for owner in OWNERS]
    for _ in range(draw(st.integers(1, 60))):
        process = draw(st.sampled_from(processes))
        match draw(st.sampled_from(("read", "read", "read all", "claim", "append", "release", "arrive"))):
            case "read":
                process.read_next(log)
            case "read all":
                while process.read < len(log):
                    process.read_next(log)
            case "claim":
                process.send_claim()
            case "append":
                process.send_append(RecordKind.APPEND)
            case "release":
                process.send_append(RecordKind.RELEASE)
            case _ if process.under_way:
                at = draw(st.integers(0, len(process.under_way) - 1))
                record = process.under_way[at]
                if draw(st.booleans()):
                    del process.under_way[at]  # otherwise it arrives again later
                log.append(record)
    return log


@given(topics())
def test_each_epoch_has_one_holder_and_its_records_follow_each_other(log: list[LeaseRecord]) -> None:
    order = LeaseOrder()
    valid = [record for record in log if order.apply(record)]
    holders: dict[int, str] = {}
    for before, record in zip([None, *valid], valid, strict=False):
        assert holders.setdefault(record.epoch, record.owner) == record.owner
        if before is not None and record.epoch == before.epoch:
            assert record.number == before.number + 1
        elif before is not None:
            assert record.epoch == before.epoch + 1, "an epoch begins with a claim, after the last record"
            assert record.kind is RecordKind.CLAIM
            assert record.after == (before.epoch, before.number)


@given(topics(), st.data())
def test_a_reader_that_begins_at_a_valid_record_agrees_with_all_others(
    log: list[LeaseRecord], data: st.DataObject
) -> None:
    order = LeaseOrder()
    valid = [offset for offset, record in enumerate(log) if order.apply(record)]
    if not valid:
        return
    start = data.draw(st.sampled_from(valid))
    late = LeaseOrder(start=ReadingStart.VALID_RECORD)
    found = [offset for offset, record in enumerate(log[start:], start) if late.apply(record)]
    assert found == [offset for offset in valid if offset >= start]
    assert (late.owner, *late.last, late.is_released) == (order.owner, *order.last, order.is_released)


def _record(kind: RecordKind, owner: str, epoch: int, number: int, after: tuple[int, int]) -> LeaseRecord:
    return LeaseRecord(kind=kind, owner=owner, epoch=epoch, number=number, after=after)


EAST = _record(RecordKind.CLAIM, "east", 1, 0, (0, 0))
EAST_AGAIN = _record(RecordKind.CLAIM, "east", 2, 0, (1, 0))
FIRST_APPEND = _record(RecordKind.APPEND, "east", 1, 1, (0, 0))
SECOND_APPEND = _record(RecordKind.APPEND, "east", 1, 2, (0, 0))
RELEASE = _record(RecordKind.RELEASE, "east", 1, 1, (0, 0))


@given(topics())
@example([EAST, EAST_AGAIN, EAST, _record(RecordKind.CLAIM, "west", 2, 0, (1, 0))])
@example([EAST, FIRST_APPEND, SECOND_APPEND, FIRST_APPEND, _record(RecordKind.CLAIM, "west", 2, 0, (1, 1))])
@example([EAST, FIRST_APPEND, RELEASE])
def test_a_reader_that_lacks_the_beginning_agrees_once_the_holder_has_appended(
    log: list[LeaseRecord],
) -> None:
    """The examples: an old claim that comes again, an old append, and a release that came too late."""
    order = LeaseOrder()
    for record in log:
        order.apply(record)
    if not order.epoch or order.is_released:
        return
    holder = Process(order.owner)
    holder.order, holder.held_epoch = order, order.epoch
    holder.send_append(RecordKind.APPEND)
    append = holder.under_way.pop()
    assert order.apply(append)
    for start in range(len(log) + 1):
        late = LeaseOrder(start=ReadingStart.UNKNOWN)
        for record in log[start:]:
            late.apply(record)
        assert late.apply(append), f"read from {start}"
        assert (late.owner, *late.last) == (order.owner, *order.last), f"read from {start}"


@given(topics(), topics(), st.data())
def test_records_that_were_written_for_another_log_mean_nothing(
    log: list[LeaseRecord], other: list[LeaseRecord], data: st.DataObject
) -> None:
    late = [replace(record, log="another") for record in other]
    mixed = data.draw(st.permutations([True] * len(log) + [False] * len(late)))
    own, foreign = iter(log), iter(late)
    alone, among_others = LeaseOrder(), LeaseOrder()
    for is_own in mixed:
        if is_own:
            record = next(own)
            assert among_others.apply(record) == alone.apply(record)
        else:
            assert not among_others.apply(next(foreign))
    assert (among_others.owner, *among_others.last) == (alone.owner, *alone.last)


def test_a_lease_begins_with_a_claim() -> None:
    order = LeaseOrder()
    late = LeaseRecord(kind=RecordKind.APPEND, owner="east", epoch=3, number=7)
    release = LeaseRecord(kind=RecordKind.RELEASE, owner="east", epoch=3, number=8)
    claim = order.next_claim("west")
    assert [order.apply(record) for record in (late, release, claim)] == [False, False, True]
    assert order.owner == "west"


def test_where_only_claims_are_left_one_that_names_the_last_is_valid() -> None:
    left = LeaseRecord(kind=RecordKind.CLAIM, owner="north", epoch=7, number=0, after=(6, 3))
    east, west = Process("east"), Process("west")
    for process in (east, west):
        process.order = LeaseOrder(start=ReadingStart.UNKNOWN)
        process.read_next([left])
        process.send_claim()
    log = [left, *east.under_way, *west.under_way]
    order = LeaseOrder(start=ReadingStart.UNKNOWN)
    assert [order.apply(record) for record in log] == [False, True, False]
    assert order.owner == "east"


def test_a_claim_is_invalid_after_a_record_that_its_sender_has_not_read() -> None:
    holder, claimant = Process("east"), Process("west")
    log: list[LeaseRecord] = [holder.order.next_claim("east")]
    for process in (holder, claimant):
        process.read_next(log)
    holder.send_append(RecordKind.APPEND)
    claimant.send_claim()
    log += [holder.under_way[0], claimant.under_way[0]]
    order = LeaseOrder()
    assert [order.apply(record) for record in log] == [True, True, False]
    assert order.owner == "east"


def test_nothing_of_the_old_holder_is_valid_after_a_claim() -> None:
    holder, claimant = Process("east"), Process("west")
    log: list[LeaseRecord] = [holder.order.next_claim("east")]
    for process in (holder, claimant):
        process.read_next(log)
    holder.send_append(RecordKind.APPEND)
    claimant.send_claim()
    log += [claimant.under_way[0], holder.under_way[0]]
    order = LeaseOrder()
    assert [order.apply(record) for record in log] == [True, True, False]
    assert order.owner == "west"


def test_a_record_that_arrives_twice_is_valid_once_and_nothing_is_valid_after_a_release() -> None:
    holder = Process("east")
    log: list[LeaseRecord] = [holder.order.next_claim("east")]
    holder.read_next(log)
    holder.send_append(RecordKind.APPEND)
    append = holder.under_way.pop()
    log.append(append)
    holder.read_next(log)
    holder.send_append(RecordKind.RELEASE)
    release = holder.under_way.pop()
    late = LeaseRecord(kind=RecordKind.APPEND, owner="east", epoch=1, number=3)
    order = LeaseOrder()
    assert [order.apply(record) for record in (log[0], append, append, release, release, late)] == [
        *(True, True, False),
        *(True, False, False),
    ]
    assert order.is_released


def test_a_record_of_an_earlier_turn_of_the_holder_is_invalid() -> None:
    order = LeaseOrder()
    claims = [
        LeaseRecord(kind=RecordKind.CLAIM, owner=owner, epoch=epoch, number=0, after=(epoch - 1, 0))
        for epoch, owner in enumerate(("east", "west", "east"), 1)
    ]
    assert all(order.apply(claim) for claim in claims)
    assert not order.apply(LeaseRecord(kind=RecordKind.APPEND, owner="east", epoch=1, number=1))
    assert order.apply(LeaseRecord(kind=RecordKind.APPEND, owner="east", epoch=3, number=1))
