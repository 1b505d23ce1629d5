"""``/watch`` in the document."""

from kvorum.errors import Compacted, NoLeader, Overloaded
from kvorum.rest.openapi.coordination_parts import invalid, operation, stream, too_large
from kvorum.rest.openapi.parts import JsonObject, problem_answer, sends, uses
from kvorum.rest.problems import KINDS

_WATCH = "/watch"
_PARAMETERS = (
    "WatchKey",
    "WatchPrefix",
    "WatchStart",
    "WatchEnd",
    "FromRevision",
    "WatchPrevious",
    "WatchTypes",
    "HeartbeatSeconds",
    "Bookmarks",
    "LastEventId",
)
_OPENED = {"event": "opened", "data": '{"revision":41}', "id": "41", "retry": 1000}
_EXAMPLE = (
    'retry: 1000\nid: 41\nevent: opened\ndata: {"revision":41}\n\n'
    "id: 42\nevent: change\n"
    'data: {"revision":42,"events":[{"type":"put","key":"colour","value":"green",'
    '"createRevision":7,"modRevision":42,"version":3}]}\n\n'
    ": heartbeat\n\n"
    'event: cancelled\ndata: {"reason":"stopping","resumeRevision":43,"detail":"this node stops"}'
    "\n\n"
)


def watch_paths() -> JsonObject:
    """One path item."""
    return {"/watch": {"get": _watch()}}


def _watch() -> JsonObject:
    retry = {"Retry-After": sends("RetryAfter")}
    return operation(
        "watch",
        "watchKeys",
        "Follow changes of keys",
        "Server-sent events, for `EventSource` or `curl -N`. Say which keys by exactly one of "
        "`key`, `prefix` and `start`/`end`.\n\n"
        "| event | data | |\n|---|---|---|\n"
        "| `opened` | `WatchOpened` | first |\n"
        "| `change` | `WatchChange` | all that one revision did, in order, never split, with the "
        "revision as its id |\n"
        "| `bookmark` | `WatchBookmark` | with `bookmarks=true`, at each heartbeat |\n"
        "| `cancelled` | `WatchCancelled` | last: why the stream ends and where to go on |\n\n"
        "No change is left out or told twice, and a stream that was cut off goes on with "
        "`Last-Event-ID`. Any node will do; one that is behind tells later. Who reads too slowly "
        "is cut off with the reason `lagging`, and can go on from history.\n\n"
        f"```\n{_EXAMPLE}```",
        {
            "200": stream(
                {"event": "opened", "data": '{"revision":41}', "id": "41", "retry": 1000}
            ),
            **invalid(
                _WATCH,
                "the query does not say which keys; give key, prefix, or start and end",
            ),
            "410": problem_answer(
                "The history from that revision on is forgotten: read the keys anew, and watch "
                "from there.",
                KINDS[Compacted],
                "changes before revision 9001 are forgotten, so it cannot be watched from 12",
                instance=_WATCH,
                extra={"oldestRevision": 9001},
            ),
            **too_large(_WATCH, "key has 2048 bytes; at most 1024 are allowed"),
            "429": problem_answer(
                "This node serves as many watches as it may (WATCHERS_MAX).",
                KINDS[Overloaded],
                "this node serves 20000 watches already; watch at another one",
                instance=_WATCH,
                headers=retry,
            ),
            "503": problem_answer(
                "This node stops, or serves nobody.",
                KINDS[NoLeader],
                "this node is stopping; watch at another one",
                instance=_WATCH,
                headers=retry,
            ),
        },
        instance=_WATCH,
        parameters=[uses(name) for name in _PARAMETERS],
    )
