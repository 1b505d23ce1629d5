"""A node whose backups are what a test wants: behind, cut short, without a length."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct


class FakeNode(Struct):
    """``offered`` are the revisions that its backups have, one a request, the last for ever."""

    backup: bytes
    present: int = 5
    offered: tuple[int, ...] = (5,)
    sends: int = 1 << 40
    """Bytes, after which the connection breaks."""
    tells_length: bool = True
    has_leader: bool = True
    downloads: int = 0
    records: list[dict[str, object]] = []
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        if path == "/snapshot":
            self._send_backup(request)
        elif path == "/keys" and self.has_leader:
            said = {"revision": self.present, "items": [], "more": False}
            _send_json(request, 200, {"isLeader": True, "leaderId": "n", **said})
        elif request.command == "PUT":
            length = int(request.headers["content-length"])
            self.records.append(json.loads(request.rfile.read(length))["value"])
            said = {"requestId": "r", "revision": self.present + 1}
            _send_json(request, 200, {"isLeader": True, "leaderId": "n", **said})
        else:
            _send_json(request, 503, {"type": "urn:kvorum:no-leader", "detail": "no leader"})

    def _send_backup(self, request: BaseHTTPRequestHandler) -> None:
        revision = self.offered[min(self.downloads, len(self.offered) - 1)]
        self.downloads += 1
        request.send_response(200)
        request.send_header("kvorum-revision", str(revision))
        if self.tells_length:
            request.send_header("content-length", str(len(self.backup)))
        request.end_headers()
        request.wfile.write(self.backup[: self.sends])
        request.close_connection = True


def _send_json(request: BaseHTTPRequestHandler, status: int, body: object) -> None:
    content = json.dumps(body).encode()
    request.send_response(status)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


@contextmanager
def serving(node: FakeNode) -> Iterator[FakeNode]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(node.answer))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    node.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield node
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _handler(
    answer: Callable[[BaseHTTPRequestHandler], None],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True  # the client went away, as it should

        def do_GET(self) -> None:
            answer(self)

        def do_PUT(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Tests look at what the command prints."""

    return Handler
