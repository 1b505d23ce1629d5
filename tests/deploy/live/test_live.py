"""Five real nodes under a real Prometheus: every panel has data, and the right alerts fire.

Time passes ``PACE`` times as quickly for the rules as it does in life; see
:mod:`tests.deploy.live.scaled`.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.places import NODES, SPARE
from tests.chaos.processes import Processes
from tests.chaos.waiting import eventually
from tests.deploy.dashboards.panels import annotations, targets
from tests.deploy.dashboards.rare import RARE
from tests.deploy.live.load import Load, prepare
from tests.deploy.live.prometheus import Alert, Preferred, Prometheus
from tests.deploy.live.scaled import scaled
from tests.deploy.rules.rule_file import RULES

VALUES = {"__rate_interval": "10s", "namespace": ".*", "job": "kvorum", "node": ".*"}
SETTINGS = {
    "SNAPSHOT_ENTRIES": "1000",
    "STATE_CHECK_INTERVAL_S": "2",
    "MIN_ELECTION_TIMEOUT_MS": "1000",  # the machine has other work
    "MAX_ELECTION_TIMEOUT_MS": "1400",
}
WELL_S = 36
"""Longer than the longest window and the longest ``for`` that a rule for minutes has here."""

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMBER_DOWN = Alert("KvorumMemberDown", "warning")
QUORUM_LOST = Alert("KvorumQuorumLost", "critical")
REQUESTS_FAIL = Alert("KvorumHttpErrors", "critical")


class Scene:
    """A cluster under load, and who watches it."""

    def __init__(self, nodes: Processes, watcher: Prometheus) -> None:
        self.nodes = nodes
        self._watcher = watcher
        self._began_s = 0.0

    async def begin(self) -> None:
        """A new act."""
        self._began_s = await self._watcher.now_s()

    async def fired(self) -> set[Alert]:
        """In this act so far."""
        return await self._watcher.alerts("firing", self._began_s, await self._watcher.now_s())

    async def fire(self, expected: Collection[Alert]) -> None:
        """All of ``expected`` do, and nothing else does until then."""

        async def have_fired() -> bool:
            return set(expected) <= await self.fired()

        await eventually(f"{expected} fire", have_fired, within_s=40)
        assert await self.fired() == set(expected)

    async def resolve(self) -> None:
        async def nothing_fires() -> bool:
            return not await self._watcher.query('ALERTS{alertstate="firing"}')

        await eventually("everything resolves", nothing_fires, within_s=40)

    async def stay_well(self) -> None:
        async def long_enough() -> bool:
            seen = await self._watcher.number(f"min(count_over_time(up[{WELL_S + 30}s]))")
            return seen is not None and seen >= WELL_S

        await eventually("Prometheus has seen enough", long_enough, within_s=WELL_S + 30)
        assert await self.fired() == set()

        async def nothing_is_near() -> bool:
            """A single hiccup of the machine makes an alert pending, and is over soon."""
            return not await self._watcher.query("ALERTS")

        await eventually("no alert is pending", nothing_is_near)
        assert await self.fired() == set()

    async def marked(self, name: str) -> None:
        """The mark of that name stands on the dashboards, from this act on."""
        (query,) = {mark.filled(VALUES) for mark in annotations() if mark.panel == name}

        async def is_there() -> bool:
            return bool(await self._watcher.query(query.replace("[2m]", "[5s]")))

        await eventually(f"mark {name}", is_there)

    async def show_everything(self) -> None:
        """Every panel's queries, but those that health leaves empty."""
        now_s = await self._watcher.now_s()
        empty = set()
        for target in targets():
            query = target.filled(VALUES)
            found = (
                await self._watcher.query(query)
                if target.is_instant
                else await self._watcher.query_range(query, now_s - 15, now_s)
            )
            if not found:
                empty.add(target.name)
        assert sorted(empty - {rare.query for rare in RARE}) == []


def targets_of(rest: Mapping[int, str]) -> Mapping[str, str]:
    return {f"Node-{node}": address for node, address in rest.items()}


@asynccontextmanager
async def scene(directory: Path) -> AsyncIterator[Scene]:
    """Five nodes with a leader, clients at work, Prometheus beside them."""
    places = Preferred()
    peers, rest = (
        {node: f"{host}:{port}" for node, (host, port) in addresses.items() if node in NODES}
        for addresses in (places.peers, places.clients)
    )
    watcher_port = places.clients[SPARE][1]
    with Processes(places, settings=SETTINGS) as nodes:
        nodes.start()
        leader = await nodes.leader()
        rules = scaled(RULES, directory / "rules.yaml")
        async with Prometheus(directory, watcher_port, targets_of(rest), rules) as watcher:
            await prepare(f"http://{rest[leader]}", await watcher.now_s())
            load = asyncio.create_task(Load(rest, peers).run())
            try:
                yield Scene(nodes, watcher)
            finally:
                load.cancel()
                await asyncio.wait([load])
        assert nodes.surprises() == []
    shutil.rmtree(nodes.directory)
    assert load.cancelled(), "no client failed by itself"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def play(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One cluster for the whole story, whose acts are the tests, in their order."""
    async with scene(tmp_path_factory.mktemp("live")) as begun:
        yield begun


async def test_in_health_every_panel_has_data_and_no_alert_fires(play: Scene) -> None:
    await play.begin()
    await play.stay_well()
    await play.show_everything()


async def test_the_leader_is_killed(play: Scene) -> None:
    await play.begin()
    leader = await play.nodes.leader()
    play.nodes.kill([leader])
    await play.marked("New leader")
    await play.fire([MEMBER_DOWN])


async def test_the_majority_is_killed_and_comes_back(play: Scene) -> None:
    await play.begin()
    play.nodes.kill(play.nodes.running[:2])
    await play.fire([MEMBER_DOWN, QUORUM_LOST, REQUESTS_FAIL])
    play.nodes.start([node for node in NODES if node not in play.nodes.running])
    await play.marked("Restart")
    await play.resolve()
