"""Plain requests for one key."""

from typing import Final

from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.service import KvService
from kvorum.node.views import ReadResult
from kvorum.rest.answer import Answer
from kvorum.rest.answer_bytes import AnswerForms
from kvorum.rest.body import body_bytes_max, parse_swap
from kvorum.rest.direct_request import DirectRequest
from kvorum.rest.fullness import full_detail
from kvorum.rest.key_answers import read_answer, unread_answer, write_answer
from kvorum.rest.locations import KEY_PREFIX
from kvorum.rest.new_value import parse_put
from kvorum.rest.observer import KEY_ROUTE
from kvorum.rest.options import RestOptions
from kvorum.rest.plain_request import PlainRequest
from kvorum.rest.problems import refusal_of

_SUCCESS: Final = Status.SUCCESS


class DirectKeyRequest(DirectRequest[Outcome | ReadResult]):
    """``value`` and ``expected`` are the JSON texts that the method wants, if it wants any."""

    __slots__ = ("_expected", "_is_stale", "_key", "_value", "_value_bytes")

    route = KEY_ROUTE

    def __init__(self, plain: PlainRequest, value: bytes = b"", expected: bytes = b"") -> None:
        self.method = plain.method
        self._key = plain.key
        self._is_stale = bool(plain.query)
        self._value = value
        self._value_bytes = len(value)
        self._expected = expected

    def _ask(self, service: KvService) -> None:
        request_id, key = self.request_id, self._key
        match self.method:
            case "GET" if self._is_stale:
                self.set_result(service.get_stale(request_id, key))
            case "GET":
                service.get_for(self, request_id, key)
            case "DELETE":
                service.delete_for(self, request_id, key)
            case "PATCH":
                service.compare_and_set_for(self, request_id, key, self._expected, self._value)
            case _:
                service.put_for(self, request_id, key, self._value)
        self._value = self._expected = b""  # they are in the command: once is enough

    def form(self, forms: AnswerForms) -> bytes:
        result = self.result
        if type(result) is Outcome:
            return forms.written(result) if result.status is _SUCCESS else b""
        if type(result) is ReadResult and result.record is not None:
            return forms.read(result)
        return b""

    def answer(self, service: KvService) -> Answer:
        result, leadership = self.result, service.leadership()
        assert result is not None, "it is asked for when there is one"
        if isinstance(result, ReadResult):
            if result.record is None:
                return unread_answer(result, self.context(service))
            return read_answer(result, result.record, leadership)
        if result.status is _SUCCESS:
            return write_answer(result, leadership)
        detail = full_detail(result, service.store_info(), self._value_bytes)
        return refusal_of(result, self.context(service), detail=detail)

    def _path(self) -> bytes:
        return KEY_PREFIX + self._key


class DirectKeys:
    """Reads them."""

    def __init__(self, options: RestOptions) -> None:
        self._key_bytes_max = options.key_bytes_max
        self._value_bytes_max = options.value_bytes_max
        self._body_bytes_max = body_bytes_max(1, options.value_bytes_max)

    def read(self, plain: PlainRequest) -> DirectRequest[Outcome | ReadResult] | None:
        """None for something special; raises for what is wrong."""
        method, body = plain.method, plain.body
        if len(plain.key) > self._key_bytes_max:
            return None
        if method in ("GET", "DELETE"):
            return None if body else DirectKeyRequest(plain)
        if len(body) > self._body_bytes_max:  # it may still be small enough, or is refused
            return None
        if method == "PATCH":
            expected, value = parse_swap(body, self._value_bytes_max)
            return DirectKeyRequest(plain, value, expected)
        new = parse_put(body, self._value_bytes_max)
        if new.content_type or new.lease or new.ttl_ms:
            return None
        return DirectKeyRequest(plain, new.value)
