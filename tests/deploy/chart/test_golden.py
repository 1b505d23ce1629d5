"""Nothing that is rendered changes unseen."""

from difflib import unified_diff

import pytest

from tests.deploy.chart.golden import DIRECTORY, golden


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    return golden()


def test_there_are_no_other_files(rendered: dict[str, str]) -> None:
    assert {file.name for file in DIRECTORY.iterdir()} == set(rendered)


@pytest.mark.parametrize("name", ["default.yaml", "full.yaml", "volume-backup.yaml", "single.yaml"])
def test_renders_are_as_reviewed(rendered: dict[str, str], name: str) -> None:
    kept = (DIRECTORY / name).read_text(encoding="utf-8")
    change = "\n".join(unified_diff(kept.splitlines(), rendered[name].splitlines(), lineterm=""))

    assert not change, f"{change}\n\nif this was meant: python -m tests.deploy.chart.golden"


def test_lines_end_where_they_end(rendered: dict[str, str]) -> None:
    for name, text in rendered.items():
        assert not [line for line in text.splitlines() if line != line.rstrip()], name
