"""Which endpoint to ask: one that works, the leader's if it is known, none that needs rest.

Nodes tell who leads by name, never where that one is reached. Whose endpoint is whose shows in
the answers: whoever says that it leads is at the endpoint that said so. While the leader named
last has not been seen, calls that gain from it go to endpoints that have not said yet whether
they lead, so it is found without a request more than there would have been.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from kvorum.client.errors import InvalidRequest

REST_S_MIN = 0.05
REST_S_MAX = 2.0


def parse_endpoints(endpoints: str | Sequence[str]) -> tuple[str, ...]:
    """URLs, several of them separated by commas or as a sequence; each one once.

    A scheme may be left out. Raises ``InvalidRequest`` for what is no URL of a node.
    """
    parts = endpoints.split(",") if isinstance(endpoints, str) else endpoints
    urls = tuple(dict.fromkeys(_url(part.strip()) for part in parts if part.strip()))
    if not urls:
        raise InvalidRequest("name at least one endpoint, such as http://localhost:8081")
    return urls


def _url(text: str) -> str:
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        is_url = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        raise _no_url(text) from None
    if not is_url or url.path.strip("/") or url.query or url.fragment or url.username:
        raise _no_url(text)
    return f"{url.scheme}://{url.netloc}"


def _no_url(text: str) -> InvalidRequest:
    return InvalidRequest(f"{text!r} is no URL of a node, such as http://localhost:8081")


class _Health(Struct):
    """Of one endpoint: when it may be asked again, and how often it failed in a row."""

    rests_until_s: float = 0.0
    failures: int = 0


class Choice(Struct, frozen=True):
    """Where to go, and how long to wait before that."""

    endpoint: str
    wait_s: float


class Router:
    """What is known of the endpoints; times are those of one monotonic clock, in seconds.

    Threads may share it: each method changes single fields only, and a choice made of what was
    known a moment ago is a choice as well.
    """

    def __init__(self, endpoints: Sequence[str], *, jitter: Callable[[], float]) -> None:
        self.endpoints = tuple(endpoints)
        self._health = {endpoint: _Health() for endpoint in endpoints}
        self._jitter = jitter
        self._current = self.endpoints[0]
        self._was_reached = False
        self._leader_id = ""
        self._homes: dict[str, str] = {}  # node name → endpoint; bounded by the endpoints
        self._asked: frozenset[str] = frozenset()  # who is not that leader, or does not answer

    @property
    def was_reached(self) -> bool:
        """Whether anybody ever was at any of the endpoints."""
        return self._was_reached

    def reached(self) -> None:
        """Somebody is there, whatever they said."""
        self._was_reached = True

    @property
    def current(self) -> str:
        """The endpoint that served last."""
        return self._current

    @property
    def leader(self) -> str:
        """The endpoint of the leader, "" while it is not known."""
        return self._homes.get(self._leader_id, "")

    def choose(self, now_s: float, *, prefers_leader: bool) -> Choice:
        """The best endpoint that may be asked now, else the first one that may be again."""
        candidates = self._candidates(prefers_leader)
        for endpoint in candidates:
            if self._health[endpoint].rests_until_s <= now_s:
                return Choice(endpoint, 0.0)
        endpoint = min(candidates, key=lambda name: self._health[name].rests_until_s)
        return Choice(endpoint, self._health[endpoint].rests_until_s - now_s)

    def _candidates(self, prefers_leader: bool) -> list[str]:
        at = self.endpoints.index(self._current)
        turn = [*self.endpoints[at:], *self.endpoints[:at]]
        if not prefers_leader or not self._leader_id:
            return turn
        if self.leader:
            return [self.leader, *turn]
        return [*(endpoint for endpoint in turn if endpoint not in self._asked), *turn]

    def served(self, endpoint: str) -> None:
        """It answered properly: stay there."""
        health = self._health[endpoint]
        health.failures, health.rests_until_s = 0, 0.0
        self._current = endpoint

    def told(self, endpoint: str, *, is_leader: bool, leader_id: str) -> None:
        """What an answer said of the leader."""
        if leader_id != self._leader_id:
            self._leader_id, self._asked = leader_id, frozenset()
        if is_leader and leader_id:
            self._homes = {name: home for name, home in self._homes.items() if home != endpoint} | {
                leader_id: endpoint
            }
        else:
            self._asked |= {endpoint}
            if self._homes.get(leader_id) == endpoint:  # another node lives there now
                del self._homes[leader_id]

    def failed(self, endpoint: str, now_s: float, retry_after_s: float = 0.0) -> None:
        """Let it rest: as long as it asked for, else longer with every failure in a row."""
        health = self._health[endpoint]
        step_s = min(REST_S_MIN * 2.0**health.failures, REST_S_MAX)
        health.failures = min(health.failures + 1, 16)
        rest_s = max(step_s * (0.5 + self._jitter() / 2), retry_after_s)
        health.rests_until_s = now_s + rest_s
        self._asked |= {endpoint}


def lone_router(endpoint: str) -> Router:
    """For asking this endpoint and no other."""
    return Router((endpoint,), jitter=lambda: 0.0)
