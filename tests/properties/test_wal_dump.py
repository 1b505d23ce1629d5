"""`kvorum wal-dump` on damaged directories: it always ends, and says what a start would do."""

import asyncio
import functools
import io
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kvorum.cli.console import Console
from kvorum.cli.ops.wal_dump import dump
from kvorum.errors import KvorumError
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.snaps import DATA, SNAPSHOTS, snaps
from tests.unit.storage.test_opening import WAL_PATH, opened, segments, with_entries

IDENTITY = (
    b'{"format": 2, "node_id": "Node-1", "member_id": "localhost:8001", "uid": "u1", '
    b'"cluster_id": "c1", "members": ["localhost:8001"]}'
)


class Files(dict[Path, bytes]):
    """Their contents would be too much to print."""

    def __repr__(self) -> str:
        return f"{len(self)} files of {sum(map(len, self.values()))} bytes"


@functools.cache
def sound() -> Files:
    fs = asyncio.run(with_entries(until=40, snapshots=(10, 20)))
    paths = [WAL_PATH / name for name in segments(fs)] + [SNAPSHOTS / name for name in snaps(fs)]
    return Files({path: fs.read(path) for path in paths})


def written(files: Files) -> MemoryFileSystem:
    fs = MemoryFileSystem()
    for directory in (DATA, WAL_PATH, SNAPSHOTS):
        fs.make_directory(directory)
    fs.create(DATA / "identity.json").close()
    fs.replace(DATA / "identity.json", IDENTITY)
    for path, content in files.items():
        fs.create(path).close()
        fs.replace(path, content)
    return fs


@st.composite
def damaged(draw: st.DrawFn) -> Files:
    """One to three files changed, cut or gone."""
    files = Files(sound())
    for path in draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=3, unique=True)):
        content = files[path]
        match draw(st.sampled_from(["flip", "zero", "cut", "gone", "swap"])):
            case "flip":
                at = draw(st.integers(0, len(content) - 1))
                changed = content[at] ^ (1 << draw(st.integers(0, 7)))
                files[path] = content[:at] + bytes([changed]) + content[at + 1 :]
            case "zero":
                at = draw(st.integers(0, len(content) - 1))
                size = min(draw(st.sampled_from([1, 32, 512, 1024])), len(content) - at)
                files[path] = content[:at] + bytes(size) + content[at + size :]
            case "cut":
                files[path] = content[: draw(st.integers(0, len(content) - 1))]
            case "gone":
                del files[path]
            case _:
                files[path] = files.get(draw(st.sampled_from(sorted(files))), b"")
    return files


def starts(files: Files) -> bool:
    try:
        asyncio.run(_start(written(files)))
    except KvorumError:
        return False
    return True


async def _start(fs: MemoryFileSystem) -> None:
    storage = await opened(fs)
    await storage.close()


@settings(max_examples=300)
@given(damaged())
def test_it_ends_and_foretells_a_start(files: Files) -> None:
    fs = written(files)

    def fault(operation: str, path: Path) -> None:
        assert operation in ("open", "read"), f"{operation} of {path}"

    fs.fault = fault
    out, err = io.StringIO(), io.StringIO()
    code = dump(
        fs, DATA, first=1, last=None, as_json=True, console=Console(io.StringIO(), out, err)
    )
    assert err.getvalue() == ""
    assert (code == 0) is starts(files), out.getvalue()[-600:]
