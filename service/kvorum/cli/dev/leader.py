"""Asking nodes over REST who leads."""

import asyncio
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

import msgspec

from kvorum.cli.urls import rest_url
from kvorum.settings import split_address

ANSWER_TIMEOUT_S = 1.0


class Leader(NamedTuple):
    name: str
    term: int


class _Info(msgspec.Struct, rename="camel"):
    current_term: int


class _ClusterInfo(msgspec.Struct, rename="camel"):
    leader_id: str
    info: _Info


async def find_leader(rest_addresses: Sequence[str]) -> Leader | None:
    """The leader of the highest term that any node knows of; None while none does."""
    asked = (asyncio.to_thread(_ask, address) for address in rest_addresses)
    known = [answer for answer in await asyncio.gather(*asked) if answer and answer.name]
    return max(known, key=lambda leader: leader.term, default=None)


def _ask(rest_address: str) -> Leader | None:
    """None if the node does not answer, which is no fault: it may be starting or dead."""
    host, port = split_address(rest_url(rest_address).removeprefix("http://"))
    connection = HTTPConnection(host, port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/cluster/info")
        answer = msgspec.json.decode(connection.getresponse().read(), type=_ClusterInfo)
    except (OSError, HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
    return Leader(answer.leader_id, answer.info.current_term)
