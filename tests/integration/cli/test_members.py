"""`kvorum member …` and `kvorum transfer` against a served node: output, errors, exit codes."""

import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec import Struct
from prometheus_client import CollectorRegistry

from kvorum.cli.arguments import parse
from kvorum.cli.cluster.commands import run_member, run_transfer
from kvorum.cli.console import Console
from kvorum.errors import NoLeader
from kvorum.rest.app import create_app
from kvorum.rest.options import RestOptions
from tests.integration.rest.server import serving
from tests.unit.rest.fake_service import FakeService


class Run(Struct):
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def kvorum(line: str, endpoint: str, *, stdin: io.StringIO | None = None) -> Run:
    """One command; without ``stdin`` as a script runs it."""
    arguments = parse(line.split(), {"KVORUM_ENDPOINT": endpoint})
    console = Console(stdin or io.StringIO(), io.StringIO(), io.StringIO())
    run = run_member if arguments.command == "member" else run_transfer
    code = run(arguments, console)
    assert isinstance(console.stdout, io.StringIO)
    assert isinstance(console.stderr, io.StringIO)
    return Run(code, console.stdout.getvalue(), console.stderr.getvalue())


@contextmanager
def dead_endpoint() -> Iterator[str]:
    """Bound, but nobody listens: connections are refused, and nobody else gets the port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_members_are_listed_as_a_table(endpoint: str) -> None:
    run = kvorum("member list", endpoint)
    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines()[:2] == [
        "ID              NAME    ROLE   STATE   LAG",
        "localhost:8001  Node-1  voter  leader  0",
    ]


def test_members_are_listed_as_json(endpoint: str) -> None:
    run = kvorum("member list -o json", endpoint)
    assert [member["name"] for member in json.loads(run.out)["members"]] == [
        "Node-1",
        "Node-2",
        "Node-3",
    ]


def test_a_member_is_added_promoted_and_removed(endpoint: str, service: FakeService) -> None:
    added = kvorum("member add localhost:8006", endpoint)
    assert "added localhost:8006#2 as a learner" in added.out
    promoted = kvorum("member promote localhost:8006#2", endpoint)
    assert promoted.out == "localhost:8006#2 votes now: 4 voters, of which 1 may fail\n"
    removed = kvorum("member remove localhost:8006#2", endpoint)
    assert removed.out == "localhost:8006#2 is removed: 3 voters, of which 1 may fail\n"
    assert {added.code, promoted.code, removed.code} == {0}
    assert len(service.membership.members) == 3


def test_a_change_can_be_shown_as_json(endpoint: str) -> None:
    run = kvorum("member add localhost:8006 -o json", endpoint)
    assert json.loads(run.out)["member"]["id"] == "localhost:8006#2"


@pytest.mark.parametrize(
    ("line", "leader"), [("transfer", "Node-2"), ("transfer localhost:8003", "Node-3")]
)
def test_leadership_is_transferred(endpoint: str, line: str, leader: str) -> None:
    run = kvorum(line, endpoint)
    assert (run.code, run.out) == (0, f"{leader} leads now\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("member add localhost:8001", "kvorum: localhost:8001 is the address of member"),
        ("member add localhost", "kvorum: address: 'localhost' must end in a port"),
        ("member promote Node-1", "kvorum: localhost:8001 is a voter already"),
        ("member remove Node-9", "kvorum: 'Node-9' is no id, address or name of a member"),
        ("transfer Node-9", "kvorum: 'Node-9' is no id, address or name of a member"),
    ],
)
def test_what_the_cluster_refuses_is_said_in_its_words(
    endpoint: str, line: str, words: str
) -> None:
    run = kvorum(line, endpoint)
    assert (run.code, run.out) == (1, "")
    assert run.err.startswith(words)


class TestRemovalOnATerminal:
    def test_it_asks_and_obeys(self, endpoint: str, service: FakeService) -> None:
        run = kvorum("member remove Node-3", endpoint, stdin=Terminal("y\n"))
        assert run.code == 0
        assert "localhost:8003  Node-3  voter" in run.err
        assert "Remove Node-3 for good? Its id never comes back. [y/N]" in run.err
        assert len(service.membership.members) == 2

    @pytest.mark.parametrize("typed", ["\n", "n\n", "", "Y?\n"])
    def test_anything_but_yes_means_no(
        self, endpoint: str, service: FakeService, typed: str
    ) -> None:
        run = kvorum("member remove Node-3", endpoint, stdin=Terminal(typed))
        assert run.code == 1
        assert run.err.endswith("kvorum: nothing was removed\n")
        assert len(service.membership.members) == 3

    def test_it_need_not_ask(self, endpoint: str, service: FakeService) -> None:
        run = kvorum("member remove Node-3 --yes", endpoint, stdin=Terminal(""))
        assert (run.code, run.err) == (0, "")
        assert len(service.membership.members) == 2


class TestEndpoints:
    def test_the_next_one_is_tried_if_one_is_unreachable(
        self, endpoint: str, service: FakeService
    ) -> None:
        with dead_endpoint() as dead:
            assert kvorum("member list", f"{dead},{endpoint}").code == 0
            assert kvorum("member remove Node-3", f"{dead},{endpoint}").code == 0
        assert len(service.membership.members) == 2

    def test_all_unreachable_says_what_to_try(self) -> None:
        with dead_endpoint() as dead, dead_endpoint() as other:
            run = kvorum("member list", f"{dead},{other}")
        assert run.code == 5
        assert f"kvorum: {dead} cannot be reached: Connection refused" in run.err
        assert f"{other} cannot be reached" in run.err
        assert run.err.count("Is a node running there, and is that its REST_ADDRESS?") == 1

    def test_one_without_a_leader_is_passed_over(self, endpoint: str, service: FakeService) -> None:
        cut_off = FakeService()
        cut_off.failure = NoLeader("no leader is known")
        app = create_app(cut_off, RestOptions(version="0.1.0"), registry=CollectorRegistry())
        with serving(app) as port:
            other = f"http://127.0.0.1:{port}"
            alone = kvorum("member remove Node-3", other)
            assert (alone.code, alone.out) == (5, "")
            assert alone.err == f"kvorum: {other} cannot do it now: no leader is known\n"
            assert kvorum("member remove Node-3", f"{other},{endpoint}").code == 0
        assert len(service.membership.members) == 2

    def test_the_leaders_list_is_preferred(self, endpoint: str) -> None:
        follower = FakeService()
        follower.leads, follower.leader_id = False, "Node-1"
        app = create_app(follower, RestOptions(version="0.1.0"), registry=CollectorRegistry())
        with serving(app) as port:
            other = f"http://127.0.0.1:{port}"
            assert (
                "localhost:8001  Node-1  voter  leader  0"
                in kvorum("member list", f"{other},{endpoint}").out
            )
            assert "only the leader (Node-1) knows" in kvorum("member list", other).out


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads one request a connection, sends ``answer`` and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


class TestBrokenAnswers:
    def test_a_change_whose_answer_is_lost_is_not_sent_again(
        self, endpoint: str, service: FakeService
    ) -> None:
        with answering(b"") as broken:
            run = kvorum("member remove Node-3", f"{broken},{endpoint}")
        assert run.code == 6
        assert "did not answer properly" in run.err
        assert "The change may or may not have been made: `kvorum member list`" in run.err
        assert len(service.membership.members) == 3

    def test_a_list_is_asked_of_the_next_one(self, endpoint: str) -> None:
        with answering(b"") as broken:
            assert kvorum("member list", f"{broken},{endpoint}").code == 0

    @pytest.mark.parametrize(
        ("answer", "code", "words"),
        [
            (b"\x00\x00\x12\x04", 5, "did not answer properly"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 1, "no answer of a kvorum node"),
            (b"HTTP/1.1 404 No\r\ncontent-length: 9\r\n\r\nnot here!", 1, "kvorum: not here!"),
            (b"HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nfull", 5, "cannot do it now: full"),
        ],
    )
    def test_something_else_than_a_node_is_called_that(
        self, answer: bytes, code: int, words: str
    ) -> None:
        with answering(answer) as stranger:
            run = kvorum("member list", stranger)
        assert (run.code, run.out) == (code, "")
        assert words in run.err


class TestConventions:
    def test_an_error_as_json(self, endpoint: str) -> None:
        run = kvorum("member promote Node-1 -o json", endpoint)
        assert run.code == 1
        told = json.loads(run.err)
        assert (told["kind"], told["exitCode"]) == ("failed", 1)
        assert told["error"].startswith("localhost:8001 is a voter already")

    def test_the_answer_as_it_came(self, endpoint: str) -> None:
        assert kvorum("member list -o raw", endpoint).out.count("\n") == 1

    def test_a_time_limit(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            run = kvorum("--timeout 50ms member list", f"http://127.0.0.1:{port}")
        assert run.code == 5
        assert "did not answer properly: timed out" in run.err
