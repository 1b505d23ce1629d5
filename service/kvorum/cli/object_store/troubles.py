"""What went wrong with an object store, in words that say what to do; never with a secret."""

from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    ResponseError,
)
from urllib3.exceptions import SSLError as PoolSSLError

from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.object_store.credentials import NoCredentials

_TEXTS = {
    "NoSuchBucket": "there is no such bucket: make it, or name another one",
    "NoSuchKey": "there is no such object",
    "InvalidAccessKeyId": "it does not know AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not fit AWS_ACCESS_KEY_ID",
    "ExpiredToken": "the credentials have expired (AWS_SESSION_TOKEN)",
    "InvalidToken": "it does not take AWS_SESSION_TOKEN",
    "InvalidClientTokenId": "it does not know the credentials",
    "RequestTimeTooSkewed": "the clock of this machine is off by more than it allows",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "XMinioStorageFull": "it is full",
}
_BROKEN: tuple[tuple[type[Exception], str], ...] = (
    (NameResolutionError, "the name of S3_ENDPOINT cannot be resolved"),
    (ConnectTimeoutError, "no connection in time"),
    (NewConnectionError, "no connection"),
    (ReadTimeoutError, "no answer in time"),
)
_MESSAGE_MAX = 200


class StoreTrouble(CommandFailed):
    """``kind`` is the store's own code for it, "" if it said none."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(Exit.FAILED, text)
        self.store_code = code


@contextmanager
def telling(where: str, action: str, permission: str) -> Iterator[None]:
    """Errors of the library as :class:`StoreTrouble`: ``action`` is what could not be done."""
    try:
        yield
    except S3Error as error:
        code = error.code or ""
        raise StoreTrouble(
            f"cannot {action} {where}: {_refusal(error, permission)}", code
        ) from None
    except (MinioException, HTTPError, NoCredentials) as error:
        raise StoreTrouble(f"cannot {action} {where}: {_reason(error)}") from None


def _refusal(error: S3Error, permission: str) -> str:
    code = error.code or "no code"
    if code == "AccessDenied":
        return f"access denied; the credentials need {permission}"
    known = _TEXTS.get(code)
    return known or f"{code}: {(error.message or 'no reason told')[:_MESSAGE_MAX]}"


def _reason(error: MinioException | HTTPError | NoCredentials) -> str:
    """Without the request: it may hold a token."""
    if isinstance(error, NoCredentials):
        return f"no credentials of the role: {error}"
    if isinstance(error, InvalidResponseError):
        return "what answers there is no object store (S3_ENDPOINT)"
    if isinstance(error, ServerError):
        return f"the store failed with status {error.status_code}"
    if isinstance(error, MaxRetryError):
        return _broken(error.reason) + ", again and again"
    return _broken(error)


def _broken(error: Exception | None) -> str:
    if isinstance(error, NewConnectionError) and isinstance(error.__cause__, OSError):
        return error.__cause__.strerror or "no connection"
    if isinstance(error, (PoolSSLError, SSLError)):
        return f"TLS failed: {str(error)[:_MESSAGE_MAX]}"
    if isinstance(error, ResponseError):
        return str(error)
    return next((text for kind, text in _BROKEN if isinstance(error, kind)), "it broke off")
