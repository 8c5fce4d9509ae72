"""Administration of Kafka: opens clients, and retries an operation until Kafka answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka, client_options
from twin.errors import ServiceError

_RETRY_S = 0.1

Result = TypeVar("Result")


@asynccontextmanager
async def open_admin_client(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client, and close it. Raises CancelledError also where aiokafka swallowed it."""
    client = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await client.start()
        yield client
    finally:
        await client.close()
        raise_if_cancelled()


async def administer(
    kafka: Kafka,
    operation: Callable[[AIOKafkaAdminClient], Awaitable[Result]],
    *,
    purpose: str,
    timeout_s: float,
) -> Result:
    """Run an operation with an admin client; retry until it succeeds.

    Raises ServiceError when Kafka did not `purpose` within `timeout_s`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        try:
            async with open_admin_client(kafka) as client:
                return await operation(client)
        except (KafkaError, OSError) as error:
            if loop.time() > deadline:
                raise ServiceError(
                    f"Kafka at {kafka} did not {purpose} within {timeout_s:.0f} s ({error!r}); "
                    "is it running and reachable?"
                ) from error
            await asyncio.sleep(_RETRY_S)
