"""How to get at an object store: its endpoint and credentials, from the environment alone.

Options would show in process lists and in the history of shells.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

AWS = "s3.amazonaws.com"

_WEB_IDENTITY = "AWS_WEB_IDENTITY_TOKEN_FILE"
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")


class Keys(Struct, frozen=True):
    """Credentials that are known from the start."""

    access_key: str
    secret_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return "Keys(…)"  # no log or traceback may tell them


class Access(Struct, frozen=True):
    """``host`` with its port; ``region`` "": the store is asked. ``keys`` None: of the role."""

    host: str
    is_secure: bool
    region: str
    keys: Keys | None
    sts_endpoint: str = ""

    @property
    def endpoint(self) -> str:
        """For messages."""
        return f"{'https' if self.is_secure else 'http'}://{self.host}"


def access_of(environ: Mapping[str, str]) -> Access:
    """Raises ValueError, which says what to set. Blanks around a value are not meant."""
    told = {name: value.strip() for name, value in environ.items()}
    endpoint = told.get("S3_ENDPOINT") or f"https://{AWS}"
    host, is_secure = _endpoint(endpoint)
    region = told.get("AWS_REGION") or told.get("AWS_DEFAULT_REGION") or ""
    if not region and host != AWS:
        region = "us-east-1"  # what stores that have no regions answer to
    sts = told.get("AWS_ENDPOINT_URL_STS", "") if told.get(_WEB_IDENTITY) else ""
    return Access(host, is_secure, region, _keys(told), sts)


def _endpoint(text: str) -> tuple[str, bool]:
    try:
        url = urlsplit(text)
        is_url = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        raise ValueError("S3_ENDPOINT is no URL, such as https://minio.example:9000") from None
    if url.username or url.password:  # not shown
        raise ValueError("S3_ENDPOINT must hold no credentials: set AWS_ACCESS_KEY_ID instead")
    if not is_url or url.path.strip("/") or url.query or url.fragment:
        raise ValueError(
            f"S3_ENDPOINT is {text!r}, which is no URL such as https://minio.example:9000; "
            "the bucket belongs into s3://bucket/path"
        )
    return url.netloc, url.scheme == "https"


def _keys(told: Mapping[str, str]) -> Keys | None:
    access, secret = told.get("AWS_ACCESS_KEY_ID", ""), told.get("AWS_SECRET_ACCESS_KEY", "")
    if access and secret:
        return Keys(access, secret, told.get("AWS_SESSION_TOKEN", ""))
    if access or secret:
        there, missing = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
        if secret:
            there, missing = missing, there
        raise ValueError(f"{there} is set, but {missing} is not")
    if not any(told.get(name) for name in (_WEB_IDENTITY, *_CONTAINER)):
        raise ValueError(
            "there are no credentials for the object store: set AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY, or give the pod a role ({_WEB_IDENTITY})"
        )
    return None
