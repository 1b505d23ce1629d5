"""What each segment of the log is still needed for."""

from pathlib import Path

from msgspec import Struct


class _Segment(Struct, gc=False):
    path: Path
    size_bytes: int
    highest: int = 0  # the greatest index of which it speaks; 0: of none that counts
    has_state: bool = False


class Usage:
    """All segments, the oldest first. Records are noted in their order."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []
        self.size_bytes = 0  # of all of them, space reserved included

    @property
    def oldest(self) -> Path:
        return self._segments[0].path

    def begin(self, path: Path, size_bytes: int) -> None:
        """What is noted next is in this segment; an empty one may be replaced by its like."""
        if not self._segments or self._segments[-1].path != path:
            self._segments.append(_Segment(path, 0))
        self.size_bytes += size_bytes - self._segments[-1].size_bytes
        self._segments[-1].size_bytes = size_bytes

    def note(self, highest: int, has_state: bool, has_base: bool) -> None:
        """A record; one with a base makes void whatever was noted before."""
        segment = self._segments[-1]
        if has_base:
            for before in self._segments:
                before.highest = 0
        if highest > segment.highest:
            segment.highest = highest
        if has_state:
            segment.has_state = True

    def releasable(self, index: int) -> Path | None:
        """The oldest segment, if no entry behind ``index`` is in it, nor the only hard state."""
        first, *later = self._segments
        if first.highest <= index and any(segment.has_state for segment in later):
            return first.path
        return None

    def released(self) -> None:
        """The oldest segment is gone."""
        self.size_bytes -= self._segments[0].size_bytes
        del self._segments[0]
