"""Calls about the cluster itself: its state, its members, its history, its backup."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kvorum.client.call import Answer, Call
from kvorum.client.calls.posting import posting
from kvorum.client.errors import InvalidRequest
from kvorum.client.model import Members, NodeStatus
from kvorum.client.wire import decoded


class _Info(Struct, rename="camel"):
    is_leader: bool
    leader_id: str
    info: Mapping[str, Any]
    store: Mapping[str, Any] = {}


class _Compacted(Struct, rename="camel"):
    compacted_revision: int


def info() -> Call[NodeStatus]:
    """Where the node that answers stands."""

    def read(answer: Answer) -> NodeStatus:
        said = decoded(answer, _Info)
        return NodeStatus(
            answer.endpoint,
            is_leader=said.is_leader,
            leader_id=said.leader_id,
            info=said.info,
            store=said.store or said.info.get("store", {}),
        )

    return Call("status", "GET", "/cluster/info", read, prefers_leader=False)


def members() -> Call[Members]:
    """Preferably as the leader sees them: it knows how far the others are."""

    def read(answer: Answer) -> Members:
        return decoded(answer, Members)

    return Call("members", "GET", "/cluster/members", read)


def compact(
    revision: int | None = None, *, keep_revisions: int | None = None, request_id: str = ""
) -> Call[int]:
    """Forget what came before ``revision``; the oldest that is left."""
    if (revision is None) is (keep_revisions is None):
        raise InvalidRequest("say either which revision to compact to, or how many to keep")
    body = {"keepRevisions": keep_revisions} if revision is None else {"revision": revision}

    def read(answer: Answer) -> int:
        return decoded(answer, _Compacted).compacted_revision

    return posting("compact", "/compact", body, read, request_id=request_id)


def snapshot(silence_s: float) -> Call[Answer]:
    """A backup, as a stream; the answer is its head."""
    return Call(
        "snapshot",
        "GET",
        "/snapshot",
        _itself,
        headers=(("accept-encoding", "identity"),),
        is_stream=True,
        silence_s=silence_s,
        prefers_leader=False,
    )


def _itself(answer: Answer) -> Answer:
    return answer
