"""What is kept of a key."""

from msgspec import Struct


class Record(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A key's present value (JSON text) and the revisions that made it.

    ``version`` counts the writes since the key was created, from 1. Immutable and invisible
    to the cyclic garbage collector; in snapshots an array of its fields in this order.
    """

    value: bytes
    create_revision: int
    mod_revision: int
    version: int
