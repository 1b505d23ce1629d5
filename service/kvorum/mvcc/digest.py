"""A 64-bit hash of the state that every change brings up to date at little cost.

Replicas compare it, and a snapshot is checked with it. It is the same for equal states,
whichever way they came about, so it may depend neither on the order in which records lie
in memory nor on anything that Python chooses for a process. Hence sums: of one number for
each record and each outcome, which are added and taken off again as these come and go.

A summand is the product of two factors, one made of contents and one of counters. So contents
that trade places among records show, which sums of checksums alone would hide. Sums are taken
modulo a prime, where no product is zero unless a factor is: whatever changes in one factor
changes the product. It guards against errors, not against forgers.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final
from zlib import crc32

import google_crc32c

from kvorum.mvcc.outcome import SUCCESS_MESSAGE, Outcome
from kvorum.mvcc.record import Record

PRIME = (1 << 61) - 1
_MASK = (1 << 64) - 1
# Multipliers of counters have digits of no particular meaning, and few of them: Python is
# quickest with numbers below 2**30.
_CREATED = 0x2A54FF53
_VERSION = 0x3C6EF372
_INDEX = 0x2510E527
_TIME = 0x1B05688D
_STATUS = 0x1F83D9AB
_CHANGED = 0x1B8A4E2D
_PLACE = 0x3E6C53B5
_REVISION = 0x1D8AF6C7
_FOLD = 0x9E3779B97F4A7C15
_BOUNDARY = 0x5BE0CD19
"""Between the checksum of a key and its value: ``ab`` → ``c`` is not ``a`` → ``bc``."""
_SMALL_PRIME: Final = (1 << 30) - 35
_checksum: Callable[[int, bytes], int] = google_crc32c.extend
"""Of values: processors have it built in, so large ones cost a tenth of what zlib's costs."""


def record_digest(key_crc: int, record: Record) -> int:
    """Summand of a record, not yet reduced; ``key_crc`` is the CRC-32 of its key."""
    contents = _checksum(key_crc ^ _BOUNDARY, record.value)
    if record.lease or record.content_type:  # the frequent case costs nothing
        contents = _with_attributes(contents, record)
    return (contents + 1) * (
        record.create_revision * _CREATED + record.version * _VERSION + record.mod_revision
    )


def records_digest(key_crcs: Sequence[int], records: Sequence[Record]) -> int:
    """Sum of :func:`record_digest` over many."""
    digest = 0
    for key_crc, record in zip(key_crcs, records, strict=True):
        contents = _checksum(key_crc ^ _BOUNDARY, record.value)
        if record.lease or record.content_type:
            contents = _with_attributes(contents, record)
        digest += (contents + 1) * (
            record.create_revision * _CREATED + record.version * _VERSION + record.mod_revision
        )
    return digest


def overwrite_digest(key_crc: int, old: Record, new: Record) -> int:
    """What the sum grows by when ``new`` takes the place of ``old``, being its next version."""
    start = key_crc ^ _BOUNDARY
    gone, come = _checksum(start, old.value), _checksum(start, new.value)
    if old.lease or old.content_type:
        gone = _with_attributes(gone, old)
    if new.lease or new.content_type:
        come = _with_attributes(come, new)
    counters = old.create_revision * _CREATED + old.version * _VERSION
    return (come + 1) * (counters + _VERSION + new.mod_revision) - (gone + 1) * (
        counters + old.mod_revision
    )


def _with_attributes(contents: int, record: Record) -> int:
    attributes = f"{record.lease}\0{record.content_type}"  # neither has a NUL in it
    return crc32(attributes.encode(), contents ^ _BOUNDARY)


def event_factor(revision: int, place: int, time_ms: int) -> int:
    """What the digest of an event is multiplied by; ``place`` counts the events of a revision.

    The digest of an event is what the sum over all records grew by with it. So of a record that
    came and went in between, one summand has its digest with the factor of its coming, another
    takes it off with that of its going.
    """
    return revision * _REVISION + place * _PLACE + time_ms


def event_factors(first_revision: int, count: int, time_ms: int) -> range:
    """:func:`event_factor` of the only events of ``count`` revisions in a row."""
    first = event_factor(first_revision, 0, time_ms)
    return range(first, first + count * _REVISION, _REVISION)


def outcome_digest(outcome: Outcome, index: int) -> int:
    """Summand of an outcome that entry ``index`` made, below 2**62."""
    contents = crc32(outcome.request_id.encode())
    counters = index * _INDEX + outcome.time_ms * _TIME + outcome.revision
    counters += outcome.changed * _CHANGED
    if outcome.status or outcome.message != SUCCESS_MESSAGE:  # the frequent case costs nothing
        contents = crc32(outcome.message.encode(), contents ^ _BOUNDARY)
        counters += outcome.status * _STATUS
    return (contents + 1) * (counters % _SMALL_PRIME + 1)


def success_digests(
    request_ids: Iterable[str], first_revision: int, index: int, time_ms: int
) -> list[int]:
    """:func:`outcome_digest` of successes that changed one key each, at revisions in a row."""
    counters = (index * _INDEX + time_ms * _TIME + _CHANGED + first_revision) % _SMALL_PRIME
    return [
        (crc32(request_id.encode()) + 1) * (count % _SMALL_PRIME + 1)
        for count, request_id in enumerate(request_ids, counters)
    ]


def combine(*parts: int) -> int:
    """One number of 64 bits; a change of any one part, of as many bits, changes it."""
    digest = 0
    for part in parts:
        digest = (digest ^ part) * _FOLD & _MASK
        digest ^= digest >> 32
    return digest
