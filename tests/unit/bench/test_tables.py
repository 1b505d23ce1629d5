"""Tables and the document that holds them, the picture, progress."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.plots import draw
from bench.progress import Progress
from bench.results import Results, Row
from bench.tables import (
    BEGIN,
    END,
    for_document,
    for_terminal,
    number,
    replace_figures,
    spread,
)
from tests.unit.bench.test_results import RESULTS

RIVALS = {"kvorum": [8000.0, 9000.0], "etcd": [4000.0, 3000.0], "etcd gRPC": [4000.0, 6000.0]}
FULL = replace(
    RESULTS,
    is_quick=False,
    rows=[
        Row("put", "256 connections", "per second", RIVALS),
        Row("pause of writes", "kill -9 of the leader, 3 nodes", "s", {"kvorum": [0.5, 0.7]}),
    ],
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(12345.6, "12,346"), (99.96, "100.0"), (1.234, "1.23"), (0.05123, "0.0512")],
)
def test_numbers_have_three_digits_or_more(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_spread_of_one_is_the_value() -> None:
    assert spread([3.0]) == "3"
    assert spread([3.0, 1.0, 2.0]) == "2 (1–3)"


def test_a_terminal_shows_medians_ratios_and_verdicts() -> None:
    shown = for_terminal(FULL)
    assert "8,500 (8,000–9,000)" in shown
    assert "2.50 (2.00–3.00)" in shown
    assert "… etcd gRPC" in shown
    assert "put, 256 connections: rate  " in shown
    assert "MISSED" in shown
    assert "targets were not measured" in shown


def test_what_failed_stands_last() -> None:
    failed = replace(RESULTS, failures=["put: 1 connection: lost"])
    assert for_terminal(failed).endswith("FAILED: put: 1 connection: lost")


def test_the_quick_form_says_so() -> None:
    assert "quick form" in for_terminal(RESULTS)
    assert "quick form" not in for_terminal(FULL)


def test_a_markdown_table_has_as_many_cells_in_every_line() -> None:
    lines = [line for line in for_document(FULL).splitlines() if line.startswith("|")]
    assert [line.count("|") for line in lines if line.startswith("| load")] == [8]
    counts = [line.count("|") for line in lines]
    assert set(counts) == {6, 8}
    assert counts == sorted(counts[: counts.index(8)]) + [8] * counts.count(8) + [6] * 3


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    written = replace_figures(document, FULL)
    assert written.startswith("before\n")
    assert written.endswith(f"{END}\nafter\n")
    assert "old" not in written
    assert replace_figures(written, FULL) == written


def test_a_document_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="figures: begin"):
        replace_figures("nothing", FULL)


def test_the_document_can_take_figures() -> None:
    text = Path("docs/performance.md").read_text(encoding="utf-8")
    assert replace_figures(text, FULL) != text


@pytest.mark.parametrize("results", [FULL, replace(FULL, rows=[])], ids=["some", "none"])
def test_a_run_is_drawn(tmp_path: Path, results: Results) -> None:
    paths = draw(results, tmp_path / "run.of.today")
    assert [path.name for path in paths] == ["run.of.today.png", "run.of.today.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")


def test_progress_counts_steps_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(2, 125.0)
    progress.step("put")
    progress.over(65.0)
    progress.step("get")
    told = capsys.readouterr().err
    assert "[1/2, 2:05 min to go] put" in told
    assert "[2/2, 1:00 min to go] get" in told
