"""A real S3 server (moto's) in a thread, that fails when and as a test says."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING
from uuid import uuid4

from minio import Minio
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from msgspec import Struct
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "a-secret-key-that-nobody-may-see"


class Fault(Struct):
    """For requests of ``method`` whose path and query contain ``part``, ``times`` over.

    With ``status`` the request is refused, under S3's ``code``; with ``change`` the answer is
    what it makes of it.
    """

    method: str
    part: str = ""
    status: int = 0
    code: str = ""
    change: Callable[[bytes], bytes] | None = None
    times: int = 1_000_000
    hits: int = 0

    def wants(self, request: Request) -> bool:
        target = f"{request.path}?{request.query_string.decode()}"
        return self.hits < self.times and self.method == request.method and self.part in target

    def refusal(self) -> Response:
        body = f"<Error><Code>{self.code}</Code><Message>as the test says</Message></Error>"
        return Response(body, self.status, content_type="application/xml")


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  # as of the base
        """Tests look at what the command prints."""


class S3Server:
    """Everything is forgotten with it; ``seen`` are the requests so far, as "METHOD target"."""

    def __init__(self) -> None:
        self._moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._sts: WSGIApplication = create_backend_app("sts")
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self.during: Callable[[Request], None] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def environ(self) -> Mapping[str, str]:
        """For commands that use it."""
        return {
            "S3_ENDPOINT": f"http://{self.host}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def client(self) -> Minio:
        return Minio(self.host, ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1")

    def _answer(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        self.seen.append(f"{request.method} {request.path}?{request.query_string.decode()}")
        if self.during is not None:
            self.during(request)
        fault = next((fault for fault in self.faults if fault.wants(request)), None)
        if fault is None:
            is_sts = "Action=" in request.query_string.decode()
            return (self._sts if is_sts else self._moto)(environ, start)
        fault.hits += 1
        if fault.change is None:
            return fault.refusal()(environ, start)
        answer = Response.from_app(self._moto, environ)
        answer.data = fault.change(answer.data)
        return answer(environ, start)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class TestBucket:
    """A bucket of one test."""

    __test__ = False

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.name = f"backups-{uuid4().hex[:8]}"
        self._client = server.client()
        self._client.make_bucket(self.name)

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, name: str, content: bytes = b"") -> None:
        self._client.put_object(self.name, name, BytesIO(content), len(content))

    def names(self) -> list[str]:
        found = self._client.list_objects(self.name, recursive=True)
        return sorted(object_.object_name or "" for object_ in found)

    def content(self, name: str) -> bytes:
        answer = self._client.get_object(self.name, name)
        try:
            return answer.read()
        finally:
            answer.close()

    def unfinished_uploads(self) -> list[str]:
        """That a store would keep, and charge for, until somebody aborts them."""
        found = self._client._list_multipart_uploads(self.name)
        return [upload.object_name for upload in found.uploads]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
