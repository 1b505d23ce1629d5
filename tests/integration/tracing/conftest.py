"""Three real nodes that trace what their clients want traced, and a real receiver of spans."""

from collections.abc import Iterator

import pytest

from tests.integration.app.one_node import OneNode
from tests.integration.client.three_nodes import ThreeNodes
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver


@pytest.fixture(scope="session")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as listening:
        yield listening


@pytest.fixture(scope="session")
def traced_nodes(
    receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ThreeNodes]:
    cluster = ThreeNodes(tmp_path_factory.mktemp("traced"))
    for node in cluster.nodes:
        node.environ |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_TRACES_SAMPLER_ARG": "0",
            "OTEL_RESOURCE_ATTRIBUTES": f"k8s.pod.name={node.environ['SELF_ID'].lower()}",
        }
    try:
        cluster.heal()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def leader(traced_nodes: ThreeNodes) -> OneNode:
    traced_nodes.heal()
    return traced_nodes.leader()


@pytest.fixture
def follower(traced_nodes: ThreeNodes, leader: OneNode) -> OneNode:
    return next(node for node in traced_nodes.nodes if node is not leader)
