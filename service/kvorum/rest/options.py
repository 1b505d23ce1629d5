"""What the front end is told when it is built."""

from msgspec import Struct


class RestOptions(Struct, frozen=True, kw_only=True):
    """Limits of requests and answers, sizes in bytes.

    ``value_bytes_max`` bounds one JSON text as it was sent; ``log_bytes_max`` one
    answer of ``/cluster/log``; ``unfinished_bytes_max`` what all bodies hold together
    that have not arrived as a whole.
    """

    version: str
    key_bytes_max: int = 1024
    value_bytes_max: int = 1536 * 1024
    log_bytes_max: int = 8 << 20
    unfinished_bytes_max: int = 256 << 20
