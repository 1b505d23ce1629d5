"""Bounds of what is kept about traces."""

OPEN_MAX = 2048
"""Spans, entries or tickets in one table; what comes beyond is not traced."""

AGE_NS_MAX = 10_000_000_000
"""After so long nobody expects an answer: the span ends with an error."""

NOTES_MAX = 256
"""In one frame between nodes."""

ABANDONED = "abandoned"
LEADERSHIP_LOST = "leadership_lost"
TIMEOUT = "timeout"
"""Values of ``error.type``."""
