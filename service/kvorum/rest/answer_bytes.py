"""Answers as the bytes of HTTP/1.1, those to plain requests by filling in a form.

Most of an answer is the same for all requests of a moment: status, date, who leads. It is put
together once and kept until one of these changes.
"""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from kvorum.mvcc.outcome import SUCCESS_MESSAGE, Outcome
from kvorum.node.views import Leadership, ReadResult, Staleness
from kvorum.rest.answer import JSON_TYPE, Answer, Headers, header_list
from kvorum.rest.key_answers import read_answer, write_answer
from kvorum.rest.schemas import CommonAnswer

_encode = msgspec.json.Encoder().encode

_NOBODY = Leadership(False, "")


class AnswerForms:
    """Of one moment: :meth:`prepare` says which."""

    __slots__ = ("_body", "_defaults", "_head", "_leadership")

    def __init__(self) -> None:
        self._defaults: Sequence[tuple[bytes, bytes]] = ()
        self._leadership = _NOBODY
        self._head = self._body = b""
        self._fill()

    def prepare(
        self, default_headers: Sequence[tuple[bytes, bytes]], leadership: Leadership
    ) -> None:
        """``default_headers`` are the server's own; another list if one of them changes."""
        if default_headers is not self._defaults or leadership is not self._leadership:
            self._defaults, self._leadership = default_headers, leadership
            self._fill()

    def _fill(self) -> None:
        lines = _lines((*self._defaults, (b"content-type", b"application/json")))
        self._head = b"HTTP/1.1 200 OK\r\n" + lines + b"content-length: "
        who = CommonAnswer(
            is_leader=self._leadership.is_leader, leader_id=self._leadership.leader_id
        )
        self._body = _encode(who)[:-1] + b',"requestId":"'

    def written(self, outcome: Outcome) -> bytes:
        """The answer to a write that did what it was asked to; its id needs no escapes."""
        if outcome.message != SUCCESS_MESSAGE:
            return self.any(write_answer(outcome, self._leadership))
        body = b'%s%s","success":true,"message":"success","revision":%d}' % (
            self._body,
            outcome.request_id.encode(),
            outcome.revision,
        )
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    def read(self, result: ReadResult) -> bytes:
        """The answer to a read of a key that exists; its id needs no escapes."""
        record = result.record
        assert record is not None, "the caller knows that the key exists"
        if record.content_type or record.lease:
            return self.any(read_answer(result, record, self._leadership))
        modified = record.mod_revision
        body = (
            b'%s%s","success":true,"message":"success","value":%s,"revision":%d,'
            b'"createRevision":%d,"modRevision":%d,"version":%d%s}'
        ) % (
            self._body,
            result.request_id.encode(),
            record.value,
            result.revision,
            record.create_revision,
            modified,
            record.version,
            b"" if result.staleness is None else _age(result.staleness),
        )
        return b'%s%d\r\netag: "%d"\r\n\r\n%s' % (self._head, len(body), modified, body)

    def any(self, answer: Answer, *, keep_alive: bool = True) -> bytes:
        """Any answer as a whole; without ``keep_alive`` it says that it is the last."""
        is_json = answer.status == 200 and answer.media_type == JSON_TYPE and not answer.headers
        if is_json and keep_alive:
            return b"%s%d\r\n\r\n%s" % (self._head, len(answer.body), answer.body)
        headers: Headers = (*self._defaults, *header_list(answer))
        if not keep_alive and not is_last(answer):
            headers += ((b"connection", b"close"),)
        phrase = HTTPStatus(answer.status).phrase.encode("ascii")
        return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (
            answer.status,
            phrase,
            _lines(headers),
            answer.body,
        )


def _age(staleness: Staleness) -> bytes:
    contact_ms = staleness.last_contact_ms
    return b',"lastContactMs":%s,"appliedIndex":%d,"commitIndex":%d' % (
        b"null" if contact_ms is None else b"%d" % contact_ms,
        staleness.applied_index,
        staleness.commit_index,
    )


def is_last(answer: Answer) -> bool:
    """It asks for the connection to be closed."""
    return (b"connection", b"close") in answer.headers


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in headers)
