"""What the controllers of writing routes read of a request."""

from kvorum.node.service import KvService
from kvorum.rest.body import ENVELOPE_BYTES_MAX
from kvorum.rest.controllers.common import AnyRequest
from kvorum.rest.headers import check_json_body, declared_length, parse_idempotency_key, read_head
from kvorum.rest.options import RestOptions
from kvorum.rest.reader import BodyReader


class Requests:
    """Raises what makes problems of requests that cannot be understood."""

    def __init__(self, service: KvService, options: RestOptions) -> None:
        self._service = service
        self._bodies = BodyReader(options)

    def id_of(self, request: AnyRequest) -> str:
        """The client's Idempotency-Key, or a new id."""
        keys = read_head(request.scope["headers"]).idempotency_keys
        return parse_idempotency_key(keys) if keys else self._service.new_request_id()

    def is_named(self, request: AnyRequest) -> bool:
        """Whether the client can repeat it under the same id."""
        return bool(read_head(request.scope["headers"]).idempotency_keys)

    async def body_of(self, request: AnyRequest, bytes_max: int = ENVELOPE_BYTES_MAX) -> bytes:
        """A JSON body as a whole."""
        head = read_head(request.scope["headers"])
        check_json_body(head)
        return await self._bodies.read(request.receive, declared_length(head), bytes_max)
