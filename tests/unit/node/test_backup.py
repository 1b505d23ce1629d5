"""A backup lets its snapshot go exactly once, and nobody waits for one that never comes."""

import asyncio

import pytest

from kvorum.errors import Rejected
from kvorum.node.backup import open_backup
from kvorum.raft.snapshot import Snapshot
from tests.unit.node.driver_bench import DriverBench
from tests.unit.node.fakes import settle


async def test_two_backups_of_one_snapshot_are_two_readers() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        taker, store = bench.member._taker, bench.snapshots
        taking = asyncio.create_task(taker.run())
        one = await open_backup(taker, store, bench.machine)
        two = await open_backup(taker, store, bench.machine)
        assert list(store.readers.values()) == [2]
        one.close()
        one.close()
        assert list(store.readers.values()) == [1]
        assert len(await two.read(0, two.size_bytes)) == two.size_bytes
        two.close()
        assert store.readers == {}
        taking.cancel()
        await asyncio.wait([taking])


async def test_whoever_goes_away_while_it_is_read_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with DriverBench() as bench:
        await bench.lead()
        taker, store = bench.member._taker, bench.snapshots
        taking = asyncio.create_task(taker.run())
        await taker.fresh()
        slow: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        check = store.check

        def slowly(snapshot: Snapshot) -> "asyncio.Future[None]":
            _ = check(snapshot)
            return slow

        monkeypatch.setattr(store, "check", slowly)
        asking = asyncio.create_task(open_backup(taker, store, bench.machine))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert list(store.readers.values()) == [1]
        slow.set_result(None)
        await settle()
        assert store.readers == {}
        taking.cancel()
        await asyncio.wait([taking])


async def test_nobody_waits_for_a_snapshot_of_a_node_that_stops() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        taker = bench.member._taker
        waiting = asyncio.create_task(taker.fresh())
        taking = asyncio.create_task(taker.run())
        async with taker._freezing:
            await settle()
            taking.cancel()
            await asyncio.wait([taking])
        for asked in (waiting, taker.fresh()):
            with pytest.raises(Rejected, match="it is stopping"):
                async with asyncio.timeout(1):
                    await asked
