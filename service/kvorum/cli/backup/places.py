"""Where backups are kept, as far as taking one is concerned."""

import hashlib
from collections.abc import Iterable
from typing import Protocol

from kvorum.cli.backup.loaded_stream import Content, LoadedStream
from kvorum.cli.backup.names import Names
from kvorum.cli.data.progress import Progress
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed


class Place(Protocol):
    """A directory or a path in a bucket. Errors are :class:`CommandFailed`."""

    def refuse_early(self, names: Names, *, needs_names: bool) -> None:
        """Whatever can be known to go wrong before anything is downloaded."""
        ...

    def keep(self, stream: LoadedStream, name: str, tell: Progress) -> Content:
        """Under this name once it is complete, durable and the same as what was loaded.

        Of one that cannot be kept nothing is left under its name. ``tell`` is told of what was
        read back.
        """
        ...

    def names(self, names: Names) -> list[str]:
        """Of all that may be backups of this series."""
        ...

    def remove(self, name: str) -> None: ...

    def shown(self, name: str) -> str:
        """The place of one backup, as users name it."""
        ...


def refuse_other_bytes(
    where: str, content: Content, parts: Iterable[bytes], tell: Progress
) -> None:
    """Unless ``parts``, read back from ``where``, are what was loaded."""
    digest, size_bytes = hashlib.sha256(), 0
    for part in parts:
        digest.update(part)
        size_bytes += len(part)
        tell(size_bytes)
    if (size_bytes, digest.hexdigest()) != (content.size_bytes, content.sha256):
        raise CommandFailed(
            Exit.FAILED,
            f"{where} does not hold what was written there: {size_bytes} bytes with other content, "
            f"{content.size_bytes} were written; something on the way damages data",
        )
