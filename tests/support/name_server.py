"""A name server for tests, whose names come, go and move as those of pods do (RFC 1035)."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_A, _IN = 1, 1
_NO_ERROR, _NO_SUCH_NAME = 0, 3
_HEADER = struct.Struct("!6H")
_TTL_S = 30


class NameServer:
    """Answers queries for IPv4 addresses by UDP; everything else does not exist.

    ``names`` may be changed at any time; ``asked`` counts the queries for each name.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.names: dict[str, str] = {}
        self.asked: dict[str, int] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def serve(self) -> None:
        """Until it is closed."""
        with self._socket as asked:
            while True:
                query, asker = asked.recvfrom(512)
                if not query:
                    return
                asked.sendto(self._answer(query), asker)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())

    def _answer(self, query: bytes) -> bytes:
        number, flags, *_ = _HEADER.unpack_from(query)
        name, end = _name(query, _HEADER.size)
        kind, _ = struct.unpack_from("!2H", query, end)
        self.asked[name] = self.asked.get(name, 0) + 1
        there = self.names.get(name)
        record = b""
        if there is not None and kind == _A:
            head = struct.pack("!3HIH", 0xC000 | _HEADER.size, _A, _IN, _TTL_S, 4)
            record = head + socket.inet_aton(there)
        code = _NO_SUCH_NAME if there is None else _NO_ERROR
        is_recursive = 0x0100 & flags
        header = _HEADER.pack(number, 0x8480 | is_recursive | code, 1, bool(record), 0, 0)
        return header + query[_HEADER.size : end + 4] + record


def _name(query: bytes, at: int) -> tuple[str, int]:
    """In lower case; and where it ends."""
    labels = []
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode().lower())
        at += 1 + size
    return ".".join(labels), at + 1


@contextmanager
def name_server(host: str) -> Iterator[NameServer]:
    """On port 53 of ``host``, which takes root."""
    server = NameServer((host, 53))
    thread = threading.Thread(target=server.serve, name="name server")
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
