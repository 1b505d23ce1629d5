"""``/cluster/members`` and ``/cluster/transfer`` in the document."""

from typing import Any

from msgspec import Struct

from kvorum.errors import Conflict, InvalidRequest, NoLeader, TooLarge
from kvorum.rest.faults import ChangeUnconfirmed, UnknownMember, UnsupportedMediaType
from kvorum.rest.openapi.parts import (
    JsonObject,
    MemberBody,
    TransferBody,
    json_answer,
    problem_answer,
    ref,
    sends,
    uses,
)
from kvorum.rest.problems import INTERNAL, KINDS, UNEXPECTED_DETAIL
from kvorum.rest.schemas import LeadershipAnswer, MembersAnswer

_PATH = "/cluster/members"
_ONE = "/cluster/members/localhost:8006%231f"
_PROMOTE = f"{_ONE}/promote"
_TRANSFER = "/cluster/transfer"


def _member(number: int, role: str, **changes: Any) -> JsonObject:
    member: JsonObject = {
        "id": f"localhost:800{number}",
        "name": f"Node-{number}",
        "address": f"localhost:800{number}",
        "role": role,
        "isLeader": number == 1,
        "active": True,
        "matchIndex": 118,
        "lag": 0,
    }
    return member | changes


_VOTERS = [_member(number, "voter") for number in (1, 2, 3)]
_LEARNER = _member(6, "learner", id="localhost:8006#1f", name="", active=False, matchIndex=0)
_PROMOTED = _member(6, "voter", id="localhost:8006#1f")


def _membership(index: int, *members: JsonObject) -> JsonObject:
    return {
        "isLeader": True,
        "leaderId": "Node-1",
        "clusterId": "5f0c2a9e3b7d1846",
        "index": index,
        "isJoint": False,
        "members": [*_VOTERS, *members],
    }


def member_paths() -> JsonObject:
    """The path items in the order they are shown."""
    return {
        "/cluster/members": {"get": _list(), "post": _add()},
        "/cluster/members/{id}": {"delete": _remove()},
        "/cluster/members/{id}/promote": {"post": _promote()},
        "/cluster/transfer": {"post": _transfer()},
    }


def _list() -> JsonObject:
    return _operation(
        "clusterMembers",
        "Who belongs to the cluster",
        "The membership in force on this node; answers at once, also without a leader. Only the "
        "leader knows which of the others are active and how far they lag.",
        {
            "200": json_answer(MembersAnswer, "All members.", _membership(31, _LEARNER)),
            "400": _no_parameters(_PATH),
        },
        _PATH,
    )


def _add() -> JsonObject:
    example = _membership(31, _LEARNER | {"lag": 118}) | {"member": _LEARNER | {"lag": 118}}
    responses = {
        "201": json_answer(MembersAnswer, "Added as a learner, under a new id.", example),
        **_body_refusals(_PATH, "address: 'localhost' must end in a port from 1 to 65535"),
        "409": _conflict(_PATH, "localhost:8001 is the address of member localhost:8001 already"),
        **_unfinished(_PATH),
    }
    operation = _operation(
        "addMember",
        "Add a node as a learner",
        "A learner gets the log and counts in no majority. Start its node, with that address as "
        "SELF_ADDRESS and an empty data directory; when it has caught up, promote it.",
        responses,
        _PATH,
    )
    return operation | {"requestBody": _body(MemberBody, {"address": "localhost:8006"})}


def _remove() -> JsonObject:
    detail = "localhost:8001 is the last voter: without it nothing could be decided"
    responses = {
        "200": json_answer(MembersAnswer, "Removed; these are left.", _membership(52)),
        "400": _no_parameters(_ONE),
        "404": _unknown(_ONE),
        "409": _conflict(_ONE, detail),
        **_unfinished(_ONE),
    }
    operation = _operation(
        "removeMember",
        "Remove a member",
        "For good: its node says so and stops serving. The leader may be removed like any other; "
        "it hands over when the change is complete.",
        responses,
        _ONE,
    )
    return operation | {"parameters": [uses("MemberInPath")]}


