"""The same seed tells the same story, byte by byte, whatever the interpreter chooses by itself."""

import os
import subprocess
import sys

import pytest

SEEDS = (3, 8, 108)


def story(seed: int, hash_seed: str) -> bytes:
    command = [sys.executable, "-m", "kvorum.testing.simulate", f"--seed={seed}", "--seconds=20"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    result = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=100)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    return result.stdout


@pytest.mark.parametrize("seed", SEEDS)
def test_one_seed_in_two_processes(seed: int) -> None:
    one, other = story(seed, "1"), story(seed, "4242")
    assert one == other
    assert one.count(b"\n") > 500


def test_another_seed_tells_another_story() -> None:
    assert story(1, "0") != story(2, "0")
