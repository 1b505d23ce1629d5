"""Pages of ``/keys`` that are not long."""

from kvorum.node.service import KvService
from kvorum.node.views import KeyRead
from kvorum.rest.answer import Answer
from kvorum.rest.direct_request import DirectRequest
from kvorum.rest.observer import KEYS_ROUTE
from kvorum.rest.options import RestOptions
from kvorum.rest.plain_request import PlainRequest
from kvorum.rest.range_requests import ListRequest, parse_list
from kvorum.rest.ranges import PART_ITEMS, page_answer, shown_items


class DirectPage(DirectRequest[KeyRead]):
    __slots__ = ("_wanted",)

    route = KEYS_ROUTE

    def __init__(self, wanted: ListRequest) -> None:
        self.method = "GET"
        self._wanted = wanted

    def _ask(self, service: KvService) -> None:
        wanted = self._wanted
        service.range_for(
            self,
            self.request_id,
            wanted.keys,
            revision=wanted.revision,
            limit=wanted.limit,
            reverse=wanted.reverse,
            stale=wanted.stale,
        )

    def answer(self, service: KvService) -> Answer:
        read, wanted = self.result, self._wanted
        assert read is not None, "it is asked for when there is one"
        items = shown_items(read.page.items, wanted)
        return page_answer(read, wanted, items, service.leadership())


class DirectPages:
    """Reads them."""

    def __init__(self, options: RestOptions) -> None:
        self._key_bytes_max = options.key_bytes_max

    def read(self, plain: PlainRequest) -> DirectRequest[KeyRead] | None:
        """None for what is left to the general way; raises for what is wrong."""
        if plain.body:
            return None
        wanted = parse_list(plain.query, self._key_bytes_max)
        return None if wanted.count_only or wanted.limit > PART_ITEMS else DirectPage(wanted)
