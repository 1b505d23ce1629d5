"""What the controllers share."""

from typing import Any

from litestar import Request, Response

from kvorum.rest.answer import BODILESS, Answer

AnyRequest = Request[Any, Any, Any]


def to_response(answer: Answer) -> Response[bytes]:
    """The answer in the framework's terms."""
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in answer.headers}
    if answer.status not in BODILESS:  # as a header: the framework adds a charset to media types
        headers["content-type"] = answer.media_type.decode("ascii")
    return Response(answer.body, status_code=answer.status, headers=headers)
