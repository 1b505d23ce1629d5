"""The examples of docs/client.md do what they say, in their order."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.integration.app.one_node import OneNode

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "client.md"

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPECTED = re.compile(r"# → (.*)$", re.MULTILINE)


def test_the_examples_print_what_they_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    node = OneNode(tmp_path)
    try:
        node.start()
        namespace: dict[str, object] = {"__name__": "__main__"}
        for number, block in enumerate(_BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")), 1):
            code = block.replace("localhost:8081", node.environ["REST_ADDRESS"])
            output = StringIO()
            with redirect_stdout(output):
                exec(compile(code, f"docs/client.md, example {number}", "exec"), namespace)
            assert output.getvalue().splitlines() == _EXPECTED.findall(block), block
        assert (tmp_path / "backup.snapshot").stat().st_size > 0
    finally:
        node.close()
