"""Every script in this directory still tells the same story (see README.md)."""

from pathlib import Path

import pytest

from tests.support.raft_script import SEPARATOR, ScriptError, run

SCRIPTS = sorted(path for path in Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scenario(path: Path, request: pytest.FixtureRequest) -> None:
    script, _, expected = path.read_text(encoding="utf-8").partition(f"\n{SEPARATOR}\n")
    told = run(script)
    if request.config.getoption("--rewrite", default=False):
        path.write_text(f"{script.rstrip()}\n{SEPARATOR}\n{told}", encoding="utf-8")
    else:
        assert told.splitlines() == expected.splitlines()


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 12


def test_a_story_is_the_same_every_time() -> None:
    for path in SCRIPTS:
        script = path.read_text(encoding="utf-8").partition(f"\n{SEPARATOR}\n")[0]
        assert run(script) == run(script)


@pytest.mark.parametrize(
    "script", ["timeout 1", "nodes 3; dance", "nodes 3; sync 1", "nodes 3; drop"]
)
def test_a_wrong_script_is_refused(script: str) -> None:
    with pytest.raises(ScriptError):
        run(script)
