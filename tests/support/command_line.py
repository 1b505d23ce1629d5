"""Commands of `kvorum`, run in this process or as processes of their own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from kvorum.cli.arguments import parse
from kvorum.cli.commands import load
from kvorum.cli.console import Console

TIMEOUT_S = 60


class Ran(Struct):
    """How a command ended, and what it printed."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


class CommandLine:
    """`kvorum` with KVORUM_ENDPOINT set."""

    def __init__(self, endpoint: str) -> None:
        self.environ = {"KVORUM_ENDPOINT": endpoint}

    def __call__(self, *words: str, stdin: bytes = b"", code: int | None = 0) -> Ran:
        """In this process; ``code`` is what it must end with (None: anything)."""
        streams = [io.TextIOWrapper(io.BytesIO(raw), "utf-8") for raw in (stdin, b"", b"")]
        arguments = parse(words, self.environ)
        ended = load(arguments.run)(arguments, Console(*streams))
        for stream in streams[1:]:
            stream.flush()
        raw, err = (_written(stream) for stream in streams[1:])
        assert code is None or ended == code, f"{words} ended with {ended}: {raw!r} {err!r}"
        return Ran(ended, raw, err.decode())

    @contextmanager
    def started(
        self, *words: str, environ: Mapping[str, str] | None = None
    ) -> Iterator["subprocess.Popen[str]"]:
        """As a process, which is killed in the end if it still runs."""
        with subprocess.Popen(
            [sys.executable, "-m", "kvorum.cli.main", *words],
            env={**os.environ, **self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def _written(stream: io.TextIOWrapper) -> bytes:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code, output and errors."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, err


def line_of(process: "subprocess.Popen[str]") -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")
