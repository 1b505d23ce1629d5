"""``make pods``: the whole life of a release with the chart's own values and times, then a table.

Probes, pauses, DNS and endpoints have the delays that they have in a cluster, so it takes some
minutes; the tests play the same chapters in a hurry.
"""

import asyncio
import sys
import tempfile
import warnings
from pathlib import Path

from tests.deploy.pods import chapters
from tests.deploy.pods.cluster import Habits
from tests.deploy.pods.conftest import why_no_pods
from tests.deploy.pods.image import compile_package, read_image
from tests.deploy.pods.network import remove_leftovers
from tests.deploy.pods.stage import Row, staged, table

AS_IN_CLUSTERS = Habits(pace=1.0, dns_ttl_s=5.0, endpoints_delay_s=1.0)
STORY = (
    chapters.selftest,
    chapters.scale_up,
    chapters.roll,
    chapters.kill_leader,
    chapters.scale_down,
    chapters.roll,
    chapters.drain,
    chapters.lose_disk,
    chapters.refused_upgrade,
    chapters.bad_upgrade,
    chapters.scale_up_over_old_disks,
    chapters.reinstall,
)


async def play(rows: list[Row]) -> None:
    async with staged(read_image(), rows, values={}, habits=AS_IN_CLUSTERS) as stage:
        for chapter in STORY:
            print(f"{chapter.__name__} …", flush=True)
            await chapter(stage)


def main() -> int:
    warnings.simplefilter("error")
    if reason := why_no_pods():
        print(f"pods as processes cannot run here: {reason}")
        return 1
    for name in remove_leftovers(Path(tempfile.gettempdir())):
        print(f"removed what a former run left behind: {name}")
    compile_package()
    rows: list[Row] = []
    try:
        asyncio.run(play(rows))
    finally:
        print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
