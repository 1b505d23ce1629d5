"""Where objects are: ``s3://bucket/path``."""

import re

from msgspec import Struct

SCHEME = "s3://"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PATH_BYTES_MAX = 900
"""S3 allows 1024 of a whole name; a backup's own name needs some of them."""


class S3Location(Struct, frozen=True):
    """``path`` has no slash at either end; "" is the whole bucket."""

    bucket: str
    path: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.path}".removesuffix("/")

    def within(self, name: str) -> str:
        """The full name of an object in here."""
        return f"{self.path}/{name}" if self.path else name


def is_s3(text: str) -> bool:
    """Whether it is meant as a location, be it right or wrong."""
    return text.lower().startswith(SCHEME)


def parse_location(text: str) -> S3Location:
    """Raises ValueError with a reason fit for the user."""
    bucket, _, path = text[len(SCHEME) :].partition("/")
    if "@" in bucket:  # not shown: these may be credentials
        raise ValueError(
            "credentials do not belong into s3://bucket/path: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{text!r} names no bucket, as s3://bucket/path does")
    path = path.strip("/")
    if "//" in path or not path.isprintable() or {"?", "#"} & {*path}:
        raise ValueError(f"{text!r} is no s3://bucket/path: parts of it are empty or unprintable")
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError(f"{text!r}: an object store knows no directories . and ..")
    if len(path.encode()) > _PATH_BYTES_MAX:
        raise ValueError(f"the path in {text[:40]!r}… is longer than {_PATH_BYTES_MAX} bytes")
    return S3Location(bucket, path)
