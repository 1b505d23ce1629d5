"""Turns whatever Litestar or a controller raises into a problem."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from litestar import Response
from litestar.exceptions import HTTPException, ValidationException

from kvorum.errors import InvalidRequest
from kvorum.node.service import KvService
from kvorum.rest.answer import Answer
from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.faults import MethodNotAllowed, UnknownRoute
from kvorum.rest.locations import shown_path
from kvorum.rest.problems import INTERNAL, Context, framework_problem, kind_of, problem_of

Handler = Callable[[AnyRequest, Exception], Response[bytes]]

_logger = logging.getLogger(__name__)


def exception_handler(service: KvService) -> Handler:
    """For ``exception_handlers`` of the app, under ``Exception``."""

    def handle(request: AnyRequest, error: Exception) -> Response[bytes]:
        context = Context(shown_path(request.scope["raw_path"]), service.leadership())
        if isinstance(error, HTTPException) and error.status_code < 500:
            return to_response(_framework_answer(request, error, context))
        if kind_of(error) is INTERNAL:
            _logger.error(
                "unexpected error while answering %s %s",
                request.method,
                context.path,
                exc_info=error,
            )
        return to_response(problem_of(error, context))

    return handle


def _framework_answer(request: AnyRequest, error: HTTPException, context: Context) -> Answer:
    if error.status_code == 404:
        unknown = UnknownRoute("there is nothing at this path; the routes are listed at /swagger")
        return problem_of(unknown, context)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("allow", "GET, OPTIONS")
        return problem_of(MethodNotAllowed(request.method, allowed), context)
    if error.status_code == 400:
        return problem_of(InvalidRequest(_framework_detail(error)), context)
    title = HTTPStatus(error.status_code).phrase
    return framework_problem(error.status_code, title, error.detail, context)


def _name(item: dict[str, str]) -> str:
    """The parameter as the client knows it: ``from`` cannot be a name in Python."""
    name = item.get("key", "request")
    return "from" if name == "first_index" else name


def _framework_detail(error: HTTPException) -> str:
    if not isinstance(error, ValidationException) or not isinstance(error.extra, list):
        return error.detail
    wrong = (f"{_name(item)}: {item.get('message')}" for item in error.extra)
    return "; ".join(wrong) or error.detail
