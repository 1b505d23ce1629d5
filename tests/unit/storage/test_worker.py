"""The thread beside the event loop."""

import asyncio
import threading
from functools import partial

import pytest

from kvorum.storage.worker import ThreadWorker


async def test_jobs_run_in_order_beside_the_loop() -> None:
    worker = ThreadWorker("t")
    seen: list[tuple[int, bool]] = []
    here = threading.get_ident()

    def job(number: int) -> int:
        seen.append((number, threading.get_ident() == here))
        return number * 2

    futures = [worker.submit(partial(job, n)) for n in range(20)]
    assert await asyncio.gather(*futures) == [n * 2 for n in range(20)]
    assert seen == [(n, False) for n in range(20)]
    await worker.close()


async def test_what_a_job_raises_is_what_its_future_raises() -> None:
    worker = ThreadWorker("t")

    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await worker.submit(fail)
    assert await worker.submit(lambda: "goes on") == "goes on"
    await worker.close()


async def test_cancelling_does_not_stop_a_job() -> None:
    worker = ThreadWorker("t")
    done: list[str] = []
    assert worker.submit(lambda: done.append("first")).cancel()
    await worker.submit(lambda: done.append("second"))
    assert done == ["first", "second"]
    await worker.close()


async def test_closing_finishes_what_was_submitted_and_ends_the_thread() -> None:
    before = threading.active_count()
    worker = ThreadWorker("t")
    last = worker.submit(lambda: 7)
    await asyncio.gather(worker.close(), worker.close())
    assert last.result() == 7
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="worker t is closed"):
        await worker.submit(lambda: 8)
