"""Keep the code small: sizes of functions, classes and files under service/.

Sizes are lines from the first to the last, docstrings and blank lines included,
decorators not. Generated code is left out.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent / "service"
GENERATED = ROOT / "kvorum" / "transport" / "pb"

FUNCTION_LINES_MEDIAN = 10
FUNCTION_LINES_P95 = 45
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500
CLASS_LINES_MAX = 350
CLASS_METHODS_MAX = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Size(NamedTuple):
    """One thing that was measured; ``kind`` says what ``value`` counts."""

    kind: str
    value: int
    place: str


class Limit(NamedTuple):
    kind: str
    maximum: int


EACH = (
    Limit("lines of file", FILE_LINES_MAX),
    Limit("lines of class", CLASS_LINES_MAX),
    Limit("methods of class", CLASS_METHODS_MAX),
    Limit("lines of function", FUNCTION_LINES_MAX),
)


def measure(path: Path, shown_as: str) -> Iterator[Size]:
    """Sizes of a file and of everything in it."""
    text = path.read_text(encoding="utf-8")
    yield Size("lines of file", len(text.splitlines()), shown_as)
    for node in ast.walk(ast.parse(text, filename=str(path))):
        if isinstance(node, Function | ast.ClassDef):
            yield from _measure_node(node, f"{shown_as}:{node.lineno} {node.name}")


def _measure_node(node: Function | ast.ClassDef, place: str) -> Iterator[Size]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if isinstance(node, ast.ClassDef):
        yield Size("lines of class", lines, place)
        methods = sum(isinstance(child, Function) for child in node.body)
        yield Size("methods of class", methods, place)
    else:
        yield Size("lines of function", lines, place)


def percentile(values: Sequence[int], percent: int) -> int:
    """Nearest rank; 0 if there are no values."""
    ranked = sorted(values)
    return ranked[-(-len(ranked) * percent // 100) - 1] if ranked else 0


def violations(sizes: Sequence[Size]) -> list[str]:
    """Every budget that is exceeded, biggest first within its kind."""
    found = [
        f"{size.value:5} {size.kind:<18} (budget {limit.maximum:3})  {size.place}"
        for limit in EACH
        for size in sorted(sizes, key=lambda size: -size.value)
        if size.kind == limit.kind and size.value > limit.maximum
    ]
    lines = [size.value for size in sizes if size.kind == "lines of function"]
    for percent, budget in ((50, FUNCTION_LINES_MEDIAN), (95, FUNCTION_LINES_P95)):
        value = percentile(lines, percent)
        if value > budget:
            place = f"{percent} % of all functions are at most this long"
            found.append(f"{value:5} {'lines of function':<18} (budget {budget:3})  {place}")
    return found


def sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if not path.is_relative_to(GENERATED))


def summary(sizes: Sequence[Size]) -> str:
    lines = [size.value for size in sizes if size.kind == "lines of function"]
    files = [size.value for size in sizes if size.kind == "lines of file"]
    return (
        f"{len(files)} files, {sum(files)} lines, longest {max(files, default=0)}; "
        f"{len(lines)} functions, median {percentile(lines, 50)}, "
        f"95 % {percentile(lines, 95)}, longest {max(lines, default=0)}"
    )


def main(root: Path = ROOT) -> int:
    """0 if everything is within its budget, else 1 and a table of what is not."""
    sizes = [size for path in sources(root) for size in measure(path, str(path.relative_to(root)))]
    found = violations(sizes)
    print(f"size budget: {summary(sizes)}")
    if found:
        print("over budget:", *found, "Split them by idea, not by length.", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
