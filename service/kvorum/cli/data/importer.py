"""Putting batches with several requests under way, and keeping account of them."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from kvorum.cli.data.batching import Batch
from kvorum.cli.data.formats import Entry
from kvorum.cli.data.import_state import FAILURES_KEPT, Failure, ImportState
from kvorum.client import Client
from kvorum.client.errors import Full, Refused
from kvorum.client.txn import put

SAVE_EVERY_S = 1.0


class Importer:
    """Puts batches; ``state`` says at any time what is through.

    A batch that shares a key with one that is under way waits for it: the last one wins, as in
    the file.
    """

    def __init__(
        self,
        client: Client,
        state: ImportState,
        *,
        parallel: int,
        tell: Callable[[Failure], None],
        save: Callable[[ImportState], None],
    ) -> None:
        self.state = state
        self._client = client
        self._parallel = parallel
        self._tell = tell
        self._save = save
        self._saved_s = time.monotonic()
        self._under_way: dict[Future[list[Failure]], Batch] = {}
        self._submitted = state.done

    def run(self, batches: Iterable[Batch], progress: Callable[[int], None]) -> None:
        """Raises what ended it; ``state`` is saved then, and can be gone on from."""
        pool = ThreadPoolExecutor(self._parallel, thread_name_prefix="import")
        try:
            for batch in batches:
                while self._must_wait(batch):
                    self._take_results(progress)
                self._submitted = batch.first + len(batch.entries)
                self._under_way[pool.submit(self._put, batch.entries)] = batch
            while self._under_way:
                self._take_results(progress)
        except BaseException:
            self._save(self.state)
            self._client.close()  # nobody waits for requests that are under way
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _must_wait(self, batch: Batch) -> bool:
        return len(self._under_way) >= self._parallel or any(
            not batch.keys.isdisjoint(other.keys) for other in self._under_way.values()
        )

    def _take_results(self, progress: Callable[[int], None]) -> None:
        finished, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
        for future in finished:
            failures = future.result()
            batch = self._under_way.pop(future)
            self.state.imported += len(batch.entries) - len(failures)
            for failure in failures:
                self.fail(failure)
        self.state.done = min(
            (batch.first for batch in self._under_way.values()), default=self._submitted
        )
        progress(self.state.done)
        if time.monotonic() - self._saved_s >= SAVE_EVERY_S:
            self._save(self.state)
            self._saved_s = time.monotonic()

    def fail(self, failure: Failure) -> None:
        """Counts it, tells it and remembers it."""
        self.state.failed += 1
        if self.state.failed <= FAILURES_KEPT:
            self.state.failures.append(failure)
        self._tell(failure)

    def _put(self, entries: tuple[Entry, ...]) -> list[Failure]:
        """What was refused; a batch that was is halved, to find out what exactly."""
        try:
            self._client.batch(
                put(entry.key, entry.raw, content_type=entry.content_type) for entry in entries
            )
        except Full:
            raise
        except Refused as error:
            if len(entries) > 1:
                middle = len(entries) // 2
                return self._put(entries[:middle]) + self._put(entries[middle:])
            return [Failure(entries[0].line, str(error), entries[0].key)]
        return []
