"""`kvorum check`: measurements, and in words whether they are good enough."""

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from kvorum.cli.console import Console
from kvorum.cli.data.session import endpoints_of, reporting, timeout_of
from kvorum.cli.exits import Exit
from kvorum.cli.failures import CommandFailed
from kvorum.cli.health.cluster_check import ClusterReport, Plan, check_cluster, findings_of
from kvorum.cli.health.disk import RECORD_BYTES, DiskReport, file_system_of, measure_disk
from kvorum.cli.health.latencies import Latencies
from kvorum.cli.health.verdicts import THRESHOLDS, Finding, Level, overall
from kvorum.cli.output import columns, json_block, printable
from kvorum.cli.signals import ending_in_order
from kvorum.cli.sizes import milliseconds_text
from kvorum.client import AsyncClient
from kvorum.storage.fs import FileSystem, OsFileSystem

_VALUE_BYTES_MAX = 1 << 20
_WRITERS_MAX = 1000
_SECONDS_MAX = 600
_BUSY = 0.7
_MOUNTS = Path("/proc/self/mounts")


def run_check(arguments: Namespace, console: Console) -> int:
    return reporting(lambda: _run(arguments, console), arguments, console)


def _run(arguments: Namespace, console: Console) -> int:
    as_json = arguments.output == "json"
    if arguments.seconds > _SECONDS_MAX:
        raise CommandFailed(Exit.USAGE, f"--seconds: {_SECONDS_MAX} at most for each step")
    if arguments.disk is not None:
        report = _disk(OsFileSystem(), arguments.disk, arguments.seconds)
        console.say(json_block(disk_fields(report)) if as_json else disk_words(report))
        return exit_of(report.findings)
    plan = Plan(arguments.seconds, _writers(arguments.writers), _value_bytes(arguments.value_bytes))
    measured = asyncio.run(_cluster(arguments, plan, console))
    findings = findings_of(measured)
    words = cluster_fields if as_json else cluster_words
    told = words(measured, findings)
    console.say(told if isinstance(told, str) else json_block(told))
    return exit_of(findings)


def exit_of(findings: Sequence[Finding]) -> Exit:
    """What is slow is fit all the same."""
    return Exit.CONFLICT if overall(findings) is Level.UNFIT else Exit.DONE


def _writers(text: str) -> tuple[int, ...]:
    numbers = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= _WRITERS_MAX for part in numbers):
        told = f"--writers {text!r} is no list of numbers from 1 to {_WRITERS_MAX}, such as 1,16"
        raise CommandFailed(Exit.USAGE, told)
    return tuple(dict.fromkeys(map(int, numbers)))


def _value_bytes(number: int) -> int:
    if not 1 <= number <= _VALUE_BYTES_MAX:
        raise CommandFailed(Exit.USAGE, f"--value-bytes must be 1 to {_VALUE_BYTES_MAX}")
    return number


def _disk(fs: FileSystem, directory: Path, seconds: float) -> DiskReport:
    resolved = directory.resolve()
    if not resolved.is_dir():
        raise CommandFailed(Exit.FAILED, f"{directory} is no directory")
    mounts = _MOUNTS.read_text(errors="replace") if _MOUNTS.exists() else ""
    kind = file_system_of(resolved, mounts)
    try:
        with ending_in_order():  # what was allocated for it is given back
            return measure_disk(fs, resolved, seconds, file_system=kind)
    except OSError as error:
        where = error.filename or directory
        told = f"{where} cannot be measured: {error.strerror}"
        raise CommandFailed(Exit.FAILED, told) from error


async def _cluster(arguments: Namespace, plan: Plan, console: Console) -> ClusterReport:
    def tell(step: str) -> None:
        if console.stderr.isatty():
            console.warn(f"kvorum: measuring {step} …")

    async with AsyncClient(endpoints_of(arguments), timeout_s=timeout_of(arguments)) as client:
        return await check_cluster(client, plan, tell)


# --- words ---------------------------------------------------------------------------------

_HEADS = ("", "/S", "P50", "P90", "P99", "MAX")


def disk_words(report: DiskReport) -> str:
    what = f"writes of {RECORD_BYTES} bytes, each synced"
    kind = report.file_system or "file system unknown"
    table = columns([_HEADS, _row(what, report.latencies)])
    return "\n".join([f"{report.directory} ({kind})", "", *table, "", *_judgement(report.findings)])


def cluster_words(report: ClusterReport, findings: Sequence[Finding]) -> str:
    table = columns([_HEADS, *(_row(name, step) for name, step in report.steps.items())])
    if report.busy > _BUSY:
        table += [
            "",
            "This one client set the pace: its processor was busy. The cluster can do more.",
        ]
    return "\n".join([*table, "", *_judgement(findings)])


def _row(name: str, latencies: Latencies) -> tuple[str, ...]:
    quantiles = (milliseconds_text(latencies.quantile(q)) for q in (0.5, 0.9, 0.99, 1.0))
    return (name, f"{latencies.rate:,.0f}", *quantiles)


def _judgement(findings: Sequence[Finding]) -> list[str]:
    lines = [f"{each.level.upper():<6} {each.subject}: {printable(each.text)}" for each in findings]
    verdict = {
        Level.FIT: "All of it is fit.",
        Level.SLOW: "It will do; what is slow sets the pace.",
        Level.UNFIT: "Not fit as it is: see above.",
    }
    return [*lines, "", verdict[overall(findings)]]


def disk_fields(report: DiskReport) -> dict[str, object]:
    return {
        "directory": report.directory,
        "fileSystem": report.file_system,
        "writeBytes": RECORD_BYTES,
        "syncs": report.latencies.fields(),
        **_judgement_fields(report.findings),
    }


def cluster_fields(report: ClusterReport, findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "steps": {name: step.fields() for name, step in report.steps.items()},
        "nodes": [
            {
                "name": node.name,
                "endpoint": node.endpoint,
                "isLeader": node.is_leader,
                "syncs": node.syncs,
                "syncP99Ms": _ms(node.sync_p99_s),
                "loopLagP99Ms": _ms(node.loop_p99_s),
            }
            for node in report.nodes
        ],
        "voters": report.voters,
        "leaderChanges": report.leader_changes,
        "clientBusy": round(report.busy, 2),
        **_judgement_fields(findings),
    }


def _ms(seconds: float | None) -> float | None:
    """None also for what lies beyond all measure: JSON has no infinity."""
    return None if seconds in (None, float("inf")) else round(seconds * 1000, 3)


def _judgement_fields(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "level": overall(findings),
        "findings": list(findings),
        "thresholds": [
            {"what": each.what, "fitMs": each.fit_s * 1000, "slowMs": each.slow_s * 1000}
            for each in THRESHOLDS
        ],
    }
