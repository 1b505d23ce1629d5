"""What the head of a backup says, and what a broken one means."""

import re

from msgspec import Struct

from kvorum.client.call import Answer
from kvorum.client.errors import ClientError, DeadlineExceeded

SILENCE_S = 60.0
"""Without a byte for so long it has broken off."""

_FILE_NAME = re.compile(r'filename="?([^";]+)"?')


class BackupHead(Struct, frozen=True):
    """``size_bytes`` None: the node did not say; ``name`` is a proposal for the file."""

    endpoint: str
    name: str
    revision: int
    size_bytes: int | None


def head_of_backup(answer: Answer) -> BackupHead:
    found = _FILE_NAME.search(answer.headers.get("content-disposition", ""))
    length = answer.headers.get("content-length", "")
    revision = answer.headers.get("kvorum-revision", "")
    return BackupHead(
        answer.endpoint,
        found[1] if found else "",
        int(revision) if revision.isdigit() else 0,
        int(length) if length.isdigit() else None,
    )


def cut_short(head: BackupHead, size_bytes: int, why: str) -> ClientError:
    return DeadlineExceeded(
        f"the backup from {head.endpoint} broke off after {size_bytes} bytes ({why}): "
        "what came is of no use, take another one"
    )
