"""What `kvorum check` measures with, and what it makes of its measurements."""

import io
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kvorum.cli.arguments import parse
from kvorum.cli.commands import load
from kvorum.cli.console import Console
from kvorum.cli.health.check import cluster_fields, cluster_words, disk_words, exit_of
from kvorum.cli.health.cluster_check import (
    READS_LINEARIZABLE,
    READS_STALE,
    ClusterReport,
    NodeReport,
    findings_of,
)
from kvorum.cli.health.disk import DiskReport, file_system_of, measure_disk
from kvorum.cli.health.latencies import Latencies
from kvorum.cli.health.load import repeat
from kvorum.cli.health.metrics import FSYNC, Histogram, parse_metrics
from kvorum.cli.health.verdicts import DISK, LOOP, ROUND, Finding, Level, judged, overall
from kvorum.cli.output import json_block
from kvorum.client.call import Answer
from kvorum.client.errors import Full
from kvorum.testing.memory_fs import MemoryFileSystem

INFINITE = float("inf")
MS = 0.001

METRICS = b"""\
# HELP kvorum_wal_fsync_duration_seconds How long a sync took.
# TYPE kvorum_wal_fsync_duration_seconds histogram
kvorum_wal_fsync_duration_seconds_bucket{le="0.001"} 90.0
kvorum_wal_fsync_duration_seconds_bucket{le="0.01"} 99.0
kvorum_wal_fsync_duration_seconds_bucket{le="+Inf"} 100.0
kvorum_wal_fsync_duration_seconds_count 100.0
# TYPE kvorum_peer_connected gauge
kvorum_peer_connected{peer="b:1"} 1.0
# TYPE kvorum_is_serving gauge
kvorum_is_serving 1.0
# TYPE kvorum_build info
kvorum_build_info{version="1.2"} 1.0
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.7e+09
"""


def constant(seconds: float, count: int = 100, failed: int = 0) -> Latencies:
    return Latencies.of([seconds] * count, 1.0, failed, "it is full" if failed else "")


class TestLatencies:
    def test_quantiles_are_samples(self) -> None:
        found = Latencies.of([n * MS for n in range(100, 0, -1)], 2.0)
        assert [round(found.quantile(q) * 1000) for q in (0, 0.5, 0.9, 0.99, 1)] == [
            *(1, 50, 90, 99, 100)
        ]
        assert found.rate == 50

    @pytest.mark.parametrize("q", [0, 0.5, 1])
    def test_few_and_none(self, q: float) -> None:
        assert Latencies.of([0.5], 1.0).quantile(q) == 0.5
        assert Latencies.of([], 0.0).quantile(q) == Latencies.of([], 0.0).rate == 0


class TestMetrics:
    def test_values_histograms_and_release(self) -> None:
        found = parse_metrics(Answer(200, {"date": "Tue, 14 Nov 2023 22:14:20 GMT"}, METRICS))
        assert found.values["kvorum_is_serving"] == 1.0
        assert "kvorum_peer_connected" not in found.values
        assert (found.version, found.uptime_s) == ("1.2", 60.0)
        assert found.histograms[FSYNC].quantile(0.5) == 0.001

    def test_a_quantile_is_the_bound_above_it(self) -> None:
        histogram = Histogram(((0.001, 90.0), (0.01, 99.0), (INFINITE, 100.0)))
        assert [histogram.quantile(q) for q in (0.9, 0.91, 0.99, 1.0)] == [
            *(0.001, 0.01, 0.01, INFINITE)
        ]

    def test_only_the_time_of_the_check_counts(self) -> None:
        before = Histogram(((0.001, 0.0), (0.01, 50.0), (INFINITE, 50.0)))
        after = Histogram(((0.001, 10.0), (0.01, 60.0), (INFINITE, 60.0)))
        assert after.since(before).quantile(0.99) == 0.001
        assert after.since(after).quantile(0.99) is None
        assert Histogram(()).quantile(0.5) is None

    def test_another_clock_is_no_trouble(self) -> None:
        found = parse_metrics(Answer(200, {}, b"process_start_time_seconds 9e+15\n"))
        assert found.uptime_s == 0.0


