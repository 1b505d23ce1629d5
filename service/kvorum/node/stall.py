"""Noticing that this node has stood still: a disk that does not answer, a blocked loop.

A leader that cannot write or that slept past an election timeout keeps followers from
electing a better one as long as its heartbeats go out. So it steps down, and does not
campaign while its disk stands still (§6.2 asks the same of a leader without a majority).
"""

import logging
from collections.abc import Callable

from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.telemetry.state_metrics import StateMetrics

_log = logging.getLogger("kvorum.node")


class StallWatch:
    """Told when writes begin and end; asked at every tick."""

    def __init__(
        self,
        options: NodeOptions,
        clock: Clock,
        metrics: StateMetrics,
        set_able: Callable[[bool], None],
    ) -> None:
        """``set_able(False)`` must end leadership and campaigns, ``set_able(True)`` allow them."""
        self._timeout_s = options.election_timeout_s_max
        self._clock = clock
        self._metrics = metrics
        self._set_able = set_able
        self._writing_since_s: float | None = None
        self._stalled = False

    def write_began(self) -> None:
        self._writing_since_s = self._clock.monotonic_s()

    def write_ended(self) -> None:
        self._writing_since_s = None
        if self._stalled:
            self._stalled = False
            _log.warning("the disk answers again")
            self._set_able(True)

    def look(self, late_s: float) -> None:
        """``late_s``: by how much the event loop came too late to this tick."""
        if late_s > self._timeout_s:
            self._metrics.stalled("event_loop")
            _log.warning(
                "the event loop stood still for longer than an election timeout",
                extra={"seconds": round(late_s, 3)},
            )
            self._set_able(False)  # whatever it led is over …
            self._set_able(not self._stalled)  # … and it may try again
            if self._writing_since_s is not None:
                self._writing_since_s = self._clock.monotonic_s()  # that was not the disk
            return
        since_s = self._writing_since_s
        if since_s is None or self._stalled:
            return
        waited_s = self._clock.monotonic_s() - since_s
        if waited_s > self._timeout_s:
            self._stalled = True
            self._metrics.stalled("disk")
            _log.error(
                "the disk has not answered for longer than an election timeout: "
                "this node does not lead until it does",
                extra={"seconds": round(waited_s, 3)},
            )
            self._set_able(False)
