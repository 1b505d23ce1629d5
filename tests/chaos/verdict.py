"""What a history must hold once all faults are healed.

1. What stayed unknown, or is said not to have happened, is looked up by its request id.
2. Every key is read on every node, as a part of the history.
3. The history is linearizable.
4. Every revision between the first and the last was made by exactly one acknowledged write:
   nothing was applied twice, nothing that was refused was applied, nothing was lost.
5. What is there at the end was written by the last write of its key.
6. Revisions never go back in real time.
"""

import asyncio
from collections.abc import Sequence
from operator import attrgetter

from kvorum.testing.linearizability import Kind, check
from tests.chaos.calls import Call, Outcome, outcome_of
from tests.chaos.places import NODES
from tests.chaos.rest_client import Answer, Broken, NotSent, RestClient
from tests.chaos.waiting import eventually
from tests.chaos.workload import Workload

MESSAGES = {"success": Outcome.OK, "old value does not match": Outcome.MISMATCH}


async def ask_until_answered(
    rest: RestClient,
    node: int,
    method: str,
    path: str,
    *,
    body: object = None,
    request_id: str = "",
) -> Answer:
    async def answered() -> Answer | None:
        try:
            answer = await rest.ask(node, method, path, body, request_id=request_id)
        except (NotSent, Broken):
            return None
        return answer if answer.status in {200, 404} else None

    return await eventually(f"node {node} answers {method} {path}", answered)


async def barrier(rest: RestClient, name: str) -> int:
    """A write of our own; its revision divides what came before from what comes after."""
    answer = await ask_until_answered(
        rest,
        NODES[0],
        "PUT",
        f"/key/barrier/{name}",
        body={"value": 0},
        request_id=f"barrier-{name}",
    )
    return int(answer.body["revision"])


async def violations(workload: Workload, rest: RestClient, *, first: int, last: int) -> list[str]:
    """Texts for people; none: all is well.

    ``first`` and ``last`` are the revisions of the barriers before and after the workload.
    """
    calls = workload.calls
    problems = list(workload.contradictions)
    problems += await _resolve(calls, rest)
    finals = await _read_everywhere(calls, rest)
    history = [each for each in (*calls, *finals) if each.outcome is not Outcome.FAILED]
    violation = check(call.operation() for call in history)
    if violation is not None:
        problems.append(str(violation))
    problems += revisions_not_made_once(calls, first=first, last=last)
    problems += wrong_at_the_end(calls, finals)
    problems += revisions_that_go_back(history)
    return problems


async def _resolve(calls: Sequence[Call], rest: RestClient) -> list[str]:
    problems = []
    loop = asyncio.get_running_loop()
    for number, call in enumerate(calls):
        if not call.is_write or call.outcome.is_definite:
            continue
        node = NODES[number % len(NODES)]
        answer = await ask_until_answered(rest, node, "GET", f"/command/{call.request_id}")
        info = answer.body["info"]
        if not info["found"]:
            call.outcome = Outcome.FAILED
            continue
        if call.outcome is Outcome.FAILED:
            problems.append(f"said not to be applied, but it was: {call}")
        call.outcome = MESSAGES.get(info["message"], Outcome.MISSING)
        call.revision, call.end, call.resolved = info.get("revision"), loop.time(), True
    return problems


async def _read_everywhere(calls: Sequence[Call], rest: RestClient) -> list[Call]:
    loop = asyncio.get_running_loop()
    finals = []
    for key in dict.fromkeys(call.key for call in calls):
        for node in NODES:
            read = Call(f"final-{node}", key, Kind.GET, (), "", loop.time())
            answer = await ask_until_answered(rest, node, "GET", f"/key/{key}")
            read.end, read.outcome = loop.time(), outcome_of(answer)
            read.value, read.revision = answer.body.get("value"), answer.body.get("revision")
            finals.append(read)
    return finals


def revisions_not_made_once(calls: Sequence[Call], *, first: int, last: int) -> list[str]:
    made: dict[int, list[Call]] = {}
    for call in calls:
        if call.changed and call.revision is not None:
            made.setdefault(call.revision, []).append(call)
    problems = [f"one revision, several writes: {each}" for each in made.values() if len(each) > 1]
    expected = set(range(first + 1, last))
    if missing := sorted(expected - made.keys()):
        problems.append(f"revisions that no acknowledged write made: {missing[:20]}")
    if beyond := sorted(made.keys() - expected):
        problems.append(f"revisions outside {first + 1}…{last - 1}: {beyond[:20]}")
    return problems


def wrong_at_the_end(calls: Sequence[Call], finals: Sequence[Call]) -> list[str]:
    """Each final read must see the write with the key's highest revision."""
    latest: dict[str, Call] = {}
    for call in sorted((c for c in calls if c.changed), key=lambda call: call.revision or 0):
        latest[call.key] = call
    problems = []
    for read in finals:
        writer = latest.get(read.key)
        value = writer.args[-1] if writer and writer.kind is not Kind.DELETE else None
        if read.value != value:
            problems.append(f"at the end {read.client} reads {read.value!r}; written by {writer}")
    return problems


def revisions_that_go_back(history: Sequence[Call]) -> list[str]:
    """A call that begins after another has ended sees no earlier revision."""
    seen = [c for c in history if c.end is not None and c.revision is not None and not c.resolved]
    ended = sorted(seen, key=attrgetter("end"))
    problems = []
    highest: Call | None = None
    position = 0
    for call in sorted(seen, key=attrgetter("start")):
        while position < len(ended) and (ended[position].end or 0.0) < call.start:
            before = ended[position]
            if highest is None or (before.revision or 0) > (highest.revision or 0):
                highest = before
            position += 1
        if highest is not None and (call.revision or 0) < (highest.revision or 0):
            problems.append(f"the revision went back: first {highest}, then {call}")
    return problems
