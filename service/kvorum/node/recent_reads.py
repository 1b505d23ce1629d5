"""Results of reads made on this node, so that ``/command/{id}`` can tell them for a while."""

from collections import deque

from kvorum.node.views import ReadResult


class RecentReads:
    """The last results: at most ``count_max``, and ``bytes_max`` of values."""

    def __init__(self, count_max: int = 4096, bytes_max: int = 16 << 20) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._results: dict[str, ReadResult] = {}
        self._order: deque[ReadResult] = deque()

    def add(self, result: ReadResult) -> None:
        """Remember a result; a later one under the same request id replaces it."""
        record = result.record
        self._results[result.request_id] = result
        self._order.append(result)
        if record is not None:
            self._bytes += len(record.value)
        if len(self._order) > self._count_max or self._bytes > self._bytes_max:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._order) > self._count_max or self._bytes > self._bytes_max:
            oldest = self._order.popleft()
            self._bytes -= len(oldest.record.value) if oldest.record else 0
            if self._results.get(oldest.request_id) is oldest:
                del self._results[oldest.request_id]

    def find(self, request_id: str) -> ReadResult | None:
        return self._results.get(request_id)
