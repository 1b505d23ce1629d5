"""wrk and h2load: how they are run, and what they tell.

wrk sends HTTP requests made beforehand (``bench.dialects``). h2load speaks HTTP/2 and sends one
body again and again, which is enough for etcd's native interface: a gRPC message is five bytes
before a protobuf message.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

SCRIPT = Path(__file__).resolve().parent / "requests.lua"
TIMEOUT_S = 10
STREAMS = 16
"""In flight on each connection of h2load, at most."""


class Run(Struct, frozen=True):
    """What one run of a generator found; latencies are None where it does not tell them."""

    requests: int
    seconds: float
    p50_ms: float | None
    p99_ms: float | None
    longest_ms: float | None
    bytes_read: int
    refused: int
    """Answers that were not 2xx."""
    broken: int
    """Connections and requests without an answer."""

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds


def frames(requests: Sequence[bytes]) -> bytes:
    """A file that ``requests.lua`` reads."""
    assert requests, "there is something to send"
    return b"".join(b"%d\n%b" % (len(request), request) for request in requests)


def wrk(file: Path, url: str, connections: int, seconds: int) -> Run:
    """The requests in ``file`` (``frames``) round and round, by one thread."""
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s"]
    command = ["wrk", *options, "-s", str(SCRIPT), url, "--", str(file)]
    return parse_wrk(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def parse_wrk(printed: str) -> Run:
    """Raises ``ValueError`` if the script's line is missing."""
    found = re.search(r"^RESULT (.+)$", printed, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk printed no result:\n{printed}")
    requests, took_us, p50_us, p99_us, longest_us, size, refused, broken = (
        float(field) for field in found[1].split()
    )
    return Run(
        int(requests),
        took_us / 1e6,
        p50_us / 1000,
        p99_us / 1000,
        longest_us / 1000,
        int(size),
        int(refused),
        int(broken),
    )


def h2load(url: str, method: str, body: Path, in_flight: int, seconds: int) -> Run:
    """One gRPC call with the message in ``body``, so many at a time."""
    connections = max(1, in_flight // STREAMS)
    options = [f"-D{seconds}", f"-c{connections}", f"-m{min(in_flight, STREAMS)}", "-t1"]
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    command = ["h2load", *options, *headers, "-d", str(body), f"{url}/{method}"]
    return parse_h2load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def parse_h2load(printed: str) -> Run:
    """Raises ``ValueError`` for a report that reads differently from what is known."""
    rate = re.search(r"finished in ([\d.]+)(ms|s), ([\d.]+) req/s", printed)
    requests = re.search(
        r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, "
        r"(\d+) errored, (\d+) timeout",
        printed,
    )
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", printed)
    data = re.search(r"\((\d+)\) data", printed)
    if rate is None or requests is None or codes is None or data is None:
        raise ValueError(f"h2load's report is not understood:\n{printed}")
    succeeded = int(requests[1])
    refused = sum(int(codes[at]) for at in (2, 3, 4))
    broken = sum(int(requests[at]) for at in (3, 4))
    seconds = succeeded / float(rate[3]) if succeeded else float(rate[1])
    return Run(succeeded, seconds, None, None, None, int(data[1]), refused, broken)


def grpc_frame(message: bytes) -> bytes:
    """Not compressed, the length in four bytes (gRPC over HTTP/2, Length-Prefixed-Message)."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def put_request(key: bytes, value: bytes) -> bytes:
    """``etcdserverpb.PutRequest``: key 1, value 2."""
    return _field(1, key) + _field(2, value)


def range_request(key: bytes) -> bytes:
    """``etcdserverpb.RangeRequest`` of one key: key 1."""
    return _field(1, key)


def _field(number: int, value: bytes) -> bytes:
    """Protobuf's wire type 2: tag, length, bytes."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
