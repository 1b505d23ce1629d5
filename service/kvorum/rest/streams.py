"""Which routes stream: they are found beside the framework, by its rules."""

import re

from litestar.types import HTTPScope
from litestar.utils import normalize_path

from kvorum.node.service import KvService
from kvorum.rest.maintenance import SnapshotApi
from kvorum.rest.observe import ObserveApi
from kvorum.rest.observer import OBSERVE_ROUTE, SNAPSHOT_ROUTE, WATCH_ROUTE, RestObserver
from kvorum.rest.options import RestOptions
from kvorum.rest.streaming import StreamingRoute
from kvorum.rest.watch import WatchApi

_METHODS = ("GET", "HEAD")
_OBSERVE = re.compile(r"/elections/[^/]+/observe")


class Streams:
    """The streaming routes of one app."""

    def __init__(self, service: KvService, options: RestOptions, observer: RestObserver) -> None:
        watch, snapshot = WatchApi(service, options), SnapshotApi(service)
        observe = ObserveApi(service, service.elections)
        self.watch = StreamingRoute(WATCH_ROUTE, watch.open, service, observer)
        self.observe = StreamingRoute(OBSERVE_ROUTE, observe.open, service, observer)
        self.snapshot = StreamingRoute(SNAPSHOT_ROUTE, snapshot.open, service, observer)
        self._plain = {WATCH_ROUTE: self.watch, SNAPSHOT_ROUTE: self.snapshot}

    def find(self, scope: HTTPScope) -> StreamingRoute | None:
        """What answers a request; None if that is the framework, with a 405 or a 404 perhaps."""
        if scope["method"] not in _METHODS:
            return None
        # A name may hold an encoded slash, so there the path as it was sent has to decide.
        raw_path = scope["raw_path"]
        if b"/observe" in raw_path and _OBSERVE.fullmatch(_normal(raw_path.decode("latin-1"))):
            return self.observe
        return self._plain.get(_normal(scope["path"]))


def _normal(path: str) -> str:
    """As the framework's router sees it; most paths are so already."""
    return normalize_path(path) if "//" in path or path.endswith("/") else path
