"""How far an import or export is: a bar on a terminal, else a line now and then; on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from kvorum.cli.console import Console

LINES_EVERY_S = 5.0


class Progress(Protocol):
    """Told after each step how many are done by now."""

    def __call__(self, done: int) -> None: ...


@contextmanager
def progress(console: Console, what: str, total: int | None) -> Iterator[Progress]:
    """``total`` None: nobody knows."""
    if not console.stderr.isatty():
        yield _Lines(console, what, total, time.monotonic)
        return
    from rich.console import Console as RichConsole  # noqa: PLC0415  # slow, and seldom needed
    from rich.progress import Progress as RichProgress  # noqa: PLC0415  # as above

    with RichProgress(console=RichConsole(file=console.stderr), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


class _Lines:
    def __init__(
        self, console: Console, what: str, total: int | None, clock: Callable[[], float]
    ) -> None:
        self._console = console
        self._what = what
        self._of = "" if total is None else f" of {total}"
        self._clock = clock
        self._told_s = clock()

    def __call__(self, done: int) -> None:
        now_s = self._clock()
        if now_s - self._told_s >= LINES_EVERY_S:
            self._told_s = now_s
            self._console.warn(f"kvorum: {self._what}: {done}{self._of}")
