"""The part of a URL behind the question mark, decoded when somebody asks for a parameter.

Names and values are percent-encoded UTF-8, and ``+`` is a space, as forms and most clients
write it. Whoever knows all parameters ends with :meth:`Query.refuse_others`.
"""

from urllib.parse import unquote_to_bytes

from kvorum.errors import InvalidRequest
from kvorum.mvcc.query import KeyRange
from kvorum.rest.locations import broken_escape
from kvorum.rest.selection import CHOICES, Selection, select

PARAMETERS_MAX = 20
REVISION_MAX = (1 << 63) - 1
_SHOWN_MAX = 40  # characters of what the client sent


class Query:
    """Parameters by name; each is taken out by whoever reads it."""

    __slots__ = ("_values",)

    def __init__(self, raw: bytes) -> None:
        """Raises ``InvalidRequest`` for too many parameters."""
        self._values: dict[bytes, list[bytes]] = {}
        pairs = [pair for pair in raw.split(b"&") if pair]
        if len(pairs) > PARAMETERS_MAX:
            raise InvalidRequest(f"the query has more than {PARAMETERS_MAX} parameters")
        for pair in pairs:
            name, _, value = pair.partition(b"=")
            self._values.setdefault(_plain(name), []).append(value)

    def take(self, name: str) -> bytes | None:
        """Its decoded bytes, UTF-8; None if absent. Raises ``InvalidRequest``."""
        values = self._values.pop(name.encode("ascii"), None)
        if values is None:
            return None
        if any(value != values[0] for value in values):
            raise InvalidRequest(f"{name} is given twice with different values; give it once")
        return _decoded(name, values[0])

    def flag(self, name: str) -> bool:
        """``true`` or ``false``; a name alone means true."""
        return bool(self.optional_flag(name))

    def optional_flag(self, name: str) -> bool | None:
        """None if absent."""
        value = self.take(name)
        if value is None:
            return None
        if value in (b"", b"true"):
            return True
        if value == b"false":
            return False
        raise InvalidRequest(f"{name}={_shown(value)} is neither true nor false")

    def text(self, name: str) -> str | None:
        """None if absent."""
        value = self.take(name)
        return None if value is None else value.decode()

    def choices(self, name: str, possible: tuple[str, ...]) -> tuple[str, ...]:
        """Those that a list with commas names; all if absent."""
        value = self.text(name)
        if value is None:
            return possible
        chosen = tuple(value.split(","))
        for choice in chosen:
            if choice not in possible:
                raise InvalidRequest(
                    f"{name}: {choice[:_SHOWN_MAX]!r} is unknown; choose among "
                    + ", ".join(possible)
                )
        return chosen

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number; None if absent."""
        value = self.take(name)
        if value is None:
            return None
        number = int(value) if value.isdigit() and len(value) <= 19 else -1
        if not low <= number <= high:
            raise InvalidRequest(f"{name}={_shown(value)} must be a whole number, {low} to {high}")
        return number

    def revision(self) -> int:
        """0 if absent: now."""
        return self.whole("revision", 1, REVISION_MAX) or 0

    def selection(self, key_bytes_max: int) -> Selection | None:
        """``key``, ``prefix``, or ``start`` and ``end``; None if none of them is there."""
        return select(
            key=self.take("key"),
            prefix=self.take("prefix"),
            start=self.take("start"),
            end=self.take("end"),
            key_bytes_max=key_bytes_max,
        )

    def key_range(self, key_bytes_max: int) -> KeyRange:
        """The same where nothing at all would be a mistake."""
        selection = self.selection(key_bytes_max)
        if selection is None:
            raise InvalidRequest(f"the query does not say which keys; give {CHOICES}")
        return selection.range

    def is_stale(self) -> bool:
        """``consistency``, of which the last counts."""
        values = self._values.pop(b"consistency", None) or [b"linearizable"]
        chosen = [_plain(value) for value in values]
        for value in chosen:
            if value not in (b"linearizable", b"stale"):
                raise InvalidRequest(
                    f"consistency={_shown(value)} is unknown; choose linearizable or stale"
                )
        return chosen[-1] == b"stale"

    def drop(self, *names: str) -> None:
        """Somebody else reads these."""
        for name in names:
            self._values.pop(name.encode("ascii"), None)

    def refuse(self, *names: str, instead: str) -> None:
        """Raises ``InvalidRequest`` if one of these is there: ``instead`` says what to do."""
        for name in names:
            if name.encode("ascii") in self._values:
                raise InvalidRequest(f"{name} is no parameter of this request; {instead}")

    def refuse_others(self, known: str) -> None:
        """Raises ``InvalidRequest`` if anything is left; ``known`` says what there is."""
        for name in self._values:
            raise InvalidRequest(f"{_shown(name)} is no parameter of this request; {known}")


def refuse_query(raw: bytes) -> None:
    """For requests without any parameters. Raises ``InvalidRequest``."""
    if raw:
        Query(raw).refuse_others("there are none")


def _plain(name: bytes) -> bytes:
    return unquote_to_bytes(name.replace(b"+", b" "))


def _decoded(name: str, value: bytes) -> bytes:
    position = broken_escape(value)
    if position is not None:
        raise InvalidRequest(
            f"{name} has a % that two hexadecimal digits do not follow; "
            "write %25 for a percent sign"
        )
    decoded = _plain(value)
    if not decoded.isascii():
        try:
            decoded.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"{name} is not UTF-8 at byte {error.start}; percent-encode its UTF-8 form"
            ) from error
    return decoded


def _shown(value: bytes | None) -> str:
    return repr((value or b"").decode("utf-8", "replace")[:_SHOWN_MAX])
