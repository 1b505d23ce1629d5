"""Derive the synchronous client from the asynchronous one, where they differ in words only.

What differs in kind (shell, streams, lease) is written by hand in both packages.
`--check` changes nothing and fails if a file is not what it would become.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "service" / "kvorum" / "client"
MODULES = ("backup", "claims", "client", "cluster", "leases")

_WORDS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\bkvorum\.client\.aio\b", "kvorum.client.sync"),
    (r"\bAsyncClient\b", "Client"),
    (r"\bAsync(BaseTransport|Iterator)\b", r"\1"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\ba(close|iter_raw|next)\(", r"\1("),
    (r"\bThe asynchronous client\b", "The synchronous client"),
    (r"for the tasks of one event loop", "which threads may share"),
    (r"\basyncio\b", "threading"),
)


def derived(module: str) -> str:
    """What the synchronous module has to be."""
    text = (CLIENT / "aio" / f"{module}.py").read_text(encoding="utf-8")
    for pattern, replacement in _WORDS:
        text = re.sub(pattern, replacement, text)
    text = f"# Generated from ../aio/{module}.py by tools/generate_client.py.\n{text}"
    for command in (["check", "--select=I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        text = _ruff(command, text, CLIENT / "sync" / f"{module}.py")
    return text


def _ruff(command: list[str], text: str, path: Path) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    return subprocess.run(
        [str(ruff), *command, f"--stdin-filename={path}", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def main() -> int:
    stale = 0
    for module in MODULES:
        target, text = CLIENT / "sync" / f"{module}.py", derived(module)
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{target.relative_to(ROOT)} is stale: run `make generate`")
            stale = 1
        else:
            target.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
