"""All scenarios, and which of them this machine can play."""

from collections.abc import Iterable
from pathlib import Path

from tests.chaos.arena import Need, Scenario
from tests.chaos.commands import DIRECTORY_PREFIX
from tests.chaos.damage import DAMAGED_FILES
from tests.chaos.disk_faults import FULL_DISK, SLOW_DISK
from tests.chaos.member_faults import MEMBERSHIP, SNAPSHOTS, TRANSFER
from tests.chaos.network_faults import BAD_NETWORK, PARTITIONS
from tests.chaos.places import why_no_namespaces, why_no_tmpfs
from tests.chaos.process_faults import KILLS, PAUSES, ROLLING_RESTART
from tests.chaos.slow_disk import why_no_slow_disk
from tests.chaos.storm import STORM

SCENARIOS = (
    KILLS,
    PAUSES,
    PARTITIONS,
    BAD_NETWORK,
    FULL_DISK,
    SLOW_DISK,
    DAMAGED_FILES,
    SNAPSHOTS,
    MEMBERSHIP,
    TRANSFER,
    ROLLING_RESTART,
    STORM,
)


def possible(
    scenarios: Iterable[Scenario], temporary: Path
) -> tuple[list[Scenario], dict[str, str]]:
    """Those that can be played here, and why the others cannot."""
    problems = {
        Need.NAMESPACES: why_no_namespaces(),
        Need.TMPFS: why_no_tmpfs(temporary / f"{DIRECTORY_PREFIX}trial"),
        Need.SLOW_DISK: why_no_slow_disk(),
    }
    playable, reasons = [], {}
    for scenario in scenarios:
        missing = [f"{need.value}: {problems[need]}" for need in scenario.needs if problems[need]]
        if missing:
            reasons[scenario.name] = "; ".join(missing)
        else:
            playable.append(scenario)
    return playable, reasons
