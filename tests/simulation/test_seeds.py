"""A hundred simulated clusters: always the same seeds, and others each time.

A seed that fails is named in the message; ``make sim SEED=…`` tells its story.
"""

import multiprocessing
import secrets
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

import pytest

from kvorum.testing.simulation import Report, run_seed

BATCH = 5
FIXED = [range(first, first + BATCH) for first in range(0, 80, BATCH)]
FRESH_BATCHES = 6
PATIENCE_S = 110.0


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context) as pool:
        yield pool


def run(executor: Executor, seeds: range) -> list[Report]:
    """A broken property raises, with its seed in the message."""
    running = [executor.submit(run_seed, seed) for seed in seeds]
    return [future.result(PATIENCE_S) for future in running]


@pytest.mark.parametrize("seeds", FIXED, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_fixed_seeds(executor: Executor, seeds: range) -> None:
    reports = run(executor, seeds)
    faults = sum((Counter(report.faults) for report in reports), Counter[str]())
    operations = sum(report.operations for report in reports)
    print(f"{operations} operations checked; faults: {dict(faults)}")
    assert operations > 100 * BATCH
    assert len(faults) > 10, "a batch of seeds meets most kinds of faults"


@pytest.mark.parametrize("batch", range(FRESH_BATCHES))
def test_fresh_seeds(executor: Executor, batch: int) -> None:
    first = secrets.randbits(32)
    print(f"seeds {first} to {first + BATCH - 1}")
    run(executor, range(first, first + BATCH))
