"""The hot path and Litestar must not differ in a byte; every answer must be documented."""

from typing import Any

import pytest
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from kvorum.rest.app import create_app, framework_app
from kvorum.rest.keys import KeyApi
from kvorum.rest.openapi.document import openapi_document
from tests.unit.rest.asgi import Reply, call
from tests.unit.rest.conftest import OPTIONS
from tests.unit.rest.fake_service import FakeService
from tests.unit.rest.key_requests import CASES, Case
from tests.unit.rest.range_requests import PLAIN, SPECIAL

DOCUMENT = openapi_document()


def make_hot(service: FakeService) -> ASGIApp:
    return create_app(service, OPTIONS, registry=CollectorRegistry())


def make_framework(service: FakeService) -> ASGIApp:
    return framework_app(service, KeyApi(service, OPTIONS), OPTIONS, CollectorRegistry())


async def answer(make: Any, case: Case) -> tuple[Reply, FakeService]:
    service = FakeService()
    app = make(service)
    seed = await call(app, "PUT", b"/key/colour", body=b'{"value":"green"}')
    assert seed.status == 200
    case.prepare(service)
    reply = await call(app, case.method, case.target, headers=case.headers, body=case.body)
    return reply, service


@pytest.mark.parametrize("case", [*CASES, *PLAIN, *SPECIAL], ids=lambda case: case.name)
async def test_both_ways_answer_alike(case: Case) -> None:
    hot, _ = await answer(make_hot, case)
    framework, _ = await answer(make_framework, case)
    assert hot.status == case.status, hot.body
    assert hot == framework


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_answer_is_documented(case: Case) -> None:
    if case.method in ("HEAD", "OPTIONS"):
        return
    reply, _ = await answer(make_hot, case)
    operation = DOCUMENT["paths"]["/key/{key}"][case.method.lower()]
    documented = operation["responses"][str(reply.status)]
    assert documented_headers(documented) >= sent_headers(reply) >= required_headers(documented)
    if reply.status == 304:
        assert not reply.body
        return
    if b"kvorum-version" in reply.headers:  # the bytes themselves, of whatever type
        assert "*/*" in documented["content"]
    else:
        content_type = reply.headers[b"content-type"].decode()
        assert_fits(reply.json, documented["content"][content_type]["schema"])


_ORDINARY = {"content-type", "content-length", "connection", "content-security-policy", "vary"}


def sent_headers(reply: Reply) -> set[str]:
    names = {name.decode() for name in reply.headers}
    return {name for name in names if name not in _ORDINARY and not name.startswith("x-")}


def documented_headers(response: dict[str, Any]) -> set[str]:
    return {name.lower() for name in response.get("headers", {})}


def required_headers(response: dict[str, Any]) -> set[str]:
    """Those with the bytes of a value are not there with JSON."""
    return {name for name in documented_headers(response) if not name.startswith("kvorum-")}


def assert_fits(value: dict[str, Any], schema: dict[str, str]) -> None:
    """Every required member is there, and no member that the schema does not name."""
    components = DOCUMENT["components"]["schemas"]
    described = components[schema["$ref"].rpartition("/")[2]]
    assert set(described["required"]) <= set(value)
    assert set(value) <= set(described["properties"])


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.status >= 400], ids=lambda case: case.name
)
async def test_every_error_is_a_problem_with_the_contracts_fields(case: Case) -> None:
    reply, service = await answer(make_hot, case)
    assert reply.headers[b"content-type"] == b"application/problem+json"
    problem = reply.json
    assert problem["status"] == reply.status
    assert problem["type"].startswith("urn:kvorum:problem:")
    assert problem["title"]
    assert problem["detail"] == problem["error"]
    assert problem["isLeader"] is True
    assert problem["leaderId"] == "Node-1"
    assert "secret" not in problem["detail"]
    if case.status < 500:  # certainly not applied
        assert service.machine.revision == 1
