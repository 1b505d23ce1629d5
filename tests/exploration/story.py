"""A path through the states, told as what happened, line by line."""

from collections.abc import Iterator, Sequence

from kvorum.raft.types import NodeId
from tests.exploration.local import CRASH, CRASH_STORED, DELIVER, SYNC, TICK, Locals
from tests.exploration.node import Node
from tests.exploration.search import Result
from tests.exploration.world import Action, World
from tests.support.raft_trace import consequences, describe

_WHAT = {
    TICK: "time passes",
    SYNC: "its save is durable",
    CRASH: "crashes, loses what was not durable, and starts again",
    CRASH_STORED: "crashes when its save is durable already, and starts again",
}


def tell(world: World, result: Result) -> str:
    """The shortest way to a violation."""
    nodes = [world.locals.thaw(state) for state in world.unpack(world.initial())[0]]
    lines = [f"violated: {result.violation}"]
    lines += _lines(world, nodes, result.path)
    return "\n".join(lines)


def _lines(world: World, nodes: Sequence[Node], path: Sequence[Action]) -> Iterator[str]:
    for number, action in enumerate(path, 1):
        node = nodes[action.node]
        line = f"{number:>3}. {_cause(world.locals, world.ids[action.node], action)}"
        try:
            readies = world.locals.act(node, action.given)
        except AssertionError as error:
            yield f"{line}: {error}"
            return
        done = [text for ready in readies for text in consequences(ready)]
        yield f"{line}: {', '.join(done)}" if done else line
        yield from (
            f"{'':>9}{describe(message)}" for ready in readies for message in ready.messages
        )


def _cause(known: Locals, node: NodeId, action: Action) -> str:
    if action.given >= DELIVER:
        message = known.messages[action.given - DELIVER]
        return describe(message) + (" (and will come again)" if action.again else "")
    return f"{node} {_WHAT.get(action.given, 'is asked to append')}"
