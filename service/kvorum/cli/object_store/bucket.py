"""One place in a bucket: objects are put, read, listed and removed there.

All errors are :class:`~kvorum.cli.object_store.troubles.StoreTrouble`. An object appears when
its upload is complete, never before; what is uploaded in vain is taken back.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

import certifi
from minio import Minio
from minio.credentials.providers import Provider, StaticProvider
from urllib3 import PoolManager, Timeout
from urllib3.util import Retry

from kvorum.cli.object_store.access import Access
from kvorum.cli.object_store.credentials import RoleCredentials
from kvorum.cli.object_store.location import S3Location
from kvorum.cli.object_store.troubles import StoreTrouble, telling

PART_BYTES = 8 << 20
"""Held in memory; 10,000 of them are the most that S3 takes: 78 GiB."""
CHUNK_BYTES = 1 << 20

_CONNECT_S = 10.0
_SILENCE_S = 30.0
"""Of one attempt. A node cuts off a download of which nothing is taken for a minute."""
_RETRIES = Retry(total=4, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504])


class Reading(Protocol):
    """What ``put`` reads from."""

    def read(self, size_bytes: int, /) -> bytes:
        """So many bytes, fewer only at the end. May raise: then nothing is kept."""
        ...


class Bucket:
    """``location`` in a store."""

    def __init__(self, access: Access, location: S3Location) -> None:
        self._location = location
        self._endpoint = access.endpoint
        self._client = _client(access)

    def names(self, prefix: str) -> list[str]:
        """Of the objects here that begin so, without the path."""
        full = self._location.within(prefix)
        with self._telling("list", "", "s3:ListBucket"):
            objects = self._client.list_objects(self._location.bucket, full)
            found = [object_.object_name or "" for object_ in objects]
        return [name.removeprefix(self._location.within("")) for name in found]

    def put(self, name: str, reading: Reading) -> str:
        """Upload to the end of ``reading``; the store's ETag, "" if that is no checksum."""
        with self._telling("store", name, "s3:PutObject"):
            result = self._client.put_object(
                self._location.bucket,
                self._location.within(name),
                cast("BinaryIO", reading),  # only its read is called
                -1,
                part_size=PART_BYTES,
                num_parallel_uploads=1,
            )
        encryption = result.http_headers.get("x-amz-server-side-encryption", "")
        return "" if encryption.startswith("aws:kms") else result.etag or ""

    def size_bytes(self, name: str) -> int | None:
        """None if there is no such object."""
        try:
            with self._telling("look at", name, "s3:GetObject"):
                found = self._client.stat_object(self._location.bucket, self._location.within(name))
        except StoreTrouble as trouble:
            if trouble.store_code == "NoSuchKey":
                return None
            raise
        return found.size

    def read(self, name: str) -> Iterator[bytes]:
        """All of it."""
        with self._telling("read", name, "s3:GetObject"):
            answer = self._client.get_object(self._location.bucket, self._location.within(name))
            try:
                yield from answer.stream(CHUNK_BYTES)
            finally:
                answer.close()

    def remove(self, name: str) -> None:
        with self._telling("remove", name, "s3:DeleteObject"):
            self._client.remove_object(self._location.bucket, self._location.within(name))

    def shown(self, name: str = "") -> str:
        """As users name it."""
        return f"{self._location}/{name}".removesuffix("/")

    @contextmanager
    def _telling(self, action: str, name: str, permission: str) -> Iterator[None]:
        where = f"{self.shown(name)} at {self._endpoint}"
        with telling(where, action, permission):
            yield


def _client(access: Access) -> Minio:
    http = PoolManager(
        timeout=Timeout(connect=_CONNECT_S, read=_SILENCE_S),
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        retries=_RETRIES,
    )
    return Minio(
        access.host,
        secure=access.is_secure,
        region=access.region or None,
        http_client=http,
        credentials=_provider(access, http),
    )


def _provider(access: Access, http: PoolManager) -> Provider:
    keys = access.keys
    if keys is None:
        return RoleCredentials(access.sts_endpoint, http)
    return StaticProvider(keys.access_key, keys.secret_key, keys.session_token or None)
