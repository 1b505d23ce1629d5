"""A node with many keys: ``python bench/million_keys.py [keys]`` (default 1,000,000 of 256 bytes).

Fills a data directory without a network, then measures a real node on it: how long it takes
until it is ready, and what taking a snapshot of all keys does to writes and to the event loop.
Writes go one after the other on each of 16 connections, on the machine that runs the node.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import quantiles
from threading import Event

import uvloop

from bench.local_cluster import GRPC_PORT, REST_PORT
from kvorum.mvcc.command import Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import load_state
from kvorum.raft.membership import Membership
from kvorum.raft.types import Entry, EntryId, EntryKind, HardState, Index, NodeId, Term
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.opening import open_storage
from kvorum.storage.worker import ThreadWorker

BATCH = 1000
VALUE = json.dumps("x" * 254).encode()
ADDRESS = f"localhost:{GRPC_PORT + 1}"
REST = f"localhost:{REST_PORT + 1}"
CONNECTIONS = 16
SNAPSHOT_ENTRIES = 2000


async def fill(directory: Path, keys: int) -> None:
    """A snapshot with all keys, and a log that begins behind it."""
    machine = StateMachine()
    for index in range(1, keys // BATCH + 1):
        puts = [
            encode_command(Put(f"f{index}-{n}", b"key-%d" % (index * BATCH + n), VALUE))
            for n in range(BATCH)
        ]
        machine.apply(index, encode_batch(puts, Stamp(index, 1000, 3600)))
    last = EntryId(Term(1), Index(machine.applied_index))
    fs = OsFileSystem()
    data = DataDirectory.open(
        fs,
        directory,
        node_id="Node-1",
        address=ADDRESS,
        cluster_id="0123456789abcdef",
        members=(ADDRESS,),
        uid="1",
    )
    workers = ThreadWorker("log"), ThreadWorker("snapshots")
    storage = await open_storage(
        fs, data, load_state, log_worker=workers[0], snapshot_worker=workers[1]
    )
    frozen = machine.freeze()
    sink = storage.snapshots.create(last, Membership((NodeId(ADDRESS),)))
    for block in frozen.blocks():
        await sink.write(block)
    snapshot = await sink.finish()
    print(f"snapshot of {machine.key_count:,} keys: {snapshot.size_bytes / 1e6:.0f} MB")
    noop = Entry(Term(1), Index(last.index + 1), EntryKind.NOOP, b"")
    await storage.log.append(HardState(Term(1), None, last.index), [noop], last)
    await storage.close()
    for worker in workers:
        await worker.close()
    data.close()


def serve(directory: Path, log: Path) -> "subprocess.Popen[bytes]":
    environ = {
        **os.environ,
        "EXECUTED_COMMANDS_KEY": "_executed",
        "SELF_ADDRESS": ADDRESS,
        "SELF_ID": "Node-1",
        "OTHER_NODES": "",
        "BROADCAST_TIME_MS": "100",
        "MIN_ELECTION_TIMEOUT_MS": "500",
        "MAX_ELECTION_TIMEOUT_MS": "700",
        "REST_ADDRESS": REST,
        "DATA_DIR": str(directory),
        "SNAPSHOT_ENTRIES": str(SNAPSHOT_ENTRIES),
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "kvorum.cli.main", "serve"],
            env=environ,
            stdout=output,
            stderr=output,
        )


def get(path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://{REST}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return None


def metric(name: str) -> float:
    lines = (get("/metrics") or "").splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


def until_ready() -> float:
    """How long the node that was started just now takes until it serves."""
    began_s = time.monotonic()
    while get("/readyz") is None:
        Event().wait(0.02)
    return time.monotonic() - began_s


def until_snapshot() -> tuple[float, float]:
    """When the first snapshot began and ended."""
    while metric("kvorum_snapshot_duration_seconds_count") < 1:
        Event().wait(0.1)
    ended_s = time.monotonic()
    return ended_s - metric("kvorum_snapshot_duration_seconds_sum") - 0.1, ended_s


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Writers:
    """Writes on a few connections; when each began and how long it took."""

    def __init__(self, keys: int) -> None:
        self._keys = keys
        self._number = 0
        self.done: list[tuple[float, float]] = []

    async def run(self) -> None:
        host, _, port = REST.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        while True:
            self._number += 1
            key = BATCH + self._number * 7919 % self._keys
            body = b'{"value": %b}' % VALUE
            began_s = time.monotonic()
            writer.write(
                b"PUT /key/key-%d HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (key, len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length:")[1].split()[0])
            await reader.readexactly(length)
            self.done.append((began_s, time.monotonic() - began_s))

    def between(self, begin_s: float, end_s: float) -> str:
        took_ms = [1000 * s for at_s, s in self.done if begin_s <= at_s < end_s]
        cuts = quantiles(took_ms, n=100)
        return (
            f"{len(took_ms) / (end_s - begin_s):7.0f} puts/s, ms: median {cuts[49]:.1f}, "
            f"p99 {cuts[98]:.1f}, longest {max(took_ms):.1f}"
        )


async def load(keys: int) -> None:
    """Until one snapshot was taken; what writing was like beside it and otherwise."""
    writers = Writers(keys)
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(writers.run()) for _ in range(CONNECTIONS)]
        begin_s, ended_s = await asyncio.to_thread(until_snapshot)
        await asyncio.sleep(5)
        for task in running:
            task.cancel()
    print(f"before        {writers.between(began_s, begin_s)}")
    print(f"snapshot      {writers.between(begin_s, ended_s)}  ({ended_s - begin_s:.1f} s)")
    print(f"after         {writers.between(ended_s, ended_s + 5)}")


def lag() -> str:
    lines = (get("/metrics") or "").splitlines()
    buckets = [line for line in lines if line.startswith("kvorum_event_loop_lag_seconds_bucket")]
    total = float(buckets[-1].split()[-1])
    within = {line.split('"')[1]: float(line.split()[-1]) for line in buckets}
    return ", ".join(f"{total - within[le]:.0f} above {le} s" for le in ("0.01", "0.025", "0.05"))


async def measure(keys: int) -> None:
    with tempfile.TemporaryDirectory(prefix="kvorum-bench-") as directory:
        data, log = Path(directory) / "data", Path(directory) / "log"
        await fill(data, keys)
        node = serve(data, log)
        try:
            print(f"ready after {until_ready():.1f} s")
            print(f"resident {resident_mib(node.pid):.0f} MiB")
            await load(keys)
            print(
                f"event loop lag, of {metric('kvorum_event_loop_lag_seconds_count'):.0f} "
                f"samples: {lag()}"
            )
            node.kill()
            node.wait()
            node = serve(data, log)
            print(f"ready after kill -9: {until_ready():.1f} s")
        finally:
            node.kill()
            node.wait()


def main() -> None:
    uvloop.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))


if __name__ == "__main__":
    main()
