"""Calls about leases."""

from msgspec import Struct

from kvorum.client.call import Answer, Call, flag, quoted, write_id
from kvorum.client.calls.posting import posting
from kvorum.client.model import LeaseInfo, Page
from kvorum.client.wire import decoded


class _Lease(Struct, rename="camel"):
    id: str
    ttl_seconds: float = 0.0
    remaining_seconds: float = 0.0
    key_count: int = 0
    keys: tuple[str, ...] = ()

    def info(self) -> LeaseInfo:
        return LeaseInfo(
            self.id, self.ttl_seconds, self.remaining_seconds, self.key_count, self.keys
        )


class _Leases(Struct):
    leases: tuple[_Lease, ...]
    more: bool = False


class _Revoked(Struct):
    deleted: int = 0


def _read_lease(answer: Answer) -> LeaseInfo:
    return decoded(answer, _Lease).info()


def grant(ttl_s: float, lease: str = "", *, request_id: str = "") -> Call[LeaseInfo]:
    """``lease`` "": the node makes an id."""
    body: dict[str, object] = {"ttlSeconds": ttl_s}
    if lease:
        body["id"] = lease

    def read(answer: Answer) -> LeaseInfo:
        said = decoded(answer, _Lease)
        return LeaseInfo(said.id, said.ttl_seconds, said.ttl_seconds)

    return posting("lease_grant", "/leases", body, read, request_id=request_id)


def keep_alive(lease: str) -> Call[LeaseInfo]:
    """Its time begins anew; doing it twice does no harm."""
    path = f"/leases/{quoted(lease, 'lease')}/keepalive"
    return posting("lease_keepalive", path, {}, _read_lease)


def show(lease: str, *, keys: bool = False) -> Call[LeaseInfo]:
    return Call(
        "lease_show",
        "GET",
        f"/leases/{quoted(lease, 'lease')}",
        _read_lease,
        query=flag("keys", keys),
    )


def page(after: str = "", limit: int = 500) -> Call[Page[LeaseInfo]]:
    """Leases whose ids come after ``after``."""

    def read(answer: Answer) -> Page[LeaseInfo]:
        said = decoded(answer, _Leases)
        found = tuple(lease.info() for lease in said.leases)
        return Page(found, found[-1].id if said.more and found else "")

    query = (("after", after),) if after else ()
    return Call("lease_list", "GET", "/leases", read, query=(*query, ("limit", str(limit))))


def revoke(lease: str, *, request_id: str = "") -> Call[int]:
    """End it now; how many keys went with it."""

    def read(answer: Answer) -> int:
        return decoded(answer, _Revoked).deleted

    return Call(
        "lease_revoke",
        "DELETE",
        f"/leases/{quoted(lease, 'lease')}",
        read,
        request_id=write_id(request_id),
        is_write=True,
    )