class TestVerdicts:
    @pytest.mark.parametrize(
        ("seconds", "level", "words"),
        [
            (0.0101, Level.SLOW, "p99 10 ms (fit up to 10 ms): every write waits for it"),
            (0.01, Level.FIT, "sync of the log, p99 10 ms (fit up to 10 ms)"),
            (0.1, Level.SLOW, "p99 100 ms (fit up to 10 ms)"),
            (0.2, Level.UNFIT, "p99 200 ms (unfit above 100 ms): give the data directory"),
            (INFINITE, Level.UNFIT, "p99 beyond all measure"),
        ],
    )
    def test_a_number_is_told_with_its_threshold(
        self, seconds: float, level: Level, words: str
    ) -> None:
        finding = judged(DISK, "disk", seconds)
        assert finding.level is level
        assert words in finding.text

    def test_the_worst_decides(self) -> None:
        fit, slow, unfit = (Finding(level, "", "") for level in Level)
        assert overall([]) is Level.FIT
        assert overall([fit, slow, fit]) is Level.SLOW
        assert overall([slow, unfit, fit]) is Level.UNFIT
        assert [exit_of([each]) for each in (fit, slow, unfit)] == [0, 0, 4]

    @pytest.mark.parametrize("threshold", [DISK, ROUND, LOOP])
    def test_thresholds_are_in_order(self, threshold: type) -> None:
        assert judged(threshold, "", 0.0).level is Level.FIT  # type: ignore[arg-type]  # a Threshold


class TestDisk:
    def report(self, step_s: float, file_system: str = "ext4", seconds: float = 1.0) -> DiskReport:
        fs = MemoryFileSystem()
        fs.make_directory(Path("/d"))
        found = measure_disk(
            fs, Path("/d"), seconds, file_system=file_system, clock=clock_of(step_s)
        )
        assert fs.names(Path("/d")) == [], "nothing is left"
        return found

    def test_every_write_is_timed(self) -> None:
        found = self.report(0.004)
        assert (found.latencies.count, round(found.latencies.quantile(0.99), 3)) == (250, 0.004)
        assert [each.level for each in found.findings] == [Level.FIT]
        assert "All of it is fit." in disk_words(found)

    @pytest.mark.parametrize(
        ("step_s", "file_system", "level", "words"),
        [
            (0.05, "ext4", Level.SLOW, "every write waits for it"),
            (0.3, "ext4", Level.UNFIT, "give the data directory a disk of its own"),
            (0.001, "tmpfs", Level.UNFIT, "tmpfs is memory"),
            (0.00001, "ext4", Level.SLOW, "reaches no medium"),
            (0.001, "nfs4", Level.SLOW, "a disk of another machine"),
            (0.001, "overlay", Level.SLOW, "take a volume"),
        ],
    )
    def test_what_is_wrong_with_it(
        self, step_s: float, file_system: str, level: Level, words: str
    ) -> None:
        found = self.report(step_s, file_system, seconds=0.5)
        assert overall(found.findings) is level
        assert words in disk_words(found)

    def test_a_full_disk_leaves_nothing_behind(self) -> None:
        fs = MemoryFileSystem()
        fs.make_directory(Path("/d"))

        def fault(operation: str, path: Path) -> None:
            if operation == "allocate":
                raise OSError(28, "No space left on device", str(path))

        fs.fault = fault
        with pytest.raises(OSError, match="No space left"):
            measure_disk(fs, Path("/d"), 1.0, file_system="ext4")
        assert fs.names(Path("/d")) == []

    @pytest.mark.parametrize(
        ("directory", "kind"),
        [("/", "ext4"), ("/tmp/x", "tmpfs"), ("/tmpfoo", "ext4"), ("/my disk/d", "xfs")],
    )
    def test_which_file_system_it_is(self, directory: str, kind: str) -> None:
        mounts = "/dev/sda / ext4 rw 0 0\nt /tmp tmpfs rw 0 0\n/dev/sdb /my\\040disk xfs rw 0 0\n"
        assert file_system_of(Path(directory), mounts) == kind
        assert file_system_of(Path(directory), "") == ""


async def test_failures_are_counted_and_the_first_is_told() -> None:
    calls = itertools.count()

    async def operation(number: int) -> object:
        call = next(calls)
        if call % 2:
            raise Full(f"no room for {call}")
        return number

    found = await repeat(operation, 3, 0.02)
    assert found.count > 0
    assert abs(found.count - found.failed) <= 3
    assert found.failure == "no room for 1"


def clock_of(step_s: float) -> Callable[[], float]:
    """Each look at it takes so long."""
    ticks = itertools.count()
    return lambda: next(ticks) * step_s


