"""What a node counts about watches, for Prometheus."""

from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import Family, Label, Topic


class WatchMetrics(Topic):
    """Watches of this node; counted on the event loop, without locks."""

    title = "Watches"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self.watchers = 0
        self.events_sent = 0
        self.add(
            Family("kvorum_watchers", "gauge", "Watches that are open on this node."),
            lambda: [((), self.watchers)],
        )
        self.add(
            Family(
                "kvorum_watch_events_sent_total",
                "counter",
                "Events that readers of watches have taken.",
            ),
            lambda: [((), self.events_sent)],
        )
        self._ended = self.counters(
            "kvorum_watches_ended_total",
            "Watches that ended: closed by the reader, compacted (what it had to tell was "
            "forgotten: HISTORY_… are too small for it), lagging (read too slowly), or stopping "
            "(this node).",
            Label("reason", "`closed`, `compacted`, `lagging`, `stopping`"),
        )
        registry.register(self)

    def ended(self, reason: str) -> None:
        """A watch is over; ``reason`` from a fixed list."""
        self._ended.inc(reason)
