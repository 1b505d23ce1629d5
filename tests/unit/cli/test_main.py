"""Arguments of the `kvorum` command."""

import subprocess
import sys

import pytest

from kvorum.cli.main import main


def test_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "\n  kvorum put greeting hello" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_subcommand_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"kvorum {command} --env-file 1.env" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["fly"], ["serve", "--env"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: kvorum" in capsys.readouterr().err


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    told = capsys.readouterr()
    assert told.out == ""
    assert "    watch " in told.err
    assert told.err.endswith("name a COMMAND\n")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("gett x", "there is no command 'gett'; did you mean get?"),
        ("lease shw x", "did you mean show?"),
        ("xyzzy", "`kvorum --help` lists them"),
    ],
)
def test_an_unknown_command(line: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert hint in capsys.readouterr().err


def test_variables_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variables"]) == 0
    assert "OTHER_NODES=" in capsys.readouterr().out


def test_help_loads_neither_grpc_nor_the_web_framework() -> None:
    code = "import sys, kvorum.cli.main; print({'grpc', 'litestar', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    "command",
    [
        "member",
        "member list",
        "member add",
        "member promote",
        "member remove",
        "transfer",
        "recover",
    ],
)
def test_help_on_asking_a_cluster(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    assert f"examples:\n  kvorum {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("member", "required: COMMAND"),
        ("member add", "required: ADDRESS"),
        ("member list --endpoint ftp://x", "'ftp://x' is no URL of a node"),
        ("transfer -o xml", "invalid choice: 'xml'"),
    ],
)
def test_wrong_questions(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("line", ["member list", "transfer"])
def test_an_unreachable_cluster(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVORUM_ENDPOINT", "http://localhost:1")
    assert main(line.split()) == 5
    assert "http://localhost:1 cannot be reached" in capsys.readouterr().err
