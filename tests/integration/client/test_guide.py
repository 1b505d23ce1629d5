"""The commands and the code of docs/guide.md do what it says, in their order."""

import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from kvorum.client import Client
from tests.integration.app.one_node import OneNode

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "guide.md"

_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTED = re.compile(r"# → (.*)$", re.MULTILINE)
_COMMAND_S = 60.0


def commands(block: str) -> list[tuple[str, str]]:
    """Each command of a console block, and what it should print."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def run(command: str, environ: dict[str, str]) -> str:
    """What it prints, both streams together, and its exit code unless that is 0."""
    done = subprocess.run(
        ["sh", "-c", f"exec 2>&1; {command}"],
        capture_output=True,
        text=True,
        env=environ,
        timeout=_COMMAND_S,
        check=False,
    )
    return done.stdout.rstrip("\n") + (f"\n[{done.returncode}]" if done.returncode else "") + "\n"


def fits(expected: str, printed: str) -> bool:
    """Whether it is what was promised; ``…`` stands for anything."""
    pattern = ".*".join(map(re.escape, expected.strip("\n").split("…")))
    return re.fullmatch(pattern, printed.strip("\n"), re.DOTALL) is not None


def test_the_guide_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    node = OneNode(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    try:
        node.start()
        address = node.environ["REST_ADDRESS"]
        environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KVORUM_ENDPOINT": f"http://{address}",
            "NO_COLOR": "1",
        }
        for kind, block in _BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")):
            if kind == "console":
                for command, expected in commands(block):
                    printed = run(command, environ)
                    assert fits(expected, printed), f"$ {command}\n{printed}"
                continue
            output = StringIO()
            code = block.replace("localhost:8081", address)
            with redirect_stdout(output):
                exec(compile(code, str(DOCUMENT), "exec"), namespace)
            assert output.getvalue().splitlines() == _PRINTED.findall(block), block
    finally:
        client = namespace.get("client")
        if isinstance(client, Client):
            client.close()
        node.close()


def test_the_comparison_notices_what_differs() -> None:
    assert fits("a … c\n", "a b c\n")
    assert not fits("a … c\n", "a b d\n")
    assert not fits("a", "a\n[1]")
