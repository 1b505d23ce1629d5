"""What is kept of a key, and of a change of a key."""

from msgspec import Struct


class Record(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A key's value and the revisions that made it.

    ``version`` counts the writes since the key was created, from 1. ``content_type`` "" says
    that the value is JSON text; otherwise it is any bytes, of that media type. ``lease`` is the
    id of the lease whose end deletes the key, "" for none. Immutable and invisible to the
    cyclic garbage collector; in snapshots an array of its fields in this order.
    """

    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: str = ""
    content_type: str = ""


class Event(Struct, frozen=True, gc=False):
    """One key changed at ``revision``: it was put if ``record`` is there, else deleted.

    ``previous`` is what it held before, None if it did not exist. Several keys may change at
    one revision; their events stand together, in the order in which they were written.
    """

    revision: int
    key: bytes
    record: Record | None
    previous: Record | None
