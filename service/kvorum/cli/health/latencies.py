"""How long each of many operations took, and what that amounts to."""

from collections.abc import Sequence
from math import ceil

from msgspec import Struct


class Latencies(Struct, frozen=True):
    """``samples_s`` in ascending order, taken within ``seconds``; ``failed`` are not among them."""

    samples_s: tuple[float, ...]
    seconds: float
    failed: int = 0
    failure: str = ""

    @classmethod
    def of(
        cls, samples_s: Sequence[float], seconds: float, failed: int = 0, failure: str = ""
    ) -> "Latencies":
        return cls(tuple(sorted(samples_s)), seconds, failed, failure)

    @property
    def count(self) -> int:
        return len(self.samples_s)

    @property
    def rate(self) -> float:
        """A second."""
        return self.count / self.seconds if self.seconds else 0.0

    def quantile(self, q: float) -> float:
        """Seconds; the smallest sample that ``q`` of all do not exceed. 0 without any."""
        if not self.samples_s:
            return 0.0
        return self.samples_s[max(0, ceil(q * self.count) - 1)]

    def fields(self) -> dict[str, object]:
        """For programs; milliseconds."""
        named = {"p50Ms": 0.5, "p90Ms": 0.9, "p99Ms": 0.99, "p999Ms": 0.999, "maxMs": 1.0}
        quantiles = {name: round(self.quantile(q) * 1000, 3) for name, q in named.items()}
        told: dict[str, object] = {"count": self.count, "perSecond": round(self.rate, 1)}
        return {**told, **quantiles, "failed": self.failed}
