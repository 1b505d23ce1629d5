"""What a request for a key asks for beyond the plain: parameters of its query, conditions.

What belongs to another method, and what nobody knows, is refused: to ignore ``ttlSecond`` would
be to keep a key for ever.
"""

from msgspec import Struct

from kvorum.errors import InvalidRequest
from kvorum.mvcc.command import Compare
from kvorum.rest.headers import RequestHead
from kvorum.rest.lease_fields import keeping, query_lease, query_ttl_seconds
from kvorum.rest.new_value import NewValue
from kvorum.rest.preconditions import preconditions
from kvorum.rest.query import Query

_READ_KNOWN = "there are consistency and revision; many keys are read at /keys"
_PUT_KNOWN = "there are previous, lease and ttlSeconds"
_CHANGE_KNOWN = {
    "PATCH": "there is previous",
    "DELETE": "there is previous; many keys are deleted at /keys",
}


class ReadWishes(Struct, frozen=True, gc=False):
    """``revision`` 0: now."""

    stale: bool = False
    revision: int = 0


class WriteWishes(Struct, frozen=True, gc=False):
    """``compares`` must hold; the lease or time to live is for the key that is put."""

    compares: tuple[Compare, ...] = ()
    previous: bool = False
    lease: str = ""
    ttl_ms: int = 0

    def kept_by(self, new: NewValue) -> NewValue:
        """The value with what the query says of it; raises ``InvalidRequest``."""
        if not (self.lease or self.ttl_ms):
            return new
        if new.lease or new.ttl_ms:
            raise InvalidRequest(
                "lease and ttlSeconds stand in the body or in the query, not in both"
            )
        return NewValue(new.value, new.content_type, self.lease, self.ttl_ms)


NO_READ_WISHES = ReadWishes()
NO_WRITE_WISHES = WriteWishes()


def read_wishes(query: bytes) -> ReadWishes:
    """Of a GET; raises ``InvalidRequest``."""
    parameters = Query(query)
    parameters.refuse("previous", "lease", "ttlSeconds", instead="it belongs to a write")
    wishes = ReadWishes(parameters.is_stale(), parameters.revision())
    parameters.refuse_others(_READ_KNOWN)
    return wishes


def write_wishes(method: str, query: bytes, head: RequestHead, key: bytes) -> WriteWishes:
    """Of PUT, POST, PATCH and DELETE; raises ``InvalidRequest``."""
    if head.if_none_match and method == "PATCH":
        raise InvalidRequest(
            "If-None-Match has no use here: PATCH needs the key to exist; send If-Match, or use "
            "POST /txn"
        )
    compares = preconditions(head, key) if head.is_conditional else ()
    if not query:
        return WriteWishes(compares)
    parameters = Query(query)
    parameters.refuse(
        "revision", instead='to write only if the key is unchanged send If-Match: "<modRevision>"'
    )
    previous = parameters.flag("previous")
    if method not in ("PUT", "POST"):
        parameters.refuse("lease", "ttlSeconds", instead="it belongs to PUT, POST and /txn")
        parameters.refuse_others(_CHANGE_KNOWN[method])
        return WriteWishes(compares, previous)
    lease = query_lease(parameters.take("lease"))
    ttl_seconds = query_ttl_seconds(parameters.take("ttlSeconds"))
    parameters.refuse_others(_PUT_KNOWN)
    return WriteWishes(compares, previous, *keeping(lease, ttl_seconds))
