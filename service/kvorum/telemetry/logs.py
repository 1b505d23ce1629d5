"""One log line an event: for people on a terminal, as JSON for everything else.

Modules log through the standard library: ``logging.getLogger("kvorum.<part>")`` and
``log.info("became leader", extra={"term": 3})``. The message says what happened and is
always the same for the same event; what varies goes into the fields.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "human", "json"]

_FOREIGN = ("asyncio", "grpc", "litestar", "uvicorn", "uvicorn.access", "uvicorn.error")
_STANDARD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
_RESERVED = ("time", "level", "logger", "message", "exception")
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_MESSAGE_WIDTH = 40


def configure_logs(
    level: Level, log_format: Format, stream: TextIO, *, fields: Mapping[str, str] | None = None
) -> None:
    """Send the whole process's log lines to ``stream``.

    ``fields`` stand in every JSON line, for example the node's id. Libraries may speak
    from warning level on. A second call replaces the first.
    """
    handler = logging.StreamHandler(stream)
    on_terminal = stream.isatty()
    if log_format == "human" or (log_format == "auto" and on_terminal):
        handler.setFormatter(HumanFormatter(colour=on_terminal))
    else:
        handler.setFormatter(JsonFormatter(fields or {}))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _FOREIGN:
        _subdue(logging.getLogger(name), root.level)


def _subdue(logger: logging.Logger, level: int) -> None:
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(max(level, logging.WARNING))


def extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed as ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class HumanFormatter(logging.Formatter):
    """``12:00:03.512 info    raft     became leader      term=3``; tracebacks below."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        part = record.name.removeprefix("kvorum.")
        extra = extra_fields(record)
        extra.pop("span_id", None)  # the trace is enough to find it
        fields = " ".join(f"{name}={_shown(value)}" for name, value in extra.items())
        message = (
            f"{record.getMessage():<{_MESSAGE_WIDTH}} {fields}" if fields else record.getMessage()
        )
        line = f"{time} {record.levelname.lower():<7} {part:<9} {message}"
        if self._colour and record.levelname in _COLOURS:
            line = f"\x1b[{_COLOURS[record.levelname]}m{line}\x1b[0m"
        return "\n".join(filter(None, (line, self._exception(record))))

    def _exception(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonFormatter(logging.Formatter):
    """One object a line: time (RFC 3339, UTC), level, logger, message, then the fields.

    A field that bears one of those names gets an underscore at its end.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
        }
        for name, value in extra_fields(record).items():
            line[f"{name}_" if name in _RESERVED else name] = value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def _shown(value: object) -> str:
    """Quoted only where spaces or an empty text would mislead."""
    text = str(value)
    return text if text and text.isprintable() and " " not in text else repr(text)
