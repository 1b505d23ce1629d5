"""The cluster's DNS: A records of Services and pods, with the caching that CoreDNS does.

Answers are authoritative for everything: what is not known does not exist (NXDOMAIN). Every
answer, also a negative one, is kept for ``ttl_s``, as CoreDNS keeps it (5 s by default): so the
name of a new pod may be missing for that long after somebody asked too early, and a pod that moved
may be found at its former address.
"""

import asyncio
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

A, AAAA, ANY_CLASS = 1, 28, 1
NXDOMAIN, REFUSED = 3, 5
_HEADER = struct.Struct("!6H")
_RESPONSE, _AUTHORITATIVE, _RECURSION = 0x8000, 0x0400, 0x0180
_SOA_TYPE = 6

Resolve = Callable[[str], Sequence[str] | None]
"""A lower-case name without the last dot → its IPv4 addresses; None: there is no such name."""


class Names(asyncio.DatagramProtocol):
    """The server. ``asked`` counts what came: names with their answers' sizes (-1: NXDOMAIN)."""

    def __init__(self, resolve: Resolve, *, ttl_s: float) -> None:
        self._resolve = resolve
        self._ttl_s = ttl_s
        self._kept: dict[str, tuple[float, Sequence[str] | None]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._streams: asyncio.Server | None = None
        self._closed = asyncio.Event()
        self.asked: Counter[tuple[str, int]] = Counter()

    async def start(self, host: str, port: int = 53) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        self._streams = await asyncio.start_server(self._stream, host, port)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()  # else the next server finds the address in use
        if self._streams is not None:
            self._streams.close()

    # --- both transports ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # the loop's is none by type

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(self.answer(data), addr)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(length))
                writer.write(struct.pack("!H", len(answer)) + answer)
        except (EOFError, OSError):
            writer.close()

    # --- one question ------------------------------------------------------------------

    def answer(self, query: bytes) -> bytes:
        """A message of RFC 1035 for one with a single question."""
        number, flags, questions, *_ = _HEADER.unpack_from(query)
        if questions != 1:
            return _HEADER.pack(number, _RESPONSE | REFUSED, 0, 0, 0, 0)
        name, end = _name(query)
        kind = int.from_bytes(query[end : end + 2])
        question = query[_HEADER.size : end + 4]
        found = self._lookup(name)
        self.asked[name, -1 if found is None else len(found)] += 1
        addresses = found if found and kind == A else ()
        head = _RESPONSE | _AUTHORITATIVE | flags & _RECURSION | (NXDOMAIN if found is None else 0)
        records = b"".join(self._record(address) for address in addresses)
        authority = b"" if addresses else self._start_of_authority()
        header = _HEADER.pack(number, head | 0x80, 1, len(addresses), bool(authority), 0)
        return header + question + records + authority

    def _lookup(self, name: str) -> Sequence[str] | None:
        now_s = time.monotonic()
        until_s, found = self._kept.get(name, (0.0, None))
        if now_s >= until_s:
            found = self._resolve(name)
            self._kept[name] = now_s + self._ttl_s, found
        return found

    def _record(self, address: str) -> bytes:
        data = bytes(int(part) for part in address.split("."))
        return b"\xc0\x0c" + struct.pack("!HHIH", A, ANY_CLASS, self._seconds, len(data)) + data

    def _start_of_authority(self) -> bytes:
        """With it a resolver knows how long it may keep a negative answer (RFC 2308)."""
        data = b"\0\0" + struct.pack("!5I", 1, 60, 60, 60, self._seconds)
        return b"\0" + struct.pack("!HHIH", _SOA_TYPE, ANY_CLASS, self._seconds, len(data)) + data

    @property
    def _seconds(self) -> int:
        return max(1, round(self._ttl_s))


def _name(query: bytes) -> tuple[str, int]:
    """The question's name, and where it ends."""
    labels, at = [], _HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 1
