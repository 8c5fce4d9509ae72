"""What each request asks for, and its answer; in the one version of each that is named here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka import errors
from aiokafka.protocol import admin, commit, coordination, fetch, group, metadata, offset, produce

from cli.embedded.broker.consumer_group import CommittedOffset, ConsumerGroup
from cli.embedded.broker.fetch import OUT_OF_RANGE, UNKNOWN_PARTITION, PartitionFetch
from cli.embedded.broker.fetch import fetch_partitions as fetch_from
from cli.embedded.broker.partition_log import PartitionLog, RecordBatchError
from cli.embedded.broker.topics import BrokerTopics

API_VERSIONS = admin.ApiVersionRequest_v0.API_KEY

NODE = 0
CORRUPT = errors.CorruptRecordException.errno
TOPIC_EXISTS = errors.TopicAlreadyExistsError.errno
INVALID_PARTITIONS = errors.InvalidPartitionsError.errno

LATEST = -1
EARLIEST = -2

RequestHandler = Callable[[Any, str], Awaitable[Any]]


class RequestHandlers:
    """Answers requests, from what clients have sent before."""

    def __init__(self, cluster_id: str, advertised: str) -> None:
        self._cluster_id = cluster_id
        self._host, _, port = advertised.rpartition(":")
        self._port = int(port)
        self._topics = BrokerTopics()
        self._groups: dict[str, ConsumerGroup] = {}
        #: by API key: the class of the request, and what answers it
        self.handlers: dict[int, tuple[Any, RequestHandler]] = {
            one.API_KEY: (one, answer)
            for one, answer in (
                (admin.ApiVersionRequest_v0, self._versions),
                (metadata.MetadataRequest_v2, self._metadata),
                (admin.CreateTopicsRequest_v1, self._create_topics),
                (admin.DeleteTopicsRequest_v1, self._delete_topics),
                (admin.DeleteRecordsRequest_v0, self._delete_records),
                (produce.ProduceRequest_v3, self._produce),
                (fetch.FetchRequest_v4, self._fetch),
                (offset.OffsetRequest_v2, self._offsets),
                (coordination.FindCoordinatorRequest_v1, self._coordinator),
                (group.JoinGroupRequest_v2, self._join),
                (group.SyncGroupRequest_v1, self._sync),
                (group.HeartbeatRequest_v1, self._heartbeat),
                (group.LeaveGroupRequest_v1, self._leave),
                (commit.OffsetCommitRequest_v3, self._commit),
                (commit.OffsetFetchRequest_v3, self._committed),
            )
        }

    def _group(self, name: str) -> ConsumerGroup:
        return self._groups.setdefault(name, ConsumerGroup())

    async def _versions(self, _request: Any, _client: str) -> Any:
        known = [(key, one.API_VERSION, one.API_VERSION) for key, (one, _) in sorted(self.handlers.items())]
        return admin.ApiVersionResponse_v0(0, known)

    async def _metadata(self, request: Any, _client: str) -> Any:
        wanted = self._topics.names() if request.topics is None else request.topics
        return metadata.MetadataResponse_v2(
            [(NODE, self._host, self._port, None)],
            self._cluster_id,
            NODE,
            [self._described(name) for name in wanted],
        )

    def _described(self, name: str) -> tuple[int, str, bool, list[tuple[Any, ...]]]:
        count = len(self._topics.partitions(name))
        partitions = [(0, number, NODE, [NODE], [NODE]) for number in range(count)]
        return 0 if count else UNKNOWN_PARTITION, name, False, partitions

    async def _create_topics(self, request: Any, _client: str) -> Any:
        results: list[tuple[str, int, str | None]] = []
        for name, partitions, _replication, _replicas, settings in request.create_topic_requests:
            compacted = "compact" in dict(settings).get("cleanup.policy", "")
            try:
                made = request.validate_only or self._topics.create(name, partitions, compacted=compacted)
                results.append((name, 0 if made else TOPIC_EXISTS, None))
            except ValueError as error:
                results.append((name, INVALID_PARTITIONS, str(error)))
        return admin.CreateTopicsResponse_v1(results)

    async def _delete_topics(self, request: Any, _client: str) -> Any:
        found = [(name, 0 if self._topics.delete(name) else UNKNOWN_PARTITION) for name in request.topics]
        return admin.DeleteTopicsResponse_v1(0, found)

    async def _delete_records(self, request: Any, _client: str) -> Any:
        def trimmed(log: PartitionLog, before: int) -> tuple[int, int]:
            if before > log.end:
                return -1, OUT_OF_RANGE
            log.trim(log.end if before < 0 else before)
            return log.start, 0

        return admin.DeleteRecordsResponse_v0(0, self._each(request.topics, trimmed, (-1, UNKNOWN_PARTITION)))

    async def _produce(self, request: Any, _client: str) -> Any:
        def taken(log: PartitionLog, data: bytes) -> tuple[int, int, int]:
            try:
                return 0, log.append(data), -1
            except RecordBatchError:
                return CORRUPT, -1, -1

        answers = self._each(request.topics, taken, (UNKNOWN_PARTITION, -1, -1))
        return produce.ProduceResponse_v3(answers, 0) if request.required_acks else None

    async def _fetch(self, request: Any, _client: str) -> Any:
        wanted = [PartitionFetch(topic, *one) for topic, partitions in request.topics for one in partitions]
        found = await fetch_from(
            self._topics,
            wanted,
            wait_s=request.max_wait_time / 1000,
            bytes_min=request.min_bytes,
            bytes_max=request.max_bytes,
        )
        answers: dict[str, list[tuple[Any, ...]]] = {}
        for one in found:
            answers.setdefault(one.request.topic, []).append(
                (one.request.partition, one.error, one.end, one.end, [], one.data)
            )
        return fetch.FetchResponse_v4(0, list(answers.items()))

    async def _offsets(self, request: Any, _client: str) -> Any:
        def sought(log: PartitionLog, time: int) -> tuple[int, int, int]:
            if time == LATEST:
                return 0, -1, log.end
            if time == EARLIEST:
                return 0, -1, log.start
            at = log.offset_at(time)
            return 0, -1 if at is None else time, -1 if at is None else at

        return offset.OffsetResponse_v2(0, self._each(request.topics, sought, (UNKNOWN_PARTITION, -1, -1)))

    def _each(
        self, asked: Iterable[tuple[str, Iterable[tuple[int, Any]]]], answer: Callable[..., Any], unknown: Any
    ) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """Return, topic by topic, each partition with its answer to what was asked of it."""
        answers = []
        for topic, partitions in asked:
            found = []
            for number, asked_of_it in partitions:
                log = self._topics.find(topic, number)
                found.append((number, *(unknown if log is None else answer(log, asked_of_it))))
            answers.append((topic, found))
        return answers

    async def _coordinator(self, _request: Any, _client: str) -> Any:
        return coordination.FindCoordinatorResponse_v1(0, 0, None, NODE, self._host, self._port)

    async def _join(self, request: Any, client: str) -> Any:
        joined = await self._group(request.group).join(
            request.member_id,
            client,
            request.session_timeout / 1000,
            request.rebalance_timeout / 1000,
            request.group_protocols,
        )
        return group.JoinGroupResponse_v2(0, *joined)

    async def _sync(self, request: Any, _client: str) -> Any:
        error, share = await self._group(request.group).sync(
            request.member_id, request.generation_id, request.group_assignment
        )
        return group.SyncGroupResponse_v1(0, error, share)

    async def _heartbeat(self, request: Any, _client: str) -> Any:
        error = self._group(request.group).heartbeat(request.member_id, request.generation_id)
        return group.HeartbeatResponse_v1(0, error)

    async def _leave(self, request: Any, _client: str) -> Any:
        return group.LeaveGroupResponse_v1(0, self._group(request.group).leave(request.member_id))

    async def _commit(self, request: Any, _client: str) -> Any:
        offsets = {
            (topic, number): CommittedOffset(at, note)
            for topic, partitions in request.topics
            for number, at, note in partitions
        }
        error = self._group(request.consumer_group).commit(
            request.consumer_id, request.consumer_group_generation_id, offsets
        )
        answers = [(topic, [(one[0], error) for one in partitions]) for topic, partitions in request.topics]
        return commit.OffsetCommitResponse_v3(0, answers)

    async def _committed(self, request: Any, _client: str) -> Any:
        known = self._group(request.consumer_group).committed
        asked = request.topics
        if asked is None:
            asked = [(topic, [n for t, n in known if t == topic]) for topic in sorted({t for t, _ in known})]
        nothing = CommittedOffset(-1, "")
        answers = [
            (topic, [(number, *known.get((topic, number), nothing), 0) for number in partitions])
            for topic, partitions in asked
        ]
        return commit.OffsetFetchResponse_v3(0, answers, 0)
