"""Startup, liveness and readiness probes, asked as a kubelet asks them (Container v1: Probe)."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from tests.deploy.pods.objects import Manifest, Refused


class Probe(Struct, frozen=True):
    """Times are seconds, of the manifest's multiplied by the pace."""

    path: str
    port: int
    delay_s: float
    period_s: float
    timeout_s: float
    failures: int
    successes: int

    async def ask(self, ip: str) -> bool:
        """True: 200 to 399."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return 200 <= await http_status(ip, self.port, self.path) < 400
        except (OSError, TimeoutError, EOFError, ValueError):
            return False


async def http_status(ip: str, port: int, path: str) -> int:
    """Of a GET; OSError, EOFError, ValueError if there is no answer, or no HTTP."""
    reader, writer = await asyncio.open_connection(ip, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {ip}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        line = await reader.readline()
        return int(line.split(b" ")[1]) if line.count(b" ") > 1 else 0
    finally:
        writer.transport.abort()


def probe(container: Manifest, kind: str, *, pace: float) -> Probe | None:
    """``kind``: startupProbe, livenessProbe or readinessProbe.

    ``pace`` shortens delays and periods. A timeout stays what it is: the program is no faster here.
    """
    given = container.get(kind)
    if given is None:
        return None
    if "httpGet" not in given:
        raise Refused(f"{kind}: the harness knows only httpGet")
    get = given["httpGet"]
    return Probe(
        path=get.get("path", "/"),
        port=port_number(container, get["port"]),
        delay_s=given.get("initialDelaySeconds", 0) * pace,
        period_s=given.get("periodSeconds", 10) * pace,
        timeout_s=given.get("timeoutSeconds", 1),
        failures=given.get("failureThreshold", 3),
        successes=given.get("successThreshold", 1),
    )


def port_number(container: Manifest, port: int | str) -> int:
    if isinstance(port, int):
        return port
    found = [each["containerPort"] for each in container["ports"] if each.get("name") == port]
    if len(found) != 1:
        raise Refused(f"container {container['name']} has no port {port}")
    return int(found[0])


async def watch(probe: Probe, ip: str, on_change: Callable[[bool], Awaitable[None]]) -> None:
    """For ever: tell each time when enough answers in turn say something new."""
    await asyncio.sleep(probe.delay_s)
    known: bool | None = None
    agreeing, last = 0, False
    while True:
        answer = await probe.ask(ip)
        agreeing = agreeing + 1 if answer == last else 1
        last = answer
        if answer != known and agreeing >= (probe.successes if answer else probe.failures):
            known = answer
            await on_change(answer)
        await asyncio.sleep(probe.period_s)
