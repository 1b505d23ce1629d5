"""The document against a real node: whatever it allows or forbids, the node answers as it says.

Requests are made from the document, valid and invalid ones, the same in every run; every answer
must have a status, headers and a body that the document names for it, and none may be a 5xx:
this node is well. Streams, whose answers do not end, are opened, read and left.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import (
    ChecksConfig,
    CoveragePhaseConfig,
    ExamplesPhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.config._checks import NegativeDataRejectionConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from kvorum.rest.openapi.document import openapi_document
from tests.integration.app.one_node import OneNode

EXAMPLES = 15
WAIT_S_MAX = 0.02
STREAMS = ["watchKeys", "observeElection"]
REFUSALS = ["4xx"]  # of what is invalid; 404 for a path that has become another one
_REQUEST_ID = re.compile(r"[!-~]{1,90}")

_generation = GenerationConfig(
    modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE],
    max_examples=EXAMPLES,
    deterministic=True,
    allow_extra_parameters=False,  # the routes of keys ignore what they do not know
    database="none",
)
_project = ProjectConfig(
    generation=_generation,
    checks=ChecksConfig(
        negative_data_rejection=NegativeDataRejectionConfig(expected_statuses=REFUSALS)
    ),
    request_timeout=20,
    max_stream_events=1,
    phases=PhasesConfig(
        examples=ExamplesPhaseConfig(enabled=True),
        coverage=CoveragePhaseConfig(enabled=True),
    ),
)
schema = schemathesis.openapi.from_dict(
    openapi_document(),
    config=SchemathesisConfig(projects=ProjectsConfig(default=_project)),
)
AnyCase = Case[Any]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]


@schema.hook
def map_body(_context: Any, body: Any) -> Any:
    """Nobody has the time to wait for a lock as long as the document allows."""
    wait = body.get("waitSeconds") if isinstance(body, dict) else None
    if isinstance(wait, int | float) and WAIT_S_MAX < wait <= 60:
        return body | {"waitSeconds": WAIT_S_MAX}
    return body


@schema.hook
def map_headers(context: Any, headers: Any) -> Any:
    """A request id belongs to one kind of request: else most would get another one's outcome."""
    name = "Idempotency-Key"
    if headers and _REQUEST_ID.fullmatch(str(headers.get(name, ""))) and '"' not in headers[name]:
        operation = context.operation.definition.raw["operationId"]
        headers[name] = f"{operation}.{headers[name]}"
    return headers


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    node = OneNode(tmp_path_factory.mktemp("node"))
    try:
        node.start()
        yield f"http://{node.environ['REST_ADDRESS']}"
        assert node.stop() == 0
        assert "Traceback" not in node.log
    finally:
        node.close()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def furnished(base_url: str) -> None:
    """What the document's examples name is there, whatever the operation before did."""
    with httpx.Client(base_url=base_url) as client:
        client.post("/leases", json={"ttlSeconds": 3600, "id": "worker-7"})
        for path in ("/locks/reports", "/elections/scheduler"):
            client.post(path, json={"lease": "worker-7"}).raise_for_status()
        client.put("/key/colour", json={"value": {"colour": "green"}}).raise_for_status()


answered_at_once = schema.exclude(operation_id=STREAMS)
streamed = schema.include(operation_id=STREAMS)
bounded = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # fixtures are meant for all examples
)


@answered_at_once.parametrize()
@bounded
@pytest.mark.usefixtures("furnished")
def test_answers_are_as_documented(case: AnyCase, base_url: str, session: requests.Session) -> None:
    case.call_and_validate(base_url=base_url, session=session, checks=CHECKS)


@streamed.parametrize()
@bounded
@pytest.mark.usefixtures("furnished")
def test_streams_begin_as_documented(case: AnyCase, base_url: str) -> None:
    """Of an answer that does not end the first event is read."""
    answer = case.call_and_validate(base_url=base_url, checks=CHECKS)
    if answer.status_code == 200:
        assert re.match(rb"retry: \d+\n(id: \d+\n)?event: (opened|leader)\n", answer.content)
