"""A city with readings to download."""

from __future__ import annotations

import pytest_asyncio

from tests.integration.api.bulk.stored_readings import Readings, store_readings
from tests.integration.api.stored_city import StoredCity


@pytest_asyncio.fixture
async def readings(stored: StoredCity) -> Readings:
    return await store_readings(stored)
