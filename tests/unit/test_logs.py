"""Log lines for people and for machines."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from kvorum.telemetry.logs import configure_logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


log = logging.getLogger("kvorum.raft")


def test_json_line_holds_message_and_fields() -> None:
    stream = io.StringIO()
    configure_logs("info", "auto", stream, fields={"node": "Node-1"})
    log.info("became leader", extra={"term": 3, "peers": ["a:1"]})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "kvorum.raft",
        "message": "became leader",
        "node": "Node-1",
        "term": 3,
        "peers": ["a:1"],
    }


def test_json_is_one_line_even_with_a_traceback() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("apply failed")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: two\nlines" in json.loads(stream.getvalue())["exception"]


def test_json_field_does_not_overwrite_a_standard_one() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    log.info("tick", extra={"time": 5})
    line = json.loads(stream.getvalue())
    assert line["time_"] == 5
    assert line["time"] != 5


def test_json_shows_what_it_cannot_encode_as_text() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    log.info("refused", extra={"error": ValueError("no")})
    assert json.loads(stream.getvalue())["error"] == "no"


def test_human_line_on_a_terminal() -> None:
    stream = Terminal()
    configure_logs("info", "auto", stream)
    log.info("became leader", extra={"term": 3, "reason": "no heartbeat"})
    line = stream.getvalue()
    assert line.split()[1:5] == ["info", "raft", "became", "leader"]
    assert line.endswith("term=3 reason='no heartbeat'\n")
    assert "\x1b" not in line


@pytest.mark.parametrize(("stream", "coloured"), [(Terminal(), True), (io.StringIO(), False)])
def test_colour_only_on_a_terminal(stream: io.StringIO, coloured: bool) -> None:
    configure_logs("info", "human", stream)
    log.warning("peer refused")
    assert ("\x1b[33m" in stream.getvalue()) is coloured


def test_human_traceback_follows_the_line() -> None:
    stream = io.StringIO()
    configure_logs("info", "human", stream)
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("apply failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("apply failed")
    assert rest[0].startswith("Traceback")


def test_level_is_respected() -> None:
    stream = io.StringIO()
    configure_logs("warning", "human", stream)
    log.info("unheard")
    log.warning("heard")
    assert "unheard" not in stream.getvalue()
    assert "heard" in stream.getvalue()


@pytest.mark.parametrize("name", ["uvicorn.access", "uvicorn.error", "grpc", "litestar"])
def test_libraries_speak_through_us_from_warning_on(name: str) -> None:
    stream = io.StringIO()
    library = logging.getLogger(name)
    library.addHandler(logging.StreamHandler(io.StringIO()))
    configure_logs("debug", "human", stream)
    library.info("unheard")
    library.warning("heard")
    assert "unheard" not in stream.getvalue()
    assert stream.getvalue().count("heard") == 1


def test_second_configuration_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logs("info", "human", first)
    configure_logs("info", "human", second)
    log.info("once")
    assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)
