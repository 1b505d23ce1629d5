"""The size budget notices what is too big, and only that."""

from pathlib import Path

import pytest

from tools.check_budget import Size, main, measure, percentile, violations


def function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1)


def class_of_methods(count: int) -> str:
    return "class Wide:\n" + "".join(f"    def f{n}(self): ...\n" for n in range(count))


def write(directory: Path, text: str) -> Path:
    path = directory / "module.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_small_code_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "\n".join(function(f"f{n}", 10) for n in range(3)))
    assert main(tmp_path) == 0
    assert "3 functions, median 10, 95 % 10, longest 10" in capsys.readouterr().out


def test_empty_tree_passes(tmp_path: Path) -> None:
    assert main(tmp_path) == 0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (function("long", 61), "   61 lines of function"),
        ("x = 1\n" * 501, "  501 lines of file"),
        ("class Big:\n" + "    x = 1\n" * 350, "  351 lines of class"),
        (class_of_methods(21), "   21 methods of class"),
        (function("usual", 11), "   11 lines of function  (budget  10)"),
    ],
)
def test_each_budget_is_enforced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, kind: str
) -> None:
    write(tmp_path, text)
    assert main(tmp_path) == 1
    assert kind in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        function("f", 5) * 20 + function("long", 60),
        function("f", 5) * 20 + "x = 1\n" * 340,
        "class Big:\n" + "    x = 1\n" * 349,
        class_of_methods(20),
        function("usual", 10),
    ],
)
def test_exactly_the_budget_passes(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert main(tmp_path) == 0


def test_nested_and_async_functions_count(tmp_path: Path) -> None:
    path = write(tmp_path, "async def outer():\n    def inner():\n        pass\n    inner()\n")
    places = {size.place for size in measure(path, "m.py") if size.kind == "lines of function"}
    assert places == {"m.py:1 outer", "m.py:2 inner"}


def test_decorators_do_not_count(tmp_path: Path) -> None:
    path = write(tmp_path, "@first\n@second\ndef f():\n    pass\n")
    assert [size.value for size in measure(path, "m.py") if "function" in size.kind] == [2]


def test_p95_is_enforced_although_no_single_function_is_too_long() -> None:
    sizes = [Size("lines of function", 5, "a")] * 9 + [Size("lines of function", 46, "b")]
    assert len(violations(sizes)) == 1


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, 0), ([7], 95, 7), ([1, 2, 3, 4], 50, 2), (list(range(1, 101)), 95, 95)],
)
def test_percentile_is_nearest_rank(values: list[int], percent: int, expected: int) -> None:
    assert percentile(values, percent) == expected
