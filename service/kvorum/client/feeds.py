"""Streams that go on after a cut: what to open next, and what an event means. No I/O.

A feed knows how far its reader has come. Whatever ends a connection, :meth:`Feed.call` asks any
endpoint for exactly what follows, so the reader sees neither gap nor duplicate.
"""

from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from kvorum.client.call import Answer, Call, Query
from kvorum.client.calls.claims import Kind, claim_path
from kvorum.client.errors import Compacted, InvalidRequest, UnexpectedAnswer
from kvorum.client.model import Change, Claim, Event, Observation
from kvorum.client.wire import WireKeyValue, as_query, selector

I_co = TypeVar("I_co", covariant=True)
S = TypeVar("S")

HEARTBEAT_S = 15

_STREAM_HEADERS: Query = (("accept", "text/event-stream"), ("cache-control", "no-store"))


class Cut(Exception):
    """The node ended the stream; go on at another one."""


class Feed(Protocol[I_co]):
    """A resumable stream of items."""

    def call(self) -> Call[Answer]:
        """Opens it where the reader stands."""
        ...

    def accept(self, event: str, data: str) -> I_co | None:
        """The item that the event brings, if any.

        Raises :class:`Cut` if the stream is over and can go on elsewhere, and
        ``ClientError`` if it cannot.
        """
        ...


class _Opened(Struct):
    revision: int


class _WireEvent(WireKeyValue):
    type: str = "put"
    previous: WireKeyValue | None = None

    def event(self) -> Event:
        item = None if self.type == "delete" else self.item()
        previous = self.previous.item(self.key) if self.previous else None
        return Event(self.key, item, previous)


class _Change(Struct):
    revision: int
    events: tuple[_WireEvent, ...]


class _Cancelled(Struct, rename="camel"):
    reason: str
    resume_revision: int = 0
    oldest_revision: int = 0
    detail: str = ""


class Watched(Struct, frozen=True, kw_only=True):
    """What a watch asks for; see :meth:`kvorum.client.Client.watch`."""

    key: str | None = None
    prefix: str | None = None
    start: str | None = None
    end: str | None = None
    from_revision: int | None = None
    previous: bool = False
    puts: bool = True
    deletes: bool = True
    heartbeat_s: int = HEARTBEAT_S


class WatchFeed:
    """Changes of keys. Bookmarks keep ``progress`` fresh while nothing that is watched changes."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._selected = selector(
            key=watched.key, prefix=watched.prefix, start=watched.start, end=watched.end
        )
        if not (watched.puts or watched.deletes):
            raise InvalidRequest("watch puts, deletes or both: without either nothing ever comes")
        begin = watched.from_revision
        self.progress: int | None = None if begin is None else begin - 1
        """All changes up to this revision were handed out; None: it has not begun."""

    def call(self) -> Call[Answer]:
        query: Query = (*as_query(self._selected), ("bookmarks", "true"), *self._options())
        headers = _STREAM_HEADERS
        if self.progress is not None:
            headers += (("last-event-id", str(self.progress)),)
        return Call(
            "watch",
            "GET",
            "/watch",
            _head,
            query=query,
            headers=headers,
            is_stream=True,
            silence_s=_silence_s(self._watched.heartbeat_s),
            prefers_leader=False,
        )

    def _options(self) -> Query:
        watched = self._watched
        query: Query = (("heartbeatSeconds", str(watched.heartbeat_s)),)
        if watched.previous:
            query += (("previous", "true"),)
        if not (watched.puts and watched.deletes):
            query += (("types", "put" if watched.puts else "delete"),)
        return query

    def accept(self, event: str, data: str) -> Change | None:
        if event == "change":
            return self._change(_parsed(data, _Change))
        if event in ("opened", "bookmark"):
            self._advance(_parsed(data, _Opened).revision, is_start=event == "opened")
        elif event == "cancelled":
            self._cancelled(_parsed(data, _Cancelled))
        return None  # an event of a later release

    def _change(self, said: _Change) -> Change | None:
        if self.progress is not None and said.revision <= self.progress:
            return None
        self.progress = said.revision
        return Change(said.revision, tuple(event.event() for event in said.events))

    def _advance(self, revision: int, *, is_start: bool) -> None:
        if self.progress is None:
            self.progress = revision
        elif not is_start:  # at its start the stream has yet to bring what happened meanwhile
            self.progress = max(self.progress, revision)

    def _cancelled(self, said: _Cancelled) -> None:
        if said.reason == "compacted":
            oldest = said.oldest_revision or said.resume_revision
            raise Compacted(
                said.detail
                or f"the changes after revision {self.progress} are forgotten: "
                "read the keys anew, and watch from there on",
                oldest_revision=oldest,
            )
        raise Cut(said.detail or said.reason)


class _Leader(Struct):
    lease: str
    token: int = 0
    value: object = None


class _Observed(Struct):
    leader: _Leader | None = None


class LeaderFeed:
    """Who leads. A new connection tells it again, so only what differs is handed out."""

    def __init__(self, name: str, heartbeat_s: int = HEARTBEAT_S) -> None:
        self._path = f"{claim_path(Kind.ELECTION, name)}/observe"
        self._heartbeat_s = heartbeat_s
        self._last: Observation | None = None

    def call(self) -> Call[Answer]:
        return Call(
            "election_observe",
            "GET",
            self._path,
            _head,
            headers=_STREAM_HEADERS,
            is_stream=True,
            silence_s=_silence_s(self._heartbeat_s),
            prefers_leader=False,
        )

    def accept(self, event: str, data: str) -> Observation | None:
        if event == "cancelled":
            raise Cut(data)
        if event != "leader":
            return None
        leader = _parsed(data, _Observed).leader
        claim = Claim(leader.lease, leader.token, leader.value, held=True) if leader else None
        observation = Observation(claim)
        if observation == self._last:
            return None
        self._last = observation
        return observation


def _head(answer: Answer) -> Answer:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "text/event-stream":
        raise UnexpectedAnswer(f"{answer.endpoint} answered a watch with {kind or 'no type'}")
    return answer


def _silence_s(heartbeat_s: float) -> float:
    """After so long without a byte nobody is there any more: two heartbeats were missed."""
    return 2 * heartbeat_s + 3


def _parsed(data: str, shape: type[S]) -> S:
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.DecodeError as error:
        raise UnexpectedAnswer(f"an event of a watch is not as expected: {error}") from error
