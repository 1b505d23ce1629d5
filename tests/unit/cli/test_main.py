"""Arguments of the `kvorum` command."""

import subprocess
import sys

import pytest

from kvorum.cli.main import main


def test_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "kvorum serve --env-file 1.env" in capsys.readouterr().out


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


def test_variables_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variables"]) == 0
    assert "OTHER_NODES=" in capsys.readouterr().out


def test_help_loads_neither_grpc_nor_the_web_framework() -> None:
    code = "import sys, kvorum.cli.main; print({'grpc', 'litestar', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
