"""The handlers of all requests, in the one version of each that the broker supports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka import errors
from aiokafka.protocol import admin, commit, coordination, fetch, group, metadata, offset, produce

from cli.embedded.broker.consumer_group import CommittedOffset, ConsumerGroup
from cli.embedded.broker.fetch import OUT_OF_RANGE, UNKNOWN_PARTITION, PartitionFetch, fetch_partitions
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
    """Handles requests against the topics and consumer groups of one broker."""

    def __init__(self, cluster_id: str, advertised: str) -> None:
        self._cluster_id = cluster_id
        self._host, _, port = advertised.rpartition(":")
        self._port = int(port)
        self._topics = BrokerTopics()
        self._groups: dict[str, ConsumerGroup] = {}
        #: API key → class of the request, and its handler
        self.handlers: dict[int, tuple[Any, RequestHandler]] = {
            request.API_KEY: (request, handler)
            for request, handler in (
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
        versions = [
            (key, request.API_VERSION, request.API_VERSION)
            for key, (request, _) in sorted(self.handlers.items())
        ]
        return admin.ApiVersionResponse_v0(0, versions)

    async def _metadata(self, request: Any, _client: str) -> Any:
        names = self._topics.names() if request.topics is None else request.topics
        return metadata.MetadataResponse_v2(
            [(NODE, self._host, self._port, None)],
            self._cluster_id,
            NODE,
            [self._topic_metadata(name) for name in names],
        )

    def _topic_metadata(self, name: str) -> tuple[int, str, bool, list[tuple[Any, ...]]]:
        count = len(self._topics.partitions(name))
        partitions = [(0, number, NODE, [NODE], [NODE]) for number in range(count)]
        return 0 if count else UNKNOWN_PARTITION, name, False, partitions

    async def _create_topics(self, request: Any, _client: str) -> Any:
        results: list[tuple[str, int, str | None]] = []
        for name, partitions, _replication, _replicas, settings in request.create_topic_requests:
            compacted = "compact" in dict(settings).get("cleanup.policy", "")
            try:
                created = request.validate_only or self._topics.create(name, partitions, compacted=compacted)
                results.append((name, 0 if created else TOPIC_EXISTS, None))
            except ValueError as error:
                results.append((name, INVALID_PARTITIONS, str(error)))
        return admin.CreateTopicsResponse_v1(results)

    async def _delete_topics(self, request: Any, _client: str) -> Any:
        results = [(name, 0 if self._topics.delete(name) else UNKNOWN_PARTITION) for name in request.topics]
        return admin.DeleteTopicsResponse_v1(0, results)

    async def _delete_records(self, request: Any, _client: str) -> Any:
        def trim(log: PartitionLog, before: int) -> tuple[int, int]:
            if before > log.end:
                return -1, OUT_OF_RANGE
            log.trim(log.end if before < 0 else before)
            return log.start, 0

        return admin.DeleteRecordsResponse_v0(
            0, self._for_each_partition(request.topics, trim, (-1, UNKNOWN_PARTITION))
        )

    async def _produce(self, request: Any, _client: str) -> Any:
        def append(log: PartitionLog, data: bytes) -> tuple[int, int, int]:
            try:
                return 0, log.append(data), -1
            except RecordBatchError:
                return CORRUPT, -1, -1

        results = self._for_each_partition(request.topics, append, (UNKNOWN_PARTITION, -1, -1))
        return produce.ProduceResponse_v3(results, 0) if request.required_acks else None

    async def _fetch(self, request: Any, _client: str) -> Any:
        requests = [PartitionFetch(topic, *one) for topic, partitions in request.topics for one in partitions]
        fetched = await fetch_partitions(
            self._topics,
            requests,
            wait_s=request.max_wait_time / 1000,
            bytes_min=request.min_bytes,
            bytes_max=request.max_bytes,
        )
        by_topic: dict[str, list[tuple[Any, ...]]] = {}
        for partition in fetched:
            by_topic.setdefault(partition.request.topic, []).append(
                (
                    partition.request.partition,
                    partition.error,
                    partition.end,
                    partition.end,
                    [],
                    partition.data,
                )
            )
        return fetch.FetchResponse_v4(0, list(by_topic.items()))

    async def _offsets(self, request: Any, _client: str) -> Any:
        def find_offset(log: PartitionLog, time: int) -> tuple[int, int, int]:
            if time == LATEST:
                return 0, -1, log.end
            if time == EARLIEST:
                return 0, -1, log.start
            found = log.offset_at(time)
            return (0, -1, -1) if found is None else (0, time, found)

        return offset.OffsetResponse_v2(
            0, self._for_each_partition(request.topics, find_offset, (UNKNOWN_PARTITION, -1, -1))
        )

    def _for_each_partition(
        self,
        topics: Iterable[tuple[str, Iterable[tuple[int, Any]]]],
        handle: Callable[[PartitionLog, Any], tuple[Any, ...]],
        unknown: tuple[Any, ...],
    ) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """Return by topic each partition with the result of `handle`, or with `unknown` if it is missing."""
        results = []
        for topic, partitions in topics:
            of_topic: list[tuple[Any, ...]] = []
            for number, argument in partitions:
                log = self._topics.find(topic, number)
                of_topic.append((number, *(unknown if log is None else handle(log, argument))))
            results.append((topic, of_topic))
        return results

    async def _coordinator(self, _request: Any, _client: str) -> Any:
        return coordination.FindCoordinatorResponse_v1(0, 0, None, NODE, self._host, self._port)

    async def _join(self, request: Any, client: str) -> Any:
        result = await self._group(request.group).join(
            request.member_id,
            client,
            request.session_timeout / 1000,
            request.rebalance_timeout / 1000,
            request.group_protocols,
        )
        return group.JoinGroupResponse_v2(0, *result)

    async def _sync(self, request: Any, _client: str) -> Any:
        error, assignment = await self._group(request.group).sync(
            request.member_id, request.generation_id, request.group_assignment
        )
        return group.SyncGroupResponse_v1(0, error, assignment)

    async def _heartbeat(self, request: Any, _client: str) -> Any:
        error = self._group(request.group).heartbeat(request.member_id, request.generation_id)
        return group.HeartbeatResponse_v1(0, error)

    async def _leave(self, request: Any, _client: str) -> Any:
        return group.LeaveGroupResponse_v1(0, self._group(request.group).leave(request.member_id))

    async def _commit(self, request: Any, _client: str) -> Any:
        offsets = {
            (topic, number): CommittedOffset(position, note)
            for topic, partitions in request.topics
            for number, position, note in partitions
        }
        error = self._group(request.consumer_group).commit(
            request.consumer_id, request.consumer_group_generation_id, offsets
        )
        results = [(topic, [(one[0], error) for one in partitions]) for topic, partitions in request.topics]
        return commit.OffsetCommitResponse_v3(0, results)

    async def _committed(self, request: Any, _client: str) -> Any:
        committed = self._group(request.consumer_group).committed
        topics = request.topics
        if topics is None:
            numbers: dict[str, list[int]] = {}
            for topic, number in committed:
                numbers.setdefault(topic, []).append(number)
            topics = sorted(numbers.items())
        none = CommittedOffset(-1, "")
        results = [
            (topic, [(number, *committed.get((topic, number), none), 0) for number in partitions])
            for topic, partitions in topics
        ]
        return commit.OffsetFetchResponse_v3(0, results, 0)
