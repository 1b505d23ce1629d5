"""A watch over gRPC of a real process."""

import signal
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from kvorum.transport.pb import kvorum_pb2 as pb
from kvorum.transport.pb import kvorum_pb2_grpc
from tests.integration.app.one_node import OneNode

DEADLINE_S = 60


@pytest.fixture
def stub(node: OneNode) -> Iterator[Any]:
    with grpc.insecure_channel(node.environ["SELF_ADDRESS"]) as channel:
        yield kvorum_pb2_grpc.WatchStub(channel)


def test_changes_come_and_the_end_is_told(node: OneNode, stub: Any) -> None:
    node.start()
    call = stub.Watch(pb.WatchRequest(prefix=b""), timeout=DEADLINE_S)
    assert next(call).opened.revision == 0
    node.put("fruit", "apple")
    change = next(call).change
    assert change.revision == 1
    assert [(event.key, event.record.value) for event in change.events] == [(b"fruit", b'"apple"')]
    assert "kvorum_watchers 1.0" in node.request("GET", "/metrics").text
    node.process.send_signal(signal.SIGTERM)
    cancelled = next(call).cancelled
    assert cancelled.reason == pb.WatchCancelled.REASON_STOPPING
    assert cancelled.resume_revision == 2
    with pytest.raises(StopIteration):
        next(call)
    assert node.process.wait(timeout=DEADLINE_S) == 0


def test_the_limit_is_a_setting(node: OneNode, stub: Any) -> None:
    node.start(WATCHERS_MAX="1")
    call = stub.Watch(pb.WatchRequest(prefix=b""), timeout=DEADLINE_S)
    assert next(call).WhichOneof("response") == "opened"
    with pytest.raises(grpc.RpcError) as caught:
        next(stub.Watch(pb.WatchRequest(prefix=b""), timeout=DEADLINE_S))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    call.cancel()
