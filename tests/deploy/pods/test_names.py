"""The cluster's DNS, asked over both transports."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.deploy.pods.names import AAAA, NXDOMAIN, A, Names

HOST = "127.0.0.1"


class World:
    """The names that exist, and the server's answers to questions."""

    def __init__(self, port: int) -> None:
        self.known: dict[str, list[str]] = {}
        self.port = port

    async def ask(self, name: str, kind: int = A) -> tuple[int, list[str]]:
        """Over TCP: response code and addresses."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        query = question(name, kind)
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        answer = await reader.readexactly(length)
        writer.close()
        return understood(answer)


def question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def understood(answer: bytes) -> tuple[int, list[str]]:
    number, flags, _, records, authority, _ = struct.unpack_from("!6H", answer)
    assert number == 7
    assert flags & 0x8000, "it says that it is an answer"
    assert bool(records) != bool(authority), "what has no addresses tells how long that holds"
    ends = [len(answer) - 16 * left for left in reversed(range(records))]
    return flags & 15, [".".join(map(str, answer[end - 4 : end])) for end in ends]


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    ttl_s = getattr(request, "param", 0.0)
    found = World(0)
    server = Names(found.known.get, ttl_s=ttl_s)
    streams = await asyncio.start_server(server._stream, HOST, 0)
    found.port = streams.sockets[0].getsockname()[1]
    yield found
    streams.close()


async def test_a_name_has_its_addresses_in_any_case(world: World) -> None:
    world.known["kv.db.svc"] = ["198.19.0.1", "198.19.0.2"]
    assert await world.ask("KV.db.Svc") == (0, ["198.19.0.1", "198.19.0.2"])


async def test_an_unknown_name_does_not_exist(world: World) -> None:
    assert await world.ask("kv-1.db.svc") == (NXDOMAIN, [])


async def test_a_name_without_addresses_of_a_kind_exists_all_the_same(world: World) -> None:
    world.known["kv.db.svc"] = ["198.19.0.1"]
    assert await world.ask("kv.db.svc", AAAA) == (0, [])


@pytest.mark.parametrize("world", [60.0], indirect=True)
async def test_answers_are_kept_also_negative_ones(world: World) -> None:
    assert await world.ask("kv-0.db.svc") == (NXDOMAIN, [])
    world.known["kv-0.db.svc"] = ["198.19.0.1"]
    assert await world.ask("kv-0.db.svc") == (NXDOMAIN, [])


async def test_datagrams_get_the_same_answers() -> None:
    server = Names(lambda name: ["198.19.0.9"], ttl_s=1.0)
    assert understood(server.answer(question("any.name", A))) == (0, ["198.19.0.9"])
