"""Events are found however the stream is cut, and everything that comes is counted."""

import json
from base64 import b64encode

import pytest

from bench.dialects import Dialect, EtcdDialect, KvorumDialect, number_value
from bench.watching import Events

NUMBERS = [0, 7, 12345678901]


def kvorum_stream() -> bytes:
    events = [
        json.dumps({"type": "put", "key": "k", "value": json.loads(number_value(number, 64))})
        for number in NUMBERS
    ]
    compact = (event.replace(": ", ":").replace(", ", ",") for event in events)
    return "".join(f'event: change\ndata: {{"events":[{event}]}}\n\n' for event in compact).encode()


def etcd_stream() -> bytes:
    values = (b64encode(number_value(number, 64).encode()).decode() for number in NUMBERS)
    return "".join(
        f'{{"result":{{"events":[{{"kv":{{"key":"aw==","value":"{value}"}}}}]}}}}\n'
        for value in values
    ).encode()


@pytest.mark.parametrize(
    ("dialect", "stream"),
    [(KvorumDialect(), kvorum_stream()), (EtcdDialect(), etcd_stream())],
    ids=("kvorum", "etcd"),
)
def test_events_are_found_in_any_pieces(dialect: Dialect, stream: bytes) -> None:
    for size in (1, 2, 7, 19, len(stream)):
        events = Events(dialect)
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [number for piece in pieces for number in events.feed(piece)] == NUMBERS
