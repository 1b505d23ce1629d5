"""Reports of wrk and h2load are read, and etcd's messages are protobuf."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from bench.generators import (
    Run,
    frames,
    grpc_frame,
    parse_h2load,
    parse_wrk,
    put_request,
    range_request,
)

WRK = """Running 1s test @ http://127.0.0.1:18081
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.03ms    1.22ms  16.17ms   78.35%
  10571 requests in 1.00s, 1.94MB read
RESULT 10571 1003000 5730 16170 21034 2033664 3 2
"""

H2LOAD = """starting benchmark...
finished in 1.00s, 24046.00 req/s, 8.07MB/s
requests: 24046 total, 24078 started, 24046 done, 24040 succeeded, 6 failed, 5 errored, 1 timeout
status codes: 24038 2xx, 0 3xx, 1 4xx, 1 5xx
traffic: 8.07MB (8460866) total, 7.27MB (7622582) data
"""


def test_the_script_s_line_is_found() -> None:
    found = parse_wrk(WRK)
    assert found == Run(10571, 1.003, 5.73, 16.17, 21.034, 2033664, refused=3, broken=2)
    assert round(found.per_s) == 10539


def test_without_the_line_all_is_shown() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1")


def test_h2load_s_report_is_read() -> None:
    found = parse_h2load(H2LOAD)
    assert (found.requests, found.bytes_read) == (24040, 7622582)
    assert (found.refused, found.broken) == (2, 6)
    assert round(found.per_s) == 24046
    assert found.p99_ms is None


@pytest.mark.parametrize("missing", ["finished in", "requests:", "status codes:", "data"])
def test_a_report_that_reads_differently_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        parse_h2load(H2LOAD.replace(missing, "…"))


def test_a_file_holds_lengths_and_requests() -> None:
    assert frames([b"GET /a\r\n\r\n", b"\n1"]) == b"10\nGET /a\r\n\r\n2\n\n1"


def message_of(name: str, fields: tuple[str, ...]) -> type[Message]:
    """As etcd's rpc.proto numbers them: in this order, all bytes."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    message = file.message_type.add(name=name)
    for number, field in enumerate(fields, start=1):
        message.field.add(name=field, number=number, type=12, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


@pytest.mark.parametrize("size", [1, 127, 128, 256, 65536])
def test_puts_are_protobuf(size: int) -> None:
    kind = message_of("PutRequest", ("key", "value"))
    expected = kind(key=b"k" * 20, value=b"v" * size).SerializeToString()
    assert put_request(b"k" * 20, b"v" * size) == expected


def test_ranges_are_protobuf() -> None:
    kind = message_of("RangeRequest", ("key",))
    assert range_request(b"key") == kind(key=b"key").SerializeToString()


def test_a_frame_says_how_long_its_message_is() -> None:
    assert grpc_frame(b"x" * 300) == b"\0\0\0\x01\x2c" + b"x" * 300
