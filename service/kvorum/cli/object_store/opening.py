"""Opens a bucket, if the library for it is there: it comes with the extra ``s3``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.object_store.access import access_of
from kvorum.cli.object_store.location import S3Location

if TYPE_CHECKING:
    from kvorum.cli.object_store.bucket import Bucket

_OF_THE_EXTRA = ("minio", "urllib3", "certifi")


def open_bucket(location: S3Location, environ: Mapping[str, str]) -> "Bucket":
    """Nobody is asked yet. Raises CommandFailed for what is missing."""
    try:
        access = access_of(environ)
        from kvorum.cli.object_store.bucket import Bucket  # noqa: PLC0415  # may be missing

        return Bucket(access, location)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _OF_THE_EXTRA:
            raise
        raise CommandFailed(
            Exit.FAILED, f"{location} needs the library minio: pip install 'kvorum[s3]'"
        ) from missing
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
