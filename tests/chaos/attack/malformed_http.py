"""Oversized and malformed requests to the api, and to the metrics of each role."""

from __future__ import annotations

import asyncio
import json
import random

from tests.chaos.attack.attack import REST_S, SOURCES, AttackTarget, Met, RepeatedAttack
from tests.chaos.attack.http_attacker import SILENT, http_attacker, request
from tests.chaos.attack.request_flood import PATHS, note_status

_KIB = 1 << 10
_WAIT_S = 3.0


def malformed_requests(dice: random.Random) -> dict[str, bytes]:
    """Return requests that a server must refuse, or answer as any other, by what is odd about them."""
    path = dice.choice(PATHS)
    numbers = ("-1", "0", "1e9", "9" * 400, "NaN", "%00", "٣", "1'--", "")
    nested = b"[" * 50_000
    chunked = b"POST /v1/rules HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    return {
        "random bytes": dice.randbytes(dice.randrange(1, 5_000)),
        "no version": b"GET /\r\n\r\n",
        "method of 10,000 letters": b"A" * 10_000 + b" / HTTP/1.1\r\n\r\n",
        "path of 200 KiB": request("/" + "x" * 200 * _KIB),
        "query of 100 KiB": request("/v1/entities?entity=" + "x" * 100 * _KIB),
        "header of 200 KiB": request(path, "X-Filler: " + "x" * 200 * _KIB),
        "5,000 headers": request(path, *(f"X-{number}: {number}" for number in range(5_000))),
        "two hosts": request(path, "Host: localhost", "Host: example.org"),
        "no host": f"GET {path} HTTP/1.1\r\n\r\n".encode(),
        "NUL in the path": request("/v1/entities/%00/state"),
        "traversal": request("/../../../../etc/passwd"),
        "encoded traversal": request("/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
        "odd number": request(f"/v1/entities?limit={dice.choice(numbers)}"),
        "odd time": request(f"/v1/ledger?start={dice.choice(numbers)}&end=9999-12-31T23:59:60Z"),
        "two lengths": request("/v1/rules", "Content-Length: 5", method="POST", body=b"{}"),
        "endless length": request("/v1/rules", f"Content-Length: {2**63}", method="POST"),
        "negative length": request("/v1/rules", "Content-Length: -1", method="POST"),
        "body of 100 KiB": request("/v1/rules", method="POST", body=b"x" * 100 * _KIB),
        "nested body": request("/v1/rules", "Content-Type: application/json", method="POST", body=nested),
        "body that is not JSON": request("/v1/rules/_backtest", method="POST", body=b"\xff\xfe{"),
        "odd chunk": chunked + b"fffffffffffffffff\r\nx",
        "length and chunks": chunked.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n") + b"0\r\n\r\n",
        "false key": request(path, f"Authorization: Bearer {dice.getrandbits(256):x}"),
        "key of 10,000 characters": request(path, "Authorization: Bearer " + "x" * 10_000),
        "false cursor": request("/v1/live?cursor=" + dice.randbytes(100).hex()),
        "false link": request(f"/v1/acknowledge/{dice.randbytes(40).hex()}"),
        "other protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "upgrade": request("/v1/live", "Connection: Upgrade", "Upgrade: websocket"),
        "half a head": f"GET {path} HTTP/1.1\r\nHost: loc".encode(),
        "odd rule": request("/v1/rules", method="POST", body=json.dumps({"id": "x" * 5_000}).encode()),
    }


class MalformedHttp(RepeatedAttack):
    """A request that is wrong, to the api."""

    name = "malformed HTTP"

    async def _try(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        async with http_attacker(self._port(target, dice), dice.choice(SOURCES)) as attacker:
            requests = malformed_requests(dice)
            await attacker.send(requests[dice.choice(sorted(requests))])
            note_status(await attacker.status(_WAIT_S), met)

    def _port(self, target: AttackTarget, dice: random.Random) -> int:
        return target.http_port


class MalformedMetricsRequests(MalformedHttp):
    """A request that is wrong, to the metrics of a role; and connections that stay with half a request."""

    name = "malformed metrics requests"
    idle_max = 50

    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.idle_max):
                tasks.create_task(self._stay(self._port(target, dice), dice.choice(SOURCES), met))
            tasks.create_task(super()._act(target, random.Random(dice.random()), met))

    async def _stay(self, port: int, source: str, met: Met) -> None:
        while True:
            try:
                async with http_attacker(port, source) as attacker:
                    met.add("half a request")
                    await attacker.send(b"GET /metrics HTTP/1.1\r\nHost: loc")
                    answer = SILENT
                    while answer == SILENT:
                        answer = await attacker.status()
                    met.add(f"half a request: {answer}")
            except (OSError, TimeoutError) as error:
                met.add(f"not connected: {type(error).__name__}")
            await asyncio.sleep(REST_S)

    def _port(self, target: AttackTarget, dice: random.Random) -> int:
        return dice.choice(sorted(target.metrics_ports.values()))
