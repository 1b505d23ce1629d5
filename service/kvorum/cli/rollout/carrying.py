"""A rollout, carried out: look, do the next step, look again; until it is done or time is up.

Refusals, broken connections and outcomes that nobody knows are all met alike: another look
shows what is so, and the next step follows from that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from time import monotonic
from typing import assert_never
from urllib.parse import quote

from msgspec import Struct

from kvorum.cli.cluster.endpoints import MEMBERS, Failed, read_members
from kvorum.cli.cluster.words import voters_of
from kvorum.cli.exits import Exit
from kvorum.cli.output import shortened
from kvorum.cli.rollout.asking import LeaderSight
from kvorum.cli.rollout.ordinals import Ordinals, short_name
from kvorum.cli.rollout.steps import (
    AddMember,
    Finished,
    Lead,
    LetVote,
    Refuse,
    RemoveMember,
    Step,
    Wait,
)
from kvorum.cli.rollout.telling import Telling
from kvorum.cli.rollout.view import Seat, View
from kvorum.cli.rollout.words import (
    NO_SUCH_NAME,
    NOBODY,
    beginning,
    looking_at,
    paragraphs,
    remarks,
)

_PAUSE_S = 0.3
_QUIET_S = 1.0
"""A trouble that passes sooner is none: a new leader has to hear from everybody first."""
_TELL_EVERY_S = 5.0
_SHOWN_MAX = 400

Plan = Callable[[View], Step]
Action = Lead | RemoveMember | AddMember | LetVote


class Limits(Struct, frozen=True):
    """``patience_s`` is for what will hardly pass by itself. ``way_out`` is told at its end.

    ``steady_s``: how long nothing may be in the way before anything is done. A leader takes a
    node that died a moment ago for active until an election timeout is over.
    """

    timeout_s: float
    patience_s: float
    unreached_s: float
    steady_s: float
    way_out: str


class _Trouble(Struct):
    """What is in the way now, since when, and when it was last told."""

    kind: str
    since_s: float
    told_s: float


class Rollout:
    """One run of a command."""

    def __init__(
        self,
        sight: LeaderSight,
        ordinals: Ordinals,
        replicas: int,
        *,
        limits: Limits,
        telling: Telling,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._sight = sight
        self._ordinals = ordinals
        self._replicas = replicas
        self._limits = limits
        self._telling = telling
        self._clock = clock
        self._pause = pause or Event().wait
        self._end_s = clock() + limits.timeout_s
        self._steady_s = clock() + limits.steady_s
        self._trouble: _Trouble | None = None
        self._changes = 0

    def carry_out(self, plan: Plan, *, removes: bool) -> None:
        """Raises :class:`Failed` if it does not come to its end."""
        view = self._look()
        self._telling.tell("begin", beginning(view))
        for remark in remarks(view, removes=removes):
            self._telling.tell("note", remark)
        while not (isinstance(step := plan(view), Finished) and self._is_steady):
            match step:
                case Refuse():
                    raise Failed(step.why)
                case Wait():
                    self._steady_s = self._clock() + self._limits.steady_s
                    self._wait(step)
                case Lead() | RemoveMember() | AddMember() | LetVote() if self._is_steady:
                    self._do(step)
                case _:
                    self._pause(_PAUSE_S)
            view = self._look()
        assert isinstance(step, Finished), "the loop ends with nothing else"
        self._telling.tell("done", step.told)

    @property
    def _is_steady(self) -> bool:
        return self._clock() >= self._steady_s

    # --- looking and waiting -----------------------------------------------------------

    def _look(self) -> View:
        while True:
            try:
                return View(self._ordinals, self._replicas, self._sight.look())
            except Failed as error:
                if error.code != Exit.UNAVAILABLE:
                    raise
                self._hold("unreached", str(error), self._limits.unreached_s, self._unreached)

    def _unreached(self, why: str) -> Failed:
        told = paragraphs(
            f"the cluster could not be asked: {why}",
            NOBODY,
            NO_SUCH_NAME,
            self._so_far(),
            self._limits.way_out,
        )
        return Failed(told, Exit.UNAVAILABLE)

    def _wait(self, step: Wait) -> None:
        def give_up(why: str) -> Failed:
            return Failed(
                paragraphs(
                    f"not ready in time: {why}",
                    looking_at(step.pods),
                    self._so_far(),
                    self._limits.way_out,
                )
            )

        patience_s = self._limits.timeout_s if step.is_patient else self._limits.patience_s
        self._hold("waiting", step.why, patience_s, give_up)

    def _hold(
        self, kind: str, why: str, patience_s: float, give_up: Callable[[str], Failed]
    ) -> None:
        """A pause, told now and then; raises what ``give_up`` makes of it when time is up."""
        now_s = self._clock()
        if self._trouble is None or self._trouble.kind != kind:
            self._trouble = _Trouble(kind, now_s, now_s + _QUIET_S - _TELL_EVERY_S)
        trouble = self._trouble
        if now_s >= min(self._end_s, trouble.since_s + patience_s):
            raise give_up(why)
        if now_s >= trouble.told_s + _TELL_EVERY_S:
            trouble.told_s = now_s
            self._telling.tell("wait", f"waiting: {_on_one_line(why)}")
        self._pause(_PAUSE_S)

    def _so_far(self) -> str:
        if not self._changes:
            return "Nothing was changed."
        return "What was done so far is kept."

    # --- doing -------------------------------------------------------------------------

    def _do(self, step: Action) -> None:
        with self._retrying():
            match step:
                case Lead(seat):
                    self._lead(seat)
                case RemoveMember(seat):
                    self._remove(seat)
                case AddMember(address):
                    self._add(address)
                case LetVote(seat):
                    self._let_vote(seat)
                case _:
                    assert_never(step)
            self._changes += 1
            self._trouble = None

    @contextmanager
    def _retrying(self) -> Iterator[None]:
        """What fails is tried again, if the next look still asks for it."""
        try:
            yield
        except Failed as error:
            code = error.code

            def give_up(why: str) -> Failed:
                return Failed(paragraphs(why, self._so_far()), Exit(code))

            self._hold("refused", str(error), self._limits.timeout_s, give_up)

    def _lead(self, seat: Seat) -> None:
        self._sight.cluster.ask("POST", "/cluster/transfer", {"target": seat.member.id})
        self._telling.tell("lead", f"{seat.name} leads now", member=seat.member.id)

    def _remove(self, seat: Seat) -> None:
        body = self._sight.cluster.ask("DELETE", _path_of(seat))
        told = f"{seat.name} is removed: {voters_of(read_members(body))}"
        self._telling.tell("remove", told, member=seat.member.id)

    def _add(self, address: str) -> None:
        body = self._sight.cluster.ask("POST", MEMBERS, {"address": address})
        added = read_members(body).member
        named = added.id if added else address
        told = f"{short_name(address)} is added as a learner: {named}"
        self._telling.tell("add", told, member=named)

    def _let_vote(self, seat: Seat) -> None:
        body = self._sight.cluster.ask("POST", f"{_path_of(seat)}/promote")
        told = f"{seat.name} votes now: {voters_of(read_members(body))}"
        self._telling.tell("promote", told, member=seat.member.id)


def _on_one_line(text: str) -> str:
    return shortened("; ".join(line.strip() for line in text.splitlines()), _SHOWN_MAX)


def _path_of(seat: Seat) -> str:
    return f"{MEMBERS}/{quote(seat.member.id, safe='')}"
