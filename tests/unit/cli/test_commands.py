"""Every command can be loaded, teaches by example, and takes the shared options in both places."""

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator

import pytest

from kvorum.cli.arguments import make_parser, parse
from kvorum.cli.asking import Endpoint, duration_s
from kvorum.cli.commands import load
from kvorum.cli.exits import EXIT_CODES, Exit


def leaves(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """All commands that have no subcommands of their own."""
    groups = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for child in group.choices.values():
            yield from leaves(child)


COMMANDS = {leaf.prog: leaf for leaf in leaves(make_parser())}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_code_of_a_command_exists(name: str) -> None:
    assert callable(load(COMMANDS[name].get_default("run")))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_of_the_command(name: str) -> None:
    assert f"\n  {name}" in COMMANDS[name].format_help().partition("examples:")[2]


def test_all_exit_codes_are_listed() -> None:
    words = EXIT_CODES.split()
    assert all(str(int(code)) in words for code in Exit)


def test_options_are_accepted_before_and_after_the_command() -> None:
    before = parse(["-o", "json", "--timeout", "2s", "member", "list"], {})
    after = parse(["member", "list", "-o", "json", "--timeout", "2s"], {})
    assert (before.output, before.timeout) == (after.output, after.timeout) == ("json", 2.0)


def test_what_stands_after_the_command_wins() -> None:
    line = ["--endpoint", "a:1", "transfer", "--endpoint", "b:2,c:3"]
    assert parse(line, {}).endpoint == (Endpoint("b", 2), Endpoint("c", 3))


def test_the_endpoint_comes_from_the_environment_else_from_the_default() -> None:
    assert parse(["transfer"], {"KVORUM_ENDPOINT": "a:1"}).endpoint == (Endpoint("a", 1),)
    assert parse(["transfer"], {"KVORUM_ENDPOINT": ""}).endpoint == (Endpoint("localhost", 8081),)


def test_a_wrong_environment_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["transfer"], {"KVORUM_ENDPOINT": "nowhere"})
    assert caught.value.code == 2
    assert "KVORUM_ENDPOINT: 'nowhere' is no URL of a node" in capsys.readouterr().err


def test_a_wrong_environment_does_not_concern_commands_that_ask_nobody() -> None:
    assert parse(["variables"], {"KVORUM_ENDPOINT": "nowhere"}).command == "variables"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0), ("1.5", 1.5)],
)
def test_times(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "0", "-1s", "5 weeks", "1e400", "nan", "inf", "5sm"])
def test_wrong_times(text: str) -> None:
    with pytest.raises(Exception, match="is no time, such as 500ms"):
        duration_s(text)


class TestOptionsAnywhere:
    @pytest.mark.parametrize(
        "line",
        [
            "put a b --ttl 30s -o json",
            "put a --ttl 30s b -o json",
            "put --ttl=30s a -o json b",
            "-o json put --ttl 30s a b",
            "put a --ttl 30s -ojson -- b",
            "put -o json a --ttl=30s -- b",
        ],
    )
    def test_between_words(self, line: str) -> None:
        found = parse(line.split(), {})
        assert (found.key, found.value, found.ttl, found.output) == ("a", "b", 30.0, "json")

    @pytest.mark.parametrize("value", ["-1", "-1.5", "-"])
    def test_a_value_may_be_a_negative_number(self, value: str) -> None:
        assert parse(["put", "a", value], {}).value == value

    def test_a_value_like_an_option_stands_after_dashes(self) -> None:
        found = parse(["put", "--string", "a", "--", "--ttl"], {})
        assert (found.value, found.ttl) == ("--ttl", None)

    @pytest.mark.parametrize("line", ["put a b --ttl", "put a b --tt 5s", "put a b c", "put"])
    def test_what_is_wrong_stays_wrong(self, line: str) -> None:
        with pytest.raises(SystemExit) as caught:
            parse(line.split(), {})
        assert caught.value.code == 2


class TestCommandLineOfALock:
    @pytest.mark.parametrize(
        "line", ["lock a --ttl 5s -- cmd --ttl 9s -- x", "lock --ttl 5s a -- cmd --ttl 9s -- x"]
    )
    def test_is_left_alone(self, line: str) -> None:
        found = parse(line.split(), {})
        assert (found.name, found.ttl) == ("a", 5.0)
        assert found.command_line == ["cmd", "--ttl", "9s", "--", "x"]

    def test_may_be_left_out(self) -> None:
        assert parse(["lock", "a"], {}).command_line == []

    def test_stands_after_dashes(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            parse(["lock", "a", "cmd"], {})
        assert "cmd; a COMMAND stands after --" in capsys.readouterr().err
