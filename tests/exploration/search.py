"""Breadth first through all states: the first violation found is one of the shortest."""

from array import array
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from tests.exploration.world import Action, State, Violation, World

PROGRESS_S = 10.0


class Result(Struct):
    """``complete``: nothing within the bounds was left out. A path ends with the violation."""

    states: int = 1
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    complete: bool = False
    violation: str = ""
    path: tuple[Action, ...] = ()

    @property
    def rate(self) -> float:
        """States per second."""
        return self.states / self.seconds if self.seconds else 0.0


class Search:
    def __init__(
        self, world: World, *, limit_s: float = 0.0, say: Callable[[str], None] = print
    ) -> None:
        """A limit of 0 is none; ``say`` is told of the progress now and then."""
        self._world = world
        self._say = say
        self._limit_s = limit_s
        self._started = self._said = monotonic()
        self._seen: set[int] = set()
        self._states = [world.initial()]
        self._origins = array("I", [0])  # from which state each was reached first
        self._result = Result()

    def run(self) -> Result:
        """Until all is visited, something is wrong, or the time is up."""
        result, begin = self._result, 0
        self._seen.add(self._world.name(self._states[0]))
        while begin < len(self._states) and not result.violation:
            end = len(self._states)
            if not self._expand(begin, end):
                break
            result.depth += len(self._states) > end
            begin = end
        result.complete = begin == len(self._states)
        result.states = len(self._states)
        result.seconds = monotonic() - self._started
        return result

    def _expand(self, begin: int, end: int) -> bool:
        """Visit whatever is one step further; false if that was not all."""
        for at in range(begin, end):
            try:
                successors = self._world.successors(self._states[at])
            except Violation as violation:
                self._result.violation = str(violation)
                self._result.path = (*self._path(at), violation.action)
                self._result.depth += 1
                return False
            self._visit(at, successors)
            if at % 256 == 0 and self._is_time_up():
                return False
        return True

    def _visit(self, origin: int, successors: list[tuple[Action, State]]) -> None:
        name, seen = self._world.name, self._seen
        self._result.transitions += len(successors)
        for _, state in successors:
            key = name(state)
            if key not in seen:
                seen.add(key)
                self._states.append(state)
                self._origins.append(origin)

    def _path(self, at: int) -> list[Action]:
        """How the state was reached."""
        actions: list[Action] = []
        while at:
            origin, state = self._origins[at], self._states[at]
            successors = self._world.successors(self._states[origin])
            actions.append(next(action for action, reached in successors if reached == state))
            at = origin
        return actions[::-1]

    def _is_time_up(self) -> bool:
        now = monotonic()
        if now - self._said >= PROGRESS_S:
            self._said = now
            states, seconds = len(self._states), now - self._started
            self._say(
                f"{states:>12,} states  {states / seconds:>8,.0f}/s  depth {self._result.depth}"
            )
        return bool(self._limit_s) and now - self._started >= self._limit_s
