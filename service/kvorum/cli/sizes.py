"""Sizes and times in a form that people read."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def size_text(size_bytes: float) -> str:
    """``512 B``, ``1.5 MiB``: three digits at most that count."""
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit + 1 < len(_UNITS):
        size, unit = size / 1024, unit + 1
    if unit == 0:
        return f"{size:.0f} B"
    return f"{size:.{0 if size >= 99.95 else 1}f} {_UNITS[unit]}"


def duration_text(seconds: float) -> str:
    """``45 s``, ``12 min``, ``5.3 h``, ``12 d``."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _DAY_S:.0f} d"


def milliseconds_text(seconds: float) -> str:
    """``0.21 ms``, ``14 ms``, ``1.2 s``."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    ms = seconds * 1000
    if ms < 0.1:
        return f"{ms * 1000:.1f} µs"
    return f"{ms:.2f} ms" if ms < 1 else f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"
