"""The unary calls of the protocol: one request, one answer of the core.

The core answers by sending a message, as it answers everybody. Whoever sends for
the node offers each answer here first: if a unary call waits for one of that kind
to that member, the answer is its response and does not travel on the stream.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import grpc
from grpc import aio

from kvorum.raft.messages import AppendEntries, AppendResponse, Message, RequestVote, VoteResponse
from kvorum.raft.types import NodeId
from kvorum.transport.decoding import decode_append_request, decode_vote_request
from kvorum.transport.encoding import encode_append_response, encode_vote_response
from kvorum.transport.introduction import RefusalKind, shown
from kvorum.transport.observer import TransportObserver
from kvorum.transport.options import TransportOptions
from kvorum.transport.reception import MALFORMED, Deliver
from kvorum.transport.standing import Standing
from kvorum.transport.wire import MalformedMessage

CLUSTER_ID_METADATA = "kvorum-cluster-id"

Context = aio.ServicerContext[bytes, bytes]
Request = RequestVote | AppendEntries
Answer = VoteResponse | AppendResponse
Decode = Callable[[bytes, NodeId], Request]
_Key = tuple[NodeId, type[Answer], bool]


def _awaited_by(request: Request) -> _Key:
    if isinstance(request, RequestVote):
        return request.sender, VoteResponse, request.pre
    return request.sender, AppendResponse, False


class UnaryCalls:
    """Unary calls that wait for the core, oldest first per kind of answer."""

    def __init__(self, calls_max: int) -> None:
        self._calls_max = calls_max
        self._waiting: dict[_Key, deque[asyncio.Future[Answer]]] = {}
        self._count = 0

    @property
    def waiting(self) -> int:
        return self._count

    def expect(self, request: Request) -> "asyncio.Future[Answer] | None":
        """The answer to ``request``; None if too many calls wait already."""
        if self._count >= self._calls_max:
            return None
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(_awaited_by(request), deque()).append(answer)
        self._count += 1
        return answer

    def forget(self, request: Request, answer: "asyncio.Future[Answer]") -> None:
        """The caller of ``expect`` has its answer, or waits no longer."""
        key = _awaited_by(request)
        waiting = self._waiting.get(key)
        if waiting is None or answer not in waiting:
            return
        waiting.remove(answer)
        self._count -= 1
        if not waiting:
            del self._waiting[key]

    def resolve(self, message: Message) -> bool:
        """True if ``message`` was what a call waited for."""
        if not isinstance(message, VoteResponse | AppendResponse):
            return False
        pre = isinstance(message, VoteResponse) and message.pre
        for answer in self._waiting.get((message.to, type(message), pre), ()):
            if not answer.done():
                answer.set_result(message)
                return True
        return False


class UnaryService:
    """Serves ``RequestForVote`` and ``AppendEntries``; raw bytes in and out."""

    def __init__(
        self,
        *,
        options: TransportOptions,
        standing: Standing,
        calls: UnaryCalls,
        deliver: Deliver,
        observer: TransportObserver,
    ) -> None:
        self._options = options
        self._standing = standing
        self._calls = calls
        self._deliver = deliver
        self._observer = observer
        self._self = options.member_id

    async def request_for_vote(self, raw: bytes, context: Context) -> bytes:
        answer = await self._answer(decode_vote_request, raw, context)
        assert isinstance(answer, VoteResponse), "the registry pairs by type"
        return encode_vote_response(answer).SerializeToString()

    async def append_entries(self, raw: bytes, context: Context) -> bytes:
        answer = await self._answer(decode_append_request, raw, context)
        assert isinstance(answer, AppendResponse), "the registry pairs by type"
        return encode_append_response(answer).SerializeToString()

    async def _answer(self, decode: Decode, raw: bytes, context: Context) -> Answer:
        await self._check_cluster(context)
        try:
            request = decode(raw, self._self)
        except MalformedMessage as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, MALFORMED, str(error))
        await self._check_sender(request.sender, context)
        answer = self._calls.expect(request)
        if answer is None:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "too many unary calls wait; try again later"
            )
        try:
            return await self._wait(request, answer, context)
        finally:
            self._calls.forget(request, answer)

    async def _wait(
        self, request: Request, answer: "asyncio.Future[Answer]", context: Context
    ) -> Answer:
        self._deliver((request,))
        try:
            async with asyncio.timeout(self._patience_s(context)):
                return await answer
        except TimeoutError:
            await context.abort(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "this node did not answer in time: it is overloaded, or ignores the request "
                "because it hears from a leader",
            )

    def _patience_s(self, context: Context) -> float:
        """Our limit, or a little less than the caller's, so that it sees our reason."""
        remaining_s: float | None = context.time_remaining()
        limit_s = self._options.unary_timeout_ms / 1000
        return limit_s if remaining_s is None else min(limit_s, remaining_s * 0.9)

    async def _check_cluster(self, context: Context) -> None:
        ours = self._options.cluster_id
        metadata = dict(context.invocation_metadata() or ())
        theirs = metadata.get(CLUSTER_ID_METADATA)
        if theirs == ours:
            return
        told = "is missing" if theirs is None else f"is {shown(str(theirs))}"
        await self._refuse(
            context,
            grpc.StatusCode.FAILED_PRECONDITION,
            RefusalKind.OTHER_CLUSTER,
            f"metadata {CLUSTER_ID_METADATA} {told}; this node belongs to cluster {ours}",
        )

    async def _check_sender(self, sender: NodeId, context: Context) -> None:
        standing = self._standing
        if standing.disowned:
            code = grpc.StatusCode.PERMISSION_DENIED
            await self._refuse(context, code, RefusalKind.DISOWNED, standing.disowned)
        if sender in standing.peers:
            return
        await self._refuse(
            context,
            grpc.StatusCode.PERMISSION_DENIED,
            RefusalKind.STRANGER,
            f"{shown(sender)} is none of this node's peers ({', '.join(standing.peers)})",
        )

    async def _refuse(
        self, context: Context, code: grpc.StatusCode, kind: str, text: str
    ) -> NoReturn:
        self._observer.refused(kind)
        await context.abort(code, text)
