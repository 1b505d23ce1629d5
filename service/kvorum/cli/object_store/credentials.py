"""Credentials of a role: of a Kubernetes service account (web identity), or of a container.

The library finds and renews them. Its errors quote requests, tokens included, so none of them
gets any further than this.
"""

import json
import re
from xml.etree.ElementTree import ParseError

from minio.credentials.credentials import Credentials
from minio.credentials.providers import IamAwsProvider, Provider
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

_STATUS = re.compile(r"HTTP status code (\d{3})")


class NoCredentials(Exception):
    """The role has none for us; the text tells no secret."""


class RoleCredentials(Provider):
    """Asks where AWS_WEB_IDENTITY_TOKEN_FILE or AWS_CONTAINER_CREDENTIALS_… point to."""

    def __init__(self, sts_endpoint: str, http: PoolManager) -> None:
        self._role = IamAwsProvider(custom_endpoint=sts_endpoint or None, http_client=http)

    def retrieve(self) -> Credentials:
        """Raises :class:`NoCredentials`."""
        try:
            return self._role.retrieve()
        except (HTTPError, ValueError, KeyError, OSError, ParseError) as error:
            raise NoCredentials(_reason(error)) from None


def _reason(error: Exception) -> str:
    status = _STATUS.search(str(error))
    if status:
        return f"whoever hands out credentials answered with status {status[1]}"
    if isinstance(error, HTTPError):
        return "whoever hands out credentials cannot be reached"
    if isinstance(error, OSError) or str(error).startswith("error in reading file"):
        return "the token's file cannot be read"
    if isinstance(error, (json.JSONDecodeError, KeyError, ParseError)):
        return "what was answered are no credentials"
    return f"{type(error).__name__}"