def report(
    *,
    steps: Mapping[str, Latencies] | None = None,
    sync_s: float | None = 0.002,
    loop_s: float | None = 0.01,
    voters: int = 3,
    leader_changes: int = 0,
    silent: tuple[str, ...] = (),
    busy: float = 0.1,
) -> ClusterReport:
    usual = {READS_LINEARIZABLE: constant(0.003), READS_STALE: constant(0.001)}
    node = NodeReport("Node-1", "http://h:8081", True, 100, sync_s, loop_s)
    return ClusterReport({**usual, **(steps or {})}, (node,), voters, leader_changes, silent, busy)


class TestCluster:
    def test_all_well(self) -> None:
        found = findings_of(report())
        assert [(each.subject, each.level) for each in found] == [
            ("disk of Node-1", Level.FIT),
            ("network between nodes", Level.FIT),
            ("processor of Node-1", Level.FIT),
        ]
        assert "round to a majority, median 2.0 ms" in found[1].text

    @pytest.mark.parametrize(
        ("measured", "level", "words"),
        [
            (report(sync_s=0.05), Level.SLOW, "sync of the log, p99 50 ms"),
            (report(loop_s=0.3), Level.UNFIT, "needs a processor of its own"),
            (report(steps={READS_LINEARIZABLE: constant(0.2)}), Level.UNFIT, "nearer, or raise"),
            (report(leader_changes=1), Level.UNFIT, "another node came to lead"),
            (report(silent=("http://h:1: refused",)), Level.SLOW, "http://h:1: refused"),
            (
                report(steps={"puts": constant(0.1, 8, failed=2)}),
                Level.UNFIT,
                "2 of 10 failed in puts: it is full",
            ),
        ],
    )
    def test_what_is_not(self, measured: ClusterReport, level: Level, words: str) -> None:
        found = findings_of(measured)
        assert overall(found) is level
        assert words in cluster_words(measured, found)

    def test_a_node_alone_has_no_network(self) -> None:
        assert "network" not in cluster_words(report(voters=1), findings_of(report(voters=1)))

    def test_metrics_that_say_nothing_are_not_judged(self) -> None:
        silent = report(sync_s=None, loop_s=None)
        assert [each.subject for each in findings_of(silent)] == ["network between nodes"]

    def test_a_client_that_is_busy_itself_says_so(self) -> None:
        assert "This one client set the pace" in cluster_words(report(busy=0.9), [])
        assert "set the pace" not in cluster_words(report(busy=0.5), [])

    def test_for_programs(self) -> None:
        slow = report(sync_s=INFINITE)
        told = json.loads(json_block(cluster_fields(slow, findings_of(slow))))
        assert told["level"] == "unfit"
        assert told["nodes"][0]["syncP99Ms"] is None
        assert told["steps"][READS_STALE]["p50Ms"] == 1.0
        assert told["thresholds"][0] == {"what": DISK.what, "fitMs": 10.0, "slowMs": 100.0}


class TestCommand:
    def kvorum(self, line: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        arguments = parse(line.split(), {})
        code = load(arguments.run)(arguments, Console(io.StringIO(), out, err))
        return code, out.getvalue(), err.getvalue()

    def test_a_real_disk(self, tmp_path: Path) -> None:
        _, out, err = self.kvorum(f"check --disk {tmp_path} --seconds 100ms -o json")
        told = json.loads(out)
        assert (err, told["directory"]) == ("", str(tmp_path.resolve()))
        assert told["syncs"]["count"] > 0
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("options", "code", "words"),
        [
            ("--disk /nowhere/at/all", 1, "/nowhere/at/all is no directory"),
            ("--writers 1,many", 2, "--writers '1,many' is no list of numbers from 1 to 1000"),
            ("--writers 0", 2, "no list of numbers"),
            ("--writers 1001", 2, "no list of numbers"),
            ("--seconds 11m", 2, "--seconds: 600 at most for each step"),
            ("--value-bytes 0", 2, "--value-bytes must be 1 to 1048576"),
            ("--endpoint http://localhost:1 --timeout 200ms", 5, "http://localhost:1"),
        ],
    )
    def test_what_cannot_be_measured(self, options: str, code: int, words: str) -> None:
        found, out, err = self.kvorum(f"check {options}")
        assert (found, out) == (code, "")
        assert words in err
