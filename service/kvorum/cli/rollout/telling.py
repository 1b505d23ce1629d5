"""What a rollout says while it goes on: a line a step, with the time; or an object a line."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

from kvorum.cli.console import Console
from kvorum.cli.output import json_line, printable


def _now() -> datetime:
    return datetime.now(UTC)


class Telling:
    """Each line leaves at once: pods' logs are read while they run."""

    def __init__(
        self,
        console: Console,
        *,
        as_json: bool,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._console = console
        self._as_json = as_json
        self._now = now
        self._clock = clock
        self._begun_s = clock()

    def tell(self, step: str, text: str, **fields: object) -> None:
        """``step`` and ``fields`` are for programs."""
        if self._as_json:
            self._console.say(json_line({**self._times(), "step": step, "text": text, **fields}))
        else:
            at = self._now().astimezone().isoformat(sep=" ", timespec="milliseconds")[11:23]
            self._console.say(f"{at}  {printable(text)}")
        self._console.stdout.flush()

    def _times(self) -> dict[str, object]:
        at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"time": at, "elapsedSeconds": round(self._clock() - self._begun_s, 3)}
