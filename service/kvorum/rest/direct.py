"""Plain requests, from the bytes that arrive to the bytes that leave.

Nearly all of a store's requests are of this kind, and here they cost neither a task nor a
coroutine, neither a scope nor a parsed header: what came is recognised
(:mod:`kvorum.rest.plain_request`), the service is told who waits for the result, and the results
of a batch leave in one go. Whatever is special about a request is left to the general way
(:mod:`kvorum.rest.hot`), which gives the same answers, byte for byte.
"""

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from kvorum.node.service import KvService
from kvorum.rest.answer import Answer
from kvorum.rest.answer_bytes import AnswerForms, is_last
from kvorum.rest.direct_keys import DirectKeys
from kvorum.rest.direct_ranges import DirectPages
from kvorum.rest.direct_request import Connection, DirectRequest
from kvorum.rest.direct_txns import DirectTxns
from kvorum.rest.observer import BATCH_ROUTE, KEY_ROUTE, KEYS_ROUTE, TXN_ROUTE, RestObserver
from kvorum.rest.options import RestOptions
from kvorum.rest.plain_request import PlainRequest, PlainRequests
from kvorum.rest.problems import INTERNAL, kind_of, problem_of
from kvorum.telemetry.spans import RequestSpans

_logger = logging.getLogger(__name__)

AnyRequest = DirectRequest[Any]

CallSoon = Callable[[Callable[[], None]], object]
"""Calls it in the next iteration of the event loop."""


class Direct:
    """Takes requests from connections and answers them later."""

    def __init__(
        self,
        service: KvService,
        options: RestOptions,
        observer: RestObserver,
        call_soon: CallSoon,
        spans: RequestSpans | None = None,
    ) -> None:
        """With ``spans`` some requests are traced, and not taken here."""
        self._service = service
        self._observer = observer
        self._call_soon = call_soon
        self._spans = spans
        self._requests = PlainRequests()
        txns = DirectTxns(options)
        self._readers: Mapping[str, Callable[[PlainRequest], AnyRequest | None]] = {
            KEY_ROUTE: DirectKeys(options).read,
            KEYS_ROUTE: DirectPages(options).read,
            TXN_ROUTE: txns.read,
            BATCH_ROUTE: txns.read_batch,
        }
        self._forms = AnswerForms()
        self._answerable: list[AnyRequest] = []
        self._has_answer = self._add_answerable  # made once: each look at a method makes an object

    def take(self, data: bytes, connection: Connection) -> bool:
        """Whether ``data`` is one plain request, as a whole: then the connection gets an answer."""
        plain = self._requests.read(data)
        if plain is None:
            return False
        try:
            request = self._readers[plain.route](plain)
        except Exception:  # noqa: BLE001 - whatever is wrong, the general way meets and tells it
            return False
        if request is None or (self._spans is not None and self._is_traced(connection)):
            return False
        request.begin(self._service, connection, self._has_answer)
        return True

    def _is_traced(self, connection: Connection) -> bool:
        """By chance: a plain request has no trace context."""
        assert self._spans is not None, "the caller knows"
        connection.admission = self._spans.admit(())
        return connection.admission is not None

    # --- answers -----------------------------------------------------------------------

    def _add_answerable(self, request: AnyRequest) -> None:
        """It leaves with all others that come in the same turn."""
        if not self._answerable:
            self._call_soon(self._respond)
        self._answerable.append(request)

    def _respond(self) -> None:
        answerable, self._answerable = self._answerable, []
        forms, leadership = self._forms, self._service.leadership()
        observe = self._observer.request
        for request in answerable:
            connection, status = request.connection, 200
            forms.prepare(connection.default_headers, leadership)
            last = not connection.keep_alive
            try:
                raw = b"" if last else request.form(forms)
                answer = None if raw else self._answer(request)
            except Exception as error:  # noqa: BLE001 - it becomes an answer; the others get theirs
                request.error = error
                raw, answer = b"", self._answer(request)
            if answer is not None:
                status, raw = answer.status, forms.any(answer, keep_alive=not last)
                last = last or is_last(answer)
            connection.respond(raw, last=last)
            observe(request.route, request.method, status, perf_counter() - request.began_s)

    def _answer(self, request: AnyRequest) -> Answer:
        """The general way; what nobody expected is logged."""
        error = request.error
        if error is None:
            return request.answer(self._service)
        if kind_of(error) is INTERNAL:
            _logger.error("unexpected error while answering %s", request.method, exc_info=error)
        return problem_of(error, request.context(self._service))
