"""Transactions whose operations concern one key each, and batches."""

from collections.abc import Sequence

from kvorum.errors import Compacted
from kvorum.mvcc.command import WriteOp
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.service import KvService
from kvorum.node.txn_reads import is_light
from kvorum.node.views import TxnOpResult
from kvorum.rest.answer import Answer
from kvorum.rest.direct_request import DirectRequest
from kvorum.rest.observer import BATCH_ROUTE, TXN_ROUTE
from kvorum.rest.options import RestOptions
from kvorum.rest.plain_request import PlainRequest
from kvorum.rest.txn_answers import CARRIED_OUT, batch_answer, refused_answer, txn_answer
from kvorum.rest.txn_requests import TxnRequest, parse_batch, parse_txn, txn_bytes_max


class DirectTxn(DirectRequest[Outcome]):
    """What it reads is looked up when it is answered, all in one go."""

    __slots__ = ("_wanted",)

    route = TXN_ROUTE

    def __init__(self, wanted: TxnRequest) -> None:
        self.method = "POST"
        self._wanted = wanted

    def _ask(self, service: KvService) -> None:
        wanted = self._wanted
        service.txn_for(self, self.request_id, wanted.compares, wanted.then, wanted.orelse)

    def answer(self, service: KvService) -> Answer:
        outcome, wanted = self.result, self._wanted
        assert outcome is not None, "it is asked for when there is one"
        if outcome.status not in CARRIED_OUT:
            return refused_answer(outcome, service.store_info(), self.context(service))
        results: Sequence[TxnOpResult] | None
        try:
            results = service.txn_result(outcome, wanted.then, wanted.orelse).results
        except Compacted:
            results = None
        return txn_answer(outcome, results, service.leadership())


class DirectBatch(DirectRequest[Outcome]):
    __slots__ = ("_writes",)

    route = BATCH_ROUTE

    def __init__(self, writes: tuple[WriteOp, ...]) -> None:
        self.method = "POST"
        self._writes = writes

    def _ask(self, service: KvService) -> None:
        service.txn_for(self, self.request_id, (), self._writes, ())

    def answer(self, service: KvService) -> Answer:
        outcome = self.result
        assert outcome is not None, "it is asked for when there is one"
        if outcome.status is not Status.SUCCESS:
            return refused_answer(outcome, service.store_info(), self.context(service))
        return batch_answer(outcome, service.leadership())


class DirectTxns:
    """Reads them; None for what is left to the general way, and raises for what is wrong."""

    def __init__(self, options: RestOptions) -> None:
        self._options = options
        self._bytes_max = txn_bytes_max(options)

    def read(self, plain: PlainRequest) -> DirectRequest[Outcome] | None:
        if len(plain.body) > self._bytes_max:
            return None
        wanted = parse_txn(plain.body, self._options)
        light = is_light(wanted.then) and is_light(wanted.orelse)
        return DirectTxn(wanted) if light else None

    def read_batch(self, plain: PlainRequest) -> DirectRequest[Outcome] | None:
        if len(plain.body) > self._bytes_max:
            return None
        return DirectBatch(parse_batch(plain.body, self._options))
