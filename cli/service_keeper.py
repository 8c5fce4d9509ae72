"""An embedded service that is kept running: started again, with back-off, when it ends by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from cli.embedded.service import EmbeddedService
from twin.errors import TwinError

log = logging.getLogger(__name__)

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MAX_S = 10.0


async def keep_service_running(service: EmbeddedService, on_change: Callable[[], None]) -> None:
    """Start a service again each time it ends, on the same port and data, until cancelled."""
    while True:
        code = await service.child.wait()
        log.warning("%s ended (code %d); it starts again", service.name, code)
        delay = BACK_OFF_FIRST_S
        while True:
            await asyncio.sleep(delay)
            try:
                await service.start()
                break
            except (TwinError, OSError) as error:
                delay = min(BACK_OFF_MAX_S, 2 * delay)
                log.warning("%s; tried again in %.1f s", error, delay)
        on_change()
