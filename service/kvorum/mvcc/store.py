"""Keys, values and revisions."""

from msgspec import Struct


class Record(Struct, frozen=True, gc=False):
    """A key's present value (JSON text) and the revisions that made it.

    ``version`` counts the writes since the key was created, from 1.
    """

    value: bytes
    create_revision: int
    mod_revision: int
    version: int
