"""`kvorum watch`, as processes that run beside the writers."""

import json
import signal

import pytest

from tests.support.command_line import CommandLine, ended, line_of


def revision_of(kvorum: CommandLine, *words: str) -> int:
    return int(kvorum(*words, "-o", "raw").out)


def test_changes_from_a_revision_on(kvorum: CommandLine, own: str) -> None:
    first = revision_of(kvorum, "put", own + "a", "1")
    second = revision_of(kvorum, "put", own + "a", '{"b": 2}')
    third = revision_of(kvorum, "del", own + "a")
    watch = ("watch", "--prefix", own, "--from-revision", str(first), "--changes", "3")
    assert kvorum(*watch).lines == [
        f"{first}  put  {own}a = 1",
        f'{second}  put  {own}a = {{"b": 2}}',
        f"{third}  delete  {own}a",
    ]
    assert kvorum(*watch, "--previous").lines[1:] == [
        f'{second}  put  {own}a = {{"b": 2}}  (before: 1)',
        f'{third}  delete  {own}a  (before: {{"b": 2}})',
    ]
    assert kvorum(*watch, "-o", "json", "--previous").json_lines[1:] == [
        {
            "revision": second,
            "type": "put",
            "key": own + "a",
            "value": {"b": 2},
            "createRevision": first,
            "modRevision": second,
            "version": 2,
            "previous": {
                "key": own + "a",
                "value": 1,
                "createRevision": first,
                "modRevision": first,
                "version": 1,
            },
        },
        {
            "revision": third,
            "type": "delete",
            "key": own + "a",
            "previous": {
                "key": own + "a",
                "value": {"b": 2},
                "createRevision": first,
                "modRevision": second,
                "version": 2,
            },
        },
    ]


def test_values_alone(kvorum: CommandLine, own: str) -> None:
    first = revision_of(kvorum, "put", own, "1")
    kvorum("put", own, "2")
    watch = ("watch", own, "--from-revision", str(first), "--changes", "2", "-o", "raw")
    assert kvorum(*watch).out == "1\n2\n"


@pytest.mark.parametrize(("types", "line"), [("put", "put"), ("delete", "delete")])
def test_some_changes_alone(kvorum: CommandLine, own: str, types: str, line: str) -> None:
    first = revision_of(kvorum, "put", own, "1")
    kvorum("del", own)
    kvorum("put", own, "2")
    kvorum("del", own)
    watch = ("watch", own, "--from-revision", str(first), "--changes", "2", "--types", types)
    assert [shown.split()[1] for shown in kvorum(*watch).lines] == [line, line]


def test_each_key_of_a_revision_counts_as_a_change(kvorum: CommandLine, own: str) -> None:
    first = revision_of(kvorum, "put", own + "a", "1")
    kvorum("put", own + "b", "1")
    kvorum("del", "--prefix", own)
    watch = ("watch", "--prefix", own, "--from-revision", str(first), "--changes", "3")
    assert len(kvorum(*watch).lines) == 3


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_live_until_a_signal(
    kvorum: CommandLine, own: str, number: signal.Signals, code: int
) -> None:
    first = revision_of(kvorum, "put", own, "0")
    with kvorum.started("watch", own, "--from-revision", str(first), "-o", "json") as watch:
        assert json.loads(line_of(watch))["value"] == 0
        for value in (1, 2):
            kvorum("put", own, str(value))
            assert json.loads(line_of(watch))["value"] == value
        watch.send_signal(number)
        assert ended(watch) == (code, "", "")


@pytest.mark.parametrize("words", [[], ["a", "--prefix", "b"], ["--prefix", "b", "--start", "c"]])
def test_what_to_watch_is_said_clearly(kvorum: CommandLine, words: list[str]) -> None:
    kvorum("watch", *words, code=2)


def test_a_forgotten_past(kvorum: CommandLine, own: str) -> None:
    first = revision_of(kvorum, "put", own, "1")
    kvorum("put", own, "2")
    kvorum("compact", "--keep", "1")
    ran = kvorum("watch", own, "--from-revision", str(first), code=1)
    assert "forgotten" in ran.err


def test_a_reader_that_goes(kvorum: CommandLine, own: str) -> None:
    """As `kvorum watch … | head -1`."""
    first = revision_of(kvorum, "put", own, "1")
    with kvorum.started("watch", own, "--from-revision", str(first)) as watch:
        assert line_of(watch)
        assert watch.stdout is not None
        watch.stdout.close()
        kvorum("put", own, "2")
        assert watch.wait(60) == 0
        assert watch.stderr is not None
        assert watch.stderr.read() == ""
