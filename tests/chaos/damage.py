"""Files of a node that was down, damaged: it refuses with a clear message or recovers correctly.

What a damaged node says while it runs is a part of the history, like everything else.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.chaos.arena import Arena, Scenario, Step
from tests.chaos.waiting import eventually

Damage = Callable[[Path, Random], None]
"""Changes the files below a data directory."""


def log_files(data: Path) -> list[Path]:
    return sorted(path for path in (data / "wal").iterdir() if path.is_file())


def snapshot_files(data: Path) -> list[Path]:
    return sorted(path for path in data.rglob("*") if path.is_file() and "snap" in str(path))


def flip_bit(files: Sequence[Path], random: Random) -> None:
    """Somewhere in what was written: the log's files end in zeros that were only reserved."""
    path = random.choice(files)
    content = bytearray(path.read_bytes())
    used = len(bytes(content).rstrip(b"\0"))
    content[random.randrange(used)] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def cut_tail(files: Sequence[Path], random: Random) -> None:
    path = files[-1]
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content.rstrip(b"\0")))])


def zero_hole(files: Sequence[Path], random: Random) -> None:
    """What a disk gives for a block that it lost."""
    path = random.choice(files)
    content = path.read_bytes()
    at = random.randrange(len(content.rstrip(b"\0")))
    path.write_bytes((content[:at] + b"\0" * 512 + content[at + 512 :])[: len(content)])


def garbage(files: Sequence[Path], random: Random) -> None:
    """A file of the right name that is none of ours."""
    path = random.choice(files)
    path.write_bytes(random.randbytes(path.stat().st_size))


def another_nodes(files: Sequence[Path], random: Random) -> None:
    """Sound, but of another node: at the place of the newest file, its newest file."""
    path = files[-1]
    home = path.parents[1]
    others = [other for other in home.parent.glob("Node-?") if other != home and other.is_dir()]
    theirs = sorted((random.choice(others) / path.parent.name).glob(f"*{path.suffix}"))
    if theirs:
        shutil.copyfile(theirs[-1], path)


def remove(files: Sequence[Path], random: Random) -> None:
    random.choice(files).unlink()


KINDS: dict[str, Callable[[Sequence[Path], Random], None]] = {
    "bit flip": flip_bit,
    "cut tail": cut_tail,
    "hole of zeros": zero_hole,
    "foreign content": garbage,
    "another node's file": another_nodes,
    "file missing": remove,
}


def damaged(what: str, files: Callable[[Path], list[Path]], kind: str) -> Step:
    """One kind of damage to files of one sort, if there are any yet."""

    async def step(arena: Arena) -> None:
        processes = arena.processes
        node = arena.random.choice((await arena.follower(), await arena.leader()))
        processes.kill([node])
        data = processes.data(node)
        backup = processes.directory / f"sound-{node}"
        await asyncio.to_thread(shutil.copytree, data, backup)
        found = files(data)
        if found:
            arena.faults[f"{what}: {kind}"] += 1
            KINDS[kind](found, arena.random)
        processes.start([node])
        if await _refuses(arena, node):
            _explained(arena, node)
            await asyncio.to_thread(shutil.rmtree, data)
            await asyncio.to_thread(shutil.move, backup, data)
            processes.start([node])
        else:
            await asyncio.to_thread(shutil.rmtree, backup)

    return step


async def _refuses(arena: Arena, node: int) -> bool:
    """Whether the node ended instead of getting ready."""
    processes = arena.processes

    async def decided() -> str | None:
        if not processes.is_alive(node):
            return "ended"  # first: asking would take it for a surprise
        return "ready" if await processes.is_ready(node) else None

    if await eventually(f"node {node} starts or refuses to", decided) == "ready":
        return False
    code = await processes.exit_code(node, within_s=1)
    assert code > 0, f"node {node} ended with {code} on damaged files"
    return True


def _explained(arena: Arena, node: int) -> None:
    said = arena.processes.said(node)
    data = re.escape(str(arena.processes.data(node)))
    assert re.search(rf"cannot start: .*{data}", said), f"node {node} refused unclearly: {said}"
    assert "Traceback" not in said, f"node {node} refused with a traceback: {said}"


DAMAGED_FILES = Scenario(
    "damaged files",
    tuple(
        damaged(what, files, kind)
        for kind in KINDS
        for what, files in (("log", log_files), ("snapshot", snapshot_files))
    ),
)
