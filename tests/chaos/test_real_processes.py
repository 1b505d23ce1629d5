"""Every scenario once, with the most telling of its faults; ``make chaos`` plays them at length."""

import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.chaos import damage, disk_faults, member_faults, network_faults, process_faults, storm
from tests.chaos.arena import Row, Scenario, play
from tests.chaos.catalogue import SCENARIOS, possible
from tests.chaos.processes import Processes

SHORT = {
    "kill -9": (process_faults.kill_leader, process_faults.kill_all),
    "pauses": (
        process_faults.pause_leader,
        process_faults.pause_leader_and_kill_its_successor,
    ),
    "partitions": (
        network_faults.leader_in_minority,
        network_faults.leader_hears_nobody,
        network_faults.ring,
        network_faults.bridge,
    ),
    "bad network": (network_faults.loss, network_faults.delay),
    "slow disk": (disk_faults.stuck_leader, disk_faults.faulty_leader),
    "membership": (member_faults.lost_disk, member_faults.leader_leaves),
    "snapshots": (member_faults.lagging_follower, member_faults.killed_while_installing),
    "storm": (storm.storm(12),),
    "damaged files": (
        damage.damaged("log", damage.log_files, "bit flip"),
        damage.damaged("log", damage.log_files, "cut tail"),
        damage.damaged("snapshot", damage.snapshot_files, "bit flip"),
    ),
}


@pytest.fixture
def playable(scenario: Scenario, not_run: dict[str, str]) -> Scenario:
    """The short version, or a skip: asked for before a cluster is."""
    _, reasons = possible([scenario], Path(tempfile.gettempdir()))
    if reasons:
        not_run.update(reasons)
        pytest.skip(reasons[scenario.name])  # the summary says so loudly
    return replace(scenario, steps=SHORT.get(scenario.name, scenario.steps))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_history_is_linearizable_under(
    scenario: Scenario, playable: Scenario, processes: Processes, rows: list[Row]
) -> None:
    row = await play(playable, processes, seconds=0.0, seed=1)
    rows.append(row)
    assert not row.problems, "\n".join(row.problems)
    assert row.ok > 100, "a history worth the name"
