"""Values of OpenTelemetry's variables, by its specification of them."""

import re
from urllib.parse import unquote, urlsplit

_ATTRIBUTE = re.compile(r"[A-Za-z0-9_.\-*/]{1,255}")


def otlp_endpoint(value: str) -> str:
    """Empty, or a URL without a path: gRPC has its own. Raises ``ValueError``."""
    if not value:
        return value
    url = urlsplit(value)
    if url.scheme not in ("http", "https"):
        raise ValueError(f"{value!r} does not begin with http:// or, for TLS, https://")
    if not url.hostname or url.port is None:  # the port: ValueError if it is none
        raise ValueError(f"{value!r} lacks a host or a port; collectors listen on 4317 usually")
    if url.path.strip("/") or url.query or url.fragment or url.username:
        raise ValueError(f"{value!r} has more than a host and a port")
    return value


def resource_attributes(value: object) -> object:
    """``name=value,…``, values percent-encoded where they must be. Raises ``ValueError``."""
    if not isinstance(value, str):
        return value
    attributes: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in value.split(","))):
        name, separator, text = item.partition("=")
        if not separator or not _ATTRIBUTE.fullmatch(name.strip()):
            raise ValueError(f"{item!r} is not name=value")
        attributes[name.strip()] = unquote(text.strip())
    return attributes
