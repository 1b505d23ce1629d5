"""Swagger UI, served by the node itself: a closed network must show it.

The two large assets come from the package ``swagger_ui`` (its Swagger UI reads
OpenAPI 3.1), the page and its start-up script from here. The content security
policy makes the browser refuse any other origin.
"""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import msgspec

from kvorum.rest.answer import JSON_TYPE, Answer
from kvorum.rest.faults import UnknownRoute
from kvorum.rest.openapi.document import openapi_document
from kvorum.rest.schemas import Index

_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kvorum - REST API</title>
<link rel="icon" href="favicon-32x32.png">
<link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
"""

_START_SCRIPT = b"""window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null
});
"""

_POLICY = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
_REVALIDATE = b"no-cache"
_DAY = b"public, max-age=86400"

_LINKS = {
    "swagger": "/swagger/index.html",
    "openapi": "/swagger/openapi.json",
    "clusterInfo": "/cluster/info",
    "clusterLog": "/cluster/log",
    "clusterMembers": "/cluster/members",
    "metrics": "/metrics",
    "livez": "/livez",
    "readyz": "/readyz",
}


def index_answer(version: str) -> Answer:
    """What this is, and where to go on."""
    body = Index(name="kvorum", version=version, links=_LINKS)
    return Answer(200, msgspec.json.encode(body))


def redirect_answer() -> Answer:
    return Answer(308, b"", headers=((b"location", b"/swagger/index.html"),))


class _Asset(msgspec.Struct, frozen=True):
    body: bytes
    media_type: bytes
    cache: bytes
    etag: bytes


class SwaggerSite:
    """The files under ``/swagger/``, each read when first asked for, then kept."""

    def __init__(self) -> None:
        html, script = b"text/html; charset=utf-8", b"text/javascript; charset=utf-8"
        self._kept: dict[str, _Asset] = {}
        self._sources: dict[str, tuple[Callable[[], bytes], bytes, bytes]] = {
            "index.html": (lambda: _PAGE, html, _REVALIDATE),
            "start.js": (lambda: _START_SCRIPT, script, _REVALIDATE),
            "openapi.json": (_document, JSON_TYPE, _REVALIDATE),
            "swagger-ui.css": (_packaged("swagger-ui.css"), b"text/css; charset=utf-8", _DAY),
            "swagger-ui-bundle.js": (_packaged("swagger-ui-bundle.js"), script, _DAY),
            "favicon-32x32.png": (_packaged("favicon-32x32.png"), b"image/png", _DAY),
        }

    def answer(self, name: str, if_none_match: str) -> Answer:
        """200, or 304 if the client has it already; raises ``UnknownRoute``."""
        asset = self._kept.get(name) or self._load(name)
        headers = (
            (b"cache-control", asset.cache),
            (b"etag", asset.etag),
            (b"content-security-policy", _POLICY),
            (b"x-content-type-options", b"nosniff"),
        )
        if asset.etag.decode() in if_none_match:
            return Answer(304, b"", headers=headers)
        return Answer(200, asset.body, asset.media_type, headers)

    def _load(self, name: str) -> _Asset:
        source = self._sources.get(name)
        if source is None:
            raise UnknownRoute("there is nothing at this path; the page is /swagger/index.html")
        read, media_type, cache = source
        body = read()
        etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
        asset = self._kept[name] = _Asset(body, media_type, cache, etag)
        return asset


def _document() -> bytes:
    return msgspec.json.encode(openapi_document())


def _packaged(name: str) -> Callable[[], bytes]:
    def read() -> bytes:
        return (_assets_directory() / name).read_bytes()

    return read


def _assets_directory() -> Path:
    """Found without importing the package, which would load a template engine."""
    spec = find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package swagger-ui-py is missing; reinstall kvorum")
    return Path(spec.submodule_search_locations[0]) / "static"
