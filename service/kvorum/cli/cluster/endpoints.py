"""Where a cluster is reached, and asking it: the next endpoint is tried when one cannot serve.

An endpoint that refuses the connection, or says that it certainly did nothing (503), costs a
note only. A connection that breaks while a change is on its way ends the command: nobody
knows whether the change was made, so it is not sent a second time.
"""

from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException

import msgspec

from kvorum.cli.asking import Endpoint
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.rest.schemas import MembersAnswer

MEMBERS = "/cluster/members"

_CONNECT_S = 5.0
_READ_S = 5.0
_CHANGE_S = 60.0
"""A node gives up before that: REQUEST_TIMEOUT_MS is 5 s, unless it was raised."""

_HINT = (
    "Is a node running there, and is that its REST_ADDRESS? Name others with --endpoint or "
    "KVORUM_ENDPOINT: URLs, separated by commas, are tried in turn."
)


class Failed(CommandFailed):
    """The command ends; the text says why, for people."""

    def __init__(self, text: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(code, text)


class _Unavailable(Exception):
    """This endpoint did nothing; another one may serve."""


class _Unreachable(_Unavailable):
    """There may be no node at all."""


class Cluster:
    """A cluster, by some of its nodes."""

    def __init__(self, endpoints: Sequence[Endpoint], timeout_s: float | None = None) -> None:
        """``timeout_s``: for each endpoint to answer; None: as long as it takes by itself."""
        self._endpoints = endpoints
        self._timeout_s = timeout_s

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The first endpoint's answer that is one; raises :class:`Failed`."""
        return next(self._answers(method, path, body))

    def members(self) -> bytes:
        """As the leader sees them, if an endpoint leads; otherwise as the first one does."""
        first = None
        for body in self._answers("GET", MEMBERS):
            if read_members(body).is_leader:
                return body
            first = first or body
        assert first is not None, "without any answer the loop has raised"
        return first

    def _answers(self, method: str, path: str, body: object = None) -> Iterator[bytes]:
        refusals: list[_Unavailable] = []
        for endpoint in self._endpoints:
            try:
                answer = _exchange(endpoint, method, path, body, self._timeout_s)
            except _Unavailable as error:
                refusals.append(error)
            else:
                yield answer
        if len(refusals) == len(self._endpoints):
            raise Failed(_all_of(refusals), Exit.UNAVAILABLE)


def _all_of(refusals: Sequence[_Unavailable]) -> str:
    lines = [str(refusal) for refusal in refusals]
    if any(isinstance(refusal, _Unreachable) for refusal in refusals):
        lines.append(_HINT)
    return "\n  ".join(lines)


def read_members(body: bytes) -> MembersAnswer:
    """Raises :class:`Failed` for what no node answers."""
    try:
        return msgspec.json.decode(body, type=MembersAnswer)
    except msgspec.DecodeError as error:
        raise Failed(f"this is no answer of a kvorum node: {error}") from error


def _exchange(
    endpoint: Endpoint, method: str, path: str, body: object, timeout_s: float | None
) -> bytes:
    connection = HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s or _CONNECT_S)
    try:
        _connect(connection, endpoint)
        assert connection.sock is not None, "it is connected"
        connection.sock.settimeout(timeout_s or (_READ_S if method == "GET" else _CHANGE_S))
        status, answer = _answer(connection, endpoint, method, path, body)
    finally:
        connection.close()
    if status == 503:
        raise _Unavailable(f"{endpoint} cannot do it now: {_reason(answer)}")
    if status >= 400:
        raise Failed(_reason(answer))
    return answer


def _connect(connection: HTTPConnection, endpoint: Endpoint) -> None:
    try:
        connection.connect()
    except OSError as error:
        reason = error.strerror or str(error)
        raise _Unreachable(f"{endpoint} cannot be reached: {reason}") from error


def _answer(
    connection: HTTPConnection, endpoint: Endpoint, method: str, path: str, body: object
) -> tuple[int, bytes]:
    content = b"" if body is None else msgspec.json.encode(body)
    headers = {} if body is None else {"Content-Type": "application/json"}
    try:
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException) as error:
        said = str(error) or type(error).__name__
        what = f"{endpoint} did not answer properly: {said if said.isprintable() else repr(said)}"
        if method == "GET":
            raise _Unreachable(what) from error
        raise Failed(
            f"{what}. The change may or may not have been made: `kvorum member list` shows it.",
            Exit.UNKNOWN,
        ) from error


class _Problem(msgspec.Struct):
    error: str


def _reason(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Problem).error
    except msgspec.DecodeError:  # not from a kvorum node, or from its server's own limits
        return answer[:200].decode(errors="replace")
