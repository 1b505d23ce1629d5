"""Clients that put, get, compare-and-set and delete, all at once, on a few keys.

A client goes to any node, remembers for a moment which ones failed it, and repeats what failed
or is unknown under the same request id. Now and then it gives up early, or sends one request to
two nodes at the same time. All it sees becomes a history.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Sequence
from random import Random

from msgspec import Struct

from kvorum.testing.linearizability import Kind
from tests.chaos.calls import METHODS, Call, Outcome, body, outcome_of
from tests.chaos.places import NODES, Places
from tests.chaos.rest_client import Answer, Broken, NotSent, RestClient
from tests.chaos.waiting import eventually

KINDS = (Kind.GET, Kind.PUT, Kind.CAS, Kind.DELETE)
WEIGHTS = (4, 4, 3, 1)
CALLS_PER_EPOCH, KEYS_PER_EPOCH = 300, 4  # bounds what the checker has to order
AVOID_S = 1.0  # how long a client avoids a node that failed it
PAUSE_S = 0.05  # between two attempts


class Habits(Struct, frozen=True):
    """How clients behave."""

    clients: int = 6
    attempts: int = 12
    think_s: float = 0.015
    padding_bytes: int = 0
    give_up: float = 0.05  # share of calls that are never repeated
    twice: float = 0.05  # share of writes that are sent to two nodes at once
    timeout_s: float = 4.0


class Workload:
    """A history in the making. ``name`` is part of all keys and ids."""

    def __init__(
        self, places: Places, random: Random, *, name: str, habits: Habits | None = None
    ) -> None:
        self.calls: list[Call] = []
        self.contradictions: list[str] = []
        self.acknowledged = 0
        self._places = places
        self._random = random
        self._name = name
        self._habits = habits or Habits()
        self._seen: dict[str, str] = {}  # the last value that anybody saw, for compare-and-set
        self._numbers = itertools.count()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for number in range(self._habits.clients):
            client = _Client(self, f"c{number}", Random(self._random.random()))
            self._tasks.append(asyncio.create_task(client.run(), name=client.name))

    async def stop(self) -> None:
        """Every call that has begun ends."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    @property
    def habits(self) -> Habits:
        return self._habits

    @property
    def places(self) -> Places:
        return self._places

    async def progress(self, writes: int, *, within_s: float = 30.0) -> None:
        """Wait until so many more writes are acknowledged."""
        target = self.acknowledged + writes

        async def reached() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()  # a client that failed fails the scenario
            return self.acknowledged >= target

        await eventually(f"{writes} more writes are acknowledged", reached, within_s=within_s)

    def longest_pause_s(self) -> float:
        """Longest time in which no write was acknowledged, while clients tried."""
        moments = sorted(call.end for call in self.calls if call.changed and call.end is not None)
        return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)

    # --- for the clients ---------------------------------------------------------------

    def next_call(self, client: str, random: Random) -> Call:
        number = next(self._numbers)
        epoch, kind = number // CALLS_PER_EPOCH, random.choices(KINDS, WEIGHTS)[0]
        key = f"{self._name}/{epoch}/{random.randrange(KEYS_PER_EPOCH)}"
        new = f"{client}-{number}" + "." * self._habits.padding_bytes
        args: tuple[str, ...] = ()
        if kind is Kind.PUT:
            args = (new,)
        elif kind is Kind.CAS:
            args = (self._seen.get(key, "nothing"), new)
        request_id = f"{self._name}-{number}".replace("/", "-") if kind is not Kind.GET else ""
        call = Call(client, key, kind, args, request_id, asyncio.get_running_loop().time())
        self.calls.append(call)
        return call

    def ended(self, call: Call) -> None:
        call.end = asyncio.get_running_loop().time() if call.outcome.is_definite else None
        if call.outcome is Outcome.OK and call.kind is not Kind.DELETE:
            self._seen[call.key] = call.value if call.value is not None else call.args[-1]
        self.acknowledged += call.changed


class _Client:
    def __init__(self, workload: Workload, name: str, random: Random) -> None:
        self.name = name
        self._workload = workload
        self._random = random
        self._habits = workload.habits
        self._rest = RestClient(workload.places.clients)
        self._second = RestClient(workload.places.clients)
        self._avoided: dict[int, float] = {}  # until when

    async def run(self) -> None:
        with self._rest, self._second:
            while not self._workload.is_stopping:
                call = self._workload.next_call(self.name, self._random)
                await self._perform(call)
                self._workload.ended(call)
                await asyncio.sleep(self._random.uniform(0, 2 * self._habits.think_s))

    async def _perform(self, call: Call) -> None:
        """Sets what the call learned. An unknown attempt stays unknown until one is definite."""
        attempts = 1 if self._random.random() < self._habits.give_up else self._habits.attempts
        unknown = False
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(self._random.uniform(0, 2 * PAUSE_S))
            outcome = await self._attempt(call)
            if outcome.is_definite:
                call.outcome = outcome
                return
            unknown |= outcome is Outcome.UNKNOWN
        call.outcome = Outcome.UNKNOWN if unknown and call.is_write else Outcome.FAILED

    async def _attempt(self, call: Call) -> Outcome:
        node = self._choose()
        if not call.is_write or self._random.random() >= self._habits.twice:
            return self._learn(call, await self._ask(self._rest, node, call))
        return await self._at_once(call, (node, self._random.choice(NODES)))

    async def _at_once(self, call: Call, nodes: Sequence[int]) -> Outcome:
        """The same request through two nodes: one outcome."""
        asked: list[Awaitable[Answer | Outcome]] = [
            self._ask(rest, node, call)
            for rest, node in zip((self._rest, self._second), nodes, strict=True)
        ]
        answers = await asyncio.gather(*asked)
        definite = {
            (outcome_of(answer), answer.body.get("revision"))
            for answer in answers
            if isinstance(answer, Answer) and outcome_of(answer).is_definite
        }
        if len(definite) > 1:
            self._workload.contradictions.append(f"{call}: two answers to one request: {answers}")
        outcomes = [self._learn(call, answer) for answer in answers]
        best = (Outcome.OK, Outcome.MISSING, Outcome.MISMATCH, Outcome.UNKNOWN, Outcome.FAILED)
        return next(outcome for outcome in best if outcome in outcomes)

    async def _ask(self, rest: RestClient, node: int, call: Call) -> Answer | Outcome:
        try:
            answer = await rest.ask(
                node,
                METHODS[call.kind],
                f"/key/{call.key}",
                body(call.kind, call.args),
                request_id=call.request_id,
                timeout_s=self._habits.timeout_s,
            )
        except NotSent:
            self._avoid(node)
            return Outcome.FAILED
        except Broken:
            self._avoid(node)
            return Outcome.UNKNOWN
        if not outcome_of(answer).is_definite:
            self._avoid(node)
        return answer

    @staticmethod
    def _learn(call: Call, answer: Answer | Outcome) -> Outcome:
        if isinstance(answer, Outcome):
            return answer
        outcome = outcome_of(answer)
        if outcome.is_definite:
            call.revision = answer.body.get("revision")
            if call.kind is Kind.GET and outcome is Outcome.OK:
                call.value = answer.body["value"]
        return outcome

    # --- which node --------------------------------------------------------------------

    def _choose(self) -> int:
        now_s = asyncio.get_running_loop().time()
        good = [node for node in NODES if self._avoided.get(node, 0.0) <= now_s]
        return self._random.choice(good or NODES)

    def _avoid(self, node: int) -> None:
        self._avoided[node] = asyncio.get_running_loop().time() + AVOID_S
