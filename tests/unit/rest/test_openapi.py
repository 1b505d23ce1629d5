"""The document is complete, agrees with the app, and api/ is up to date."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.types import ASGIApp

from kvorum.rest.openapi.document import openapi_document
from kvorum.rest.problems import ALL_KINDS
from tests.unit.rest.asgi import call
from tools.generate_openapi import outdated

UNDOCUMENTED = {"/key", "/command", "/swagger", "/swagger/{asset}"}  # help pages, empty names


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in openapi_document()["paths"].items():
        for method in ("get", "put", "post", "patch", "delete"):
            if method in item:
                yield path, method, item[method]


def test_the_generated_files_are_up_to_date() -> None:
    assert outdated() == [], "run: make generate"


def test_the_document_is_the_same_every_time() -> None:
    assert openapi_document() == openapi_document()


def test_the_document_names_exactly_the_apps_routes(framework: ASGIApp) -> None:
    assert isinstance(framework, Litestar)
    served = {
        (re.sub(r"request_id(:path)?", "id", re.sub(r":\w+", "", route.path)), method.lower())
        for route in framework.routes
        for method in route.methods
    }
    documented = {(path, method) for path, method, _ in operations()}
    assert documented == {
        (path, method)
        for path, method in served
        if path not in UNDOCUMENTED and method not in ("options", "head")
    }


def test_every_reference_leads_somewhere() -> None:
    document = openapi_document()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                target: Any = document
                for step in part["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(document)


@pytest.mark.parametrize(("path", "method", "operation"), list(operations()))
def test_every_operation_is_described_with_examples(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["operationId"]
    assert "500" in operation["responses"]
    for status, response in operation["responses"].items():
        assert response["description"], (path, method, status)
        assert "content" in response or status == "304"
        for content in response.get("content", {}).values():
            assert content["example"], (path, method, status)
    if "requestBody" in operation:
        assert operation["requestBody"]["content"]["application/json"]["example"]


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_every_parameter_and_header_is_described() -> None:
    components = openapi_document()["components"]
    for part in (*components["parameters"].values(), *components["headers"].values()):
        assert part["description"]
        assert part["schema"]


def test_every_kind_of_problem_is_listed() -> None:
    description = openapi_document()["info"]["description"]
    for kind in ALL_KINDS:
        assert kind.type_uri in description


async def test_the_app_serves_the_document(app: ASGIApp) -> None:
    assert (await call(app, "GET", b"/swagger/openapi.json")).json == openapi_document()


async def test_the_server_is_relative() -> None:
    assert openapi_document()["servers"][0]["url"] == "/"


@pytest.mark.parametrize(
    ("name", "media_type", "cached"),
    [
        (b"index.html", b"text/html; charset=utf-8", False),
        (b"start.js", b"text/javascript; charset=utf-8", False),
        (b"swagger-ui-bundle.js", b"text/javascript; charset=utf-8", True),
        (b"swagger-ui.css", b"text/css; charset=utf-8", True),
        (b"favicon-32x32.png", b"image/png", True),
        (b"openapi.json", b"application/json", False),
    ],
)
async def test_assets_have_types_and_caching(
    app: ASGIApp, name: bytes, media_type: bytes, cached: bool
) -> None:
    reply = await call(app, "GET", b"/swagger/" + name)
    assert reply.status == 200
    assert reply.headers[b"content-type"] == media_type
    assert (b"max-age" in reply.headers[b"cache-control"]) == cached
    assert b"default-src 'self'" in reply.headers[b"content-security-policy"]
    again = await call(
        app, "GET", b"/swagger/" + name, headers=[(b"if-none-match", reply.headers[b"etag"])]
    )
    assert (again.status, again.body) == (304, b"")


async def test_the_page_loads_nothing_from_elsewhere(app: ASGIApp) -> None:
    for name in (b"index.html", b"start.js"):
        body = (await call(app, "GET", b"/swagger/" + name)).body
        assert not re.search(rb"(?:https?:)?//[a-z]", body)


async def test_swagger_redirects_to_the_page(app: ASGIApp) -> None:
    for target in (b"/swagger", b"/swagger/"):
        reply = await call(app, "GET", target)
        assert (reply.status, reply.headers[b"location"]) == (308, b"/swagger/index.html")
