"""`kvorum import`: from a file's lines to keys, with what failed reported line by line."""

from argparse import Namespace
from collections.abc import Iterator

from kvorum.cli.console import Console
from kvorum.cli.data.batching import batches
from kvorum.cli.data.formats import Entry, Wrong
from kvorum.cli.data.import_source import Source
from kvorum.cli.data.import_state import (
    SUFFIX,
    Failure,
    ImportState,
    Job,
    job_of,
    load_state,
    save_state,
)
from kvorum.cli.data.importer import Importer
from kvorum.cli.data.progress import progress
from kvorum.cli.data.session import endpoints_of, reporting, timeout_of
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import json_block, json_line, printable, shortened
from kvorum.cli.signals import ending_in_order
from kvorum.client import Client
from kvorum.client.errors import ClientError

OPERATIONS_MAX = 512
PARALLEL_MAX = 64
FAILURES_TOLD = 100


def run_import(arguments: Namespace, console: Console) -> int:
    """FAILED if something could not be imported."""
    return reporting(lambda: _Import(arguments, console).run(), arguments, console)


class _Import:
    def __init__(self, arguments: Namespace, console: Console) -> None:
        self._arguments = arguments
        self._console = console
        self._source = Source(
            arguments.file, arguments.format, arguments.prefix, stdin=console.stdin
        )
        self._state_file = self._source.path.with_name(self._source.path.name + SUFFIX)
        self._told = 0

    def run(self) -> int:
        if self._arguments.batch > OPERATIONS_MAX or self._arguments.parallel > PARALLEL_MAX:
            raise CommandFailed(
                Exit.USAGE, f"--batch goes up to {OPERATIONS_MAX}, --parallel to {PARALLEL_MAX}"
            )
        if self._arguments.dry_run:
            return self._check()
        # A file that cannot be read to its end is refused before anything is put.
        total = None if self._source.is_stream else sum(1 for _ in self._source.entries())
        client = Client(endpoints_of(self._arguments), timeout_s=timeout_of(self._arguments))
        with client, ending_in_order():
            return self._load(client, total)

    def _check(self) -> int:
        good = failed = 0
        for entry in self._source.entries():
            if isinstance(entry, Wrong):
                failed += 1
                self._tell(Failure(entry.line, entry.reason))
            else:
                good += 1
        return self._conclude("would import", good, failed, [])

    def _load(self, client: Client, total: int | None) -> int:
        state = self._state(client)
        if state.done:
            self._console.warn(f"kvorum: going on after the first {state.done} entries")
        importer = Importer(
            client, state, parallel=self._arguments.parallel, tell=self._tell, save=self._save
        )
        try:
            with progress(self._console, "importing", total) as told:
                importer.run(batches(self._good(importer), self._arguments.batch), told)
        except (ClientError, KeyboardInterrupt):
            self._console.warn(f"kvorum: stopped; {self._way_on(state)}")
            raise
        if not self._source.is_stream:
            self._state_file.unlink(missing_ok=True)
        return self._conclude("imported", state.imported, state.failed, state.failures)

    def _good(self, importer: Importer) -> Iterator[tuple[int, Entry]]:
        """Entries that are still to be put, with their numbers; the wrong ones are told."""
        done = importer.state.done
        for number, entry in enumerate(self._source.entries()):
            if number < done:
                continue
            if isinstance(entry, Wrong):
                importer.fail(Failure(entry.line, entry.reason))
            else:
                yield number, entry

    def _state(self, client: Client) -> ImportState:
        if self._source.is_stream:
            return ImportState(Job(0, 0, self._source.prefix, self._source.form, ""))
        job = job_of(
            self._source.path,
            prefix=self._source.prefix,
            form=self._source.form,
            cluster_id=client.cluster.members().cluster_id,
        )
        if self._arguments.again:
            return ImportState(job)
        return load_state(self._state_file, job)

    def _save(self, state: ImportState) -> None:
        if self._source.is_stream:
            return
        try:
            save_state(self._state_file, state)
        except OSError as error:
            self._console.warn(
                f"kvorum: {self._state_file} cannot be written, so an interrupted import "
                f"would begin anew: {error.strerror}"
            )

    def _way_on(self, state: ImportState) -> str:
        if self._source.is_stream:
            return f"{state.imported} keys were imported"
        return f"the same command goes on after the first {state.done} entries"

    def _tell(self, failure: Failure) -> None:
        """Up to a number; who has thousands of them knows by then."""
        self._told += 1
        if self._told > FAILURES_TOLD:
            return
        if self._arguments.output == "json":
            self._console.warn(json_line(failure))
            return
        key = f" {shortened(printable(failure.key), 80)}:" if failure.key else ""
        self._console.warn(f"kvorum: line {failure.line}:{key} {printable(failure.error)}")

    def _conclude(self, verb: str, good: int, failed: int, failures: list[Failure]) -> int:
        if self._told > FAILURES_TOLD and self._arguments.output != "json":
            self._console.warn(f"kvorum: and {self._told - FAILURES_TOLD} more")
        if self._arguments.output == "json":
            told = {"imported": good, "failed": failed, "failures": failures}
            self._console.say(json_block(told | {"dryRun": self._arguments.dry_run}))
        else:
            keys = f"{good} key{'s' * (good != 1)}"
            but = f"; {failed} failed" if failed else ""
            self._console.say(f"{verb} {keys} from {printable(self._source.name)}{but}")
        return Exit.FAILED if failed else Exit.DONE