def _promote() -> JsonObject:
    example = _membership(40, _PROMOTED) | {"member": _PROMOTED}
    responses = {
        "200": json_answer(MembersAnswer, "It votes now.", example),
        "400": _no_parameters(_PROMOTE),
        "404": _unknown(_PROMOTE),
        "409": _conflict(_PROMOTE, "localhost:8002 is a voter already"),
        **_unfinished(_PROMOTE),
    }
    operation = _operation(
        "promoteMember",
        "Make a learner a voter",
        "Refused while it lags. Answers when the joint membership, in which the former and the "
        "new voters decide, has been left.",
        responses,
        _PROMOTE,
    )
    return operation | {"parameters": [uses("MemberInPath")]}


def _transfer() -> JsonObject:
    responses = {
        "200": json_answer(
            LeadershipAnswer, "Another node leads.", {"isLeader": False, "leaderId": "Node-2"}
        ),
        **_body_refusals(_TRANSFER, 'target must be a string, for example "Node-2"'),
        "404": _unknown(_TRANSFER),
        "409": _conflict(_TRANSFER, "localhost:8006#1f is a learner and cannot lead"),
        **_unfinished(_TRANSFER),
    }
    operation = _operation(
        "transferLeadership",
        "Let another node lead",
        "`target` is a voter's id, address or name; null, or no body at all, leaves the choice to "
        "the leader. Writes wait meanwhile: about as long as one of them takes.",
        responses,
        _TRANSFER,
    )
    body = _body(TransferBody, {"target": "Node-2"}) | {"required": False}
    return operation | {"requestBody": body}


def _operation(
    operation: str, summary: str, description: str, responses: JsonObject, instance: str
) -> JsonObject:
    internal = problem_answer(
        "A defect of this node.", INTERNAL, UNEXPECTED_DETAIL, instance=instance
    )
    return {
        "tags": ["cluster"],
        "operationId": operation,
        "summary": summary,
        "description": description,
        "responses": dict(sorted((responses | {"500": internal}).items())),
    }


def _body(schema: type[Struct], example: JsonObject) -> JsonObject:
    return {
        "required": True,
        "content": {"application/json": {"schema": ref(schema), "example": example}},
    }


def _body_refusals(instance: str, detail: str) -> JsonObject:
    return {
        "400": problem_answer(
            "The body cannot be understood, or there are parameters.",
            KINDS[InvalidRequest],
            detail,
            instance=instance,
        ),
        "413": problem_answer(
            "The body is too large.",
            KINDS[TooLarge],
            "the body is larger than 4096 bytes, the most this node reads",
            instance=instance,
        ),
        "415": problem_answer(
            "The body is not declared as JSON.",
            KINDS[UnsupportedMediaType],
            "the body is declared as text/plain, but only JSON is understood",
            instance=instance,
        ),
    }


def _no_parameters(instance: str) -> JsonObject:
    return problem_answer(
        "There are parameters, but it takes none.",
        KINDS[InvalidRequest],
        "'force' is no parameter of this request; there are none",
        instance=instance,
    )


def _unknown(instance: str) -> JsonObject:
    return problem_answer(
        "There is no such member; `detail` names those there are.",
        KINDS[UnknownMember],
        "'Node-9' is no id, address or name of a member; there are localhost:8001 (Node-1), "
        "localhost:8002 (Node-2), localhost:8003 (Node-3)",
        instance=instance,
    )


def _conflict(instance: str, detail: str) -> JsonObject:
    return problem_answer(
        "It makes no sense as the cluster is now, or several members fit. Nothing was changed.",
        KINDS[Conflict],
        detail,
        instance=instance,
    )


def _unfinished(instance: str) -> JsonObject:
    unconfirmed = (
        "the change of the membership was proposed, but not completed in time. The change may or "
        "may not come to pass: look at GET /cluster/members before you ask for it again"
    )
    return {
        "503": problem_answer(
            "No leader, or no majority to lead. Nothing was changed.",
            KINDS[NoLeader],
            "no leader is known; a majority of the nodes must be running",
            instance=instance,
            extra={"isLeader": False, "leaderId": ""},
            headers={"Retry-After": sends("RetryAfter")},
        ),
        "504": problem_answer(
            "It may yet come to pass: look before you ask again.",
            KINDS[ChangeUnconfirmed],
            unconfirmed,
            instance=instance,
        ),
    }
