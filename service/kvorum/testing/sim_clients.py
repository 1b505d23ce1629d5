"""Clients that put, compare, delete and read all at once, and do not take an error for an answer.

A write that got no answer is sent again under its request id, to another node as likely as not.
Values are unique, so that a read tells which write it saw.
"""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from contextvars import copy_context
from random import Random
from typing import Protocol, TypeVar

from msgspec import Struct

from kvorum.errors import KvorumError, OutcomeUnknown, Rejected
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.service import KvService
from kvorum.node.views import ReadResult
from kvorum.testing.history import History, Read
from kvorum.testing.linearizability import Answer, Kind, Operation
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import Gate

T = TypeVar("T")
Ask = Callable[[KvService], Future[T]]

_ANSWERS = {
    Status.SUCCESS: Answer.OK,
    Status.KEY_NOT_FOUND: Answer.MISSING,
    Status.VALUE_MISMATCH: Answer.MISMATCH,
    Status.FULL: Answer.FULL,
}


class Unreachable(Rejected):
    """Nobody listens there: the request was never taken."""


class ConnectionLost(OutcomeUnknown):
    """The node went away with the request, or the client's patience ended."""


class Process(Protocol):
    """A node that runs."""

    @property
    def gate(self) -> Gate: ...
    @property
    def service(self) -> KvService: ...
    @property
    def is_leader(self) -> bool: ...

    def when_gone(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` when the process ends."""
        ...


class Machine(Protocol):
    """A place where a node may run."""

    @property
    def name(self) -> str: ...
    @property
    def node(self) -> Process | None: ...


class ClientOptions(Struct, frozen=True, kw_only=True):
    """``pause_s`` is the mean time between two calls of one client."""

    clients: int = 4
    coordinators: int = 2
    contenders: int = 0
    keys: int = 4
    pause_s: float = 0.5
    patience_s: float = 2.5
    attempts_max: int = 5
    value_bytes: int = 0  # values are made this long
    stale: float = 0.1  # share of stale reads among all calls
    probe: float = 0.5  # chance of a read right after a write was acknowledged
    both: float = 0.05  # share of writes that are sent to two nodes at once
    delay_s: tuple[float, float] = (0.0001, 0.002)  # one way, between client and node


class Line:
    """How requests get to nodes and answers back; nothing is lost while both sides live."""

    def __init__(self, loop: AbstractEventLoop, random: Random, options: ClientOptions) -> None:
        self._loop = loop
        self._random = random
        self._options = options
        self._context = copy_context()  # outside of every node

    async def call(self, machine: Machine, ask: Ask[T]) -> T:
        """What ``ask`` gets from the node's service.

        Raises :class:`Rejected` if it certainly was not done, :class:`OutcomeUnknown` else.
        """
        await asyncio.sleep(self._delay_s())
        process = machine.node
        if process is None:
            raise Unreachable(f"{machine.name} is not up")
        answer: Future[T] = self._loop.create_future()
        process.when_gone(lambda: self._later(_fail, answer, _lost()))
        process.gate.call_soon(self._serve, process, ask, answer)
        try:
            async with asyncio.timeout(self._options.patience_s):
                return await answer
        except TimeoutError:
            raise _lost() from None

    def _serve(self, process: Process, ask: Ask[T], answer: "Future[T]") -> None:
        """Runs as a part of the node."""
        try:
            result = ask(process.service)
        except KvorumError as error:
            self._later(_fail, answer, error)
            return
        result.add_done_callback(lambda done: self._pass_on(done, answer))

    def _pass_on(self, done: "Future[T]", answer: "Future[T]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._later(_succeed, answer, done.result())
        else:
            self._later(_fail, answer, error)

    def _later(self, do: Callable[..., None], *args: object) -> None:
        self._loop.call_later(self._delay_s(), do, *args, context=self._context)

    def _delay_s(self) -> float:
        return self._random.uniform(*self._options.delay_s)


def _lost() -> ConnectionLost:
    return ConnectionLost("no answer", request_id="")


def _succeed(answer: "Future[T]", value: T) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "Future[T]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


class Client:
    """One thread of control: its calls follow one another."""

    def __init__(
        self,
        name: str,
        machines: Sequence[Machine],
        line: Line,
        options: ClientOptions,
        history: History,
        *,
        random: Random,
        trace: Trace,
    ) -> None:
        self._name = name
        self._machines = machines
        self._line = line
        self._options = options
        self._history = history
        self._random = random
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._last_seen: dict[str, bytes] = {}
        self.stopping = False

    async def run(self) -> None:
        """Until told to stop; the call under way then ends by itself."""
        while not self.stopping:
            await asyncio.sleep(self._random.expovariate(1 / self._options.pause_s))
            await self.call_once()

    async def call_once(self) -> None:
        random = self._random
        key = f"k{random.randrange(self._options.keys)}"
        self._count += 1
        if random.random() < self._options.stale:
            await self._read_stale(key)
            return
        kind = random.choice((Kind.GET, Kind.GET, Kind.PUT, Kind.PUT, Kind.CAS, Kind.DELETE))
        if kind is Kind.GET:
            await self._get(key)
        else:
            await self._write(kind, key)

    # --- reads -------------------------------------------------------------------------

    async def _get(self, key: str, machine: Machine | None = None) -> None:
        start = self._loop.time()
        request_id = f"{self._request_id()}-get"
        machine = machine or self._random.choice(self._machines)
        try:
            result = await self._line.call(
                machine, lambda service: service.get(request_id, key.encode())
            )
        except (Rejected, OutcomeUnknown) as error:
            self._tell(machine, "get", key, type(error).__name__)
            return
        value = _value(result)
        found = Answer.MISSING if value is None else value
        if value is not None:
            self._last_seen[key] = value
        end = self._loop.time()
        self._history.add_read(
            Operation(self._name, key, Kind.GET, (), found, start, end, result.revision)
        )
        self._tell(machine, "get", key, found, result.revision)

    def _some_leader(self) -> Machine | None:
        """One of those that believe they lead: an old leader must not answer with old values."""
        leaders = [m for m in self._machines if m.node is not None and m.node.is_leader]
        return self._random.choice(leaders) if leaders and self._random.random() < 0.7 else None

    async def _read_stale(self, key: str) -> None:
        request_id = self._request_id()
        machine = self._random.choice(self._machines)

        def ask(service: KvService) -> "Future[ReadResult]":
            done: Future[ReadResult] = self._loop.create_future()
            done.set_result(service.get_stale(request_id, key.encode()))
            return done

        try:
            result = await self._line.call(machine, ask)
        except (Rejected, OutcomeUnknown):
            return
        self._history.reads.append(Read(key, _value(result), result.revision))

    # --- writes ------------------------------------------------------------------------

    async def _write(self, kind: Kind, key: str) -> None:
        request_id, args = self._request_id(), self._args(kind, key)
        ask = _asker(request_id, kind, key.encode(), args)
        start = self._loop.time()
        outcome, unsure = await self._insist(ask, kind, key, args)
        if outcome is not None:
            end = self._loop.time()
            answer = _ANSWERS[outcome.status]
            operation = Operation(self._name, key, kind, args, answer, start, end, outcome.revision)
            self._history.add_write(request_id, operation)
            if answer is Answer.OK and args:
                self._last_seen[key] = args[-1]
            if self._random.random() < self._options.probe:
                await self._get(key, self._some_leader())
        elif unsure:
            operation = Operation(self._name, key, kind, args, Answer.UNKNOWN, start, None)
            self._history.add_write(request_id, operation)
        else:
            self._history.refused.append(request_id)

    async def _insist(
        self, ask: Ask[Outcome], kind: Kind, key: str, args: tuple[bytes, ...]
    ) -> tuple[Outcome | None, bool]:
        """The outcome if there was one, and whether it may yet come."""
        random, unsure = self._random, False
        machine = random.choice(self._machines)
        for _ in range(self._options.attempts_max):
            try:
                outcome = await self._send(machine, ask)
            except (Rejected, OutcomeUnknown) as error:
                unsure = unsure or isinstance(error, OutcomeUnknown)
                self._tell(machine, kind, key, *args, type(error).__name__)
            else:
                self._tell(machine, kind, key, *args, outcome.status.name, outcome.revision)
                return outcome, False
            if random.random() < 0.2:
                break
            machine = random.choice(self._machines)
            await asyncio.sleep(random.random() * 0.3)
        return None, unsure

    async def _send(self, machine: Machine, ask: Ask[Outcome]) -> Outcome:
        """To one node, or to two at once: then the answers must be the same."""
        if self._random.random() >= self._options.both:
            return await self._line.call(machine, ask)
        other = self._random.choice(self._machines)
        answers = await asyncio.gather(
            self._line.call(machine, ask), self._line.call(other, ask), return_exceptions=True
        )
        outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
        if outcomes:
            assert all(outcome == outcomes[0] for outcome in outcomes), "one outcome per id"
            return outcomes[0]
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        raise next((e for e in errors if not isinstance(e, Rejected)), errors[0])

    def _args(self, kind: Kind, key: str) -> tuple[bytes, ...]:
        new = f'"{self._name}-{self._count:=<{self._options.value_bytes}}"'.encode()
        if kind is Kind.PUT:
            return (new,)
        if kind is Kind.CAS:
            return (self._last_seen.get(key, b'"never"'), new)
        return ()

    def _request_id(self) -> str:
        return f"{self._name}-{self._count}"

    def _tell(self, machine: Machine, *facts: object) -> None:
        if self._trace.is_on:
            self._trace.tell(self._name, f"at {machine.name}:", *facts)


def _asker(request_id: str, kind: Kind, key: bytes, args: tuple[bytes, ...]) -> Ask[Outcome]:
    def ask(service: KvService) -> "Future[Outcome]":
        if kind is Kind.PUT:
            return service.put(request_id, key, *args)
        if kind is Kind.CAS:
            return service.compare_and_set(request_id, key, *args)
        return service.delete(request_id, key)

    return ask


def _value(result: ReadResult) -> bytes | None:
    return result.record.value if result.record else None
