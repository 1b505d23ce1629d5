"""Counts the calls of the gRPC server, around the handlers: nothing per message of a stream."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any, TypeAlias

import grpc
from grpc import aio

from kvorum.transport.observer import CallObserver

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # no generic type at run time
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]]
Behaviour = Callable[[Any, Any], Any]


class CallCounter(aio.ServerInterceptor):
    """Wraps every handler; ``observer`` hears when a call begins and ends, and how."""

    def __init__(self, observer: CallObserver) -> None:
        self._observer = observer

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        handler = await continuation(details)
        if handler is None:
            self._observer.unknown()
            return None
        method = details.method.removeprefix("/")
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._timed(method, handler.unary_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return self._streaming(method, handler)

    def _streaming(self, method: str, handler: Any) -> Handler:
        made, behaviour = grpc.stream_stream_rpc_method_handler, handler.stream_stream
        if handler.unary_stream is not None:
            made, behaviour = grpc.unary_stream_rpc_method_handler, handler.unary_stream
        assert behaviour is not None, "the server has no calls that stream requests only"
        generates = inspect.isasyncgenfunction(behaviour)
        wrap = self._open_generator if generates else self._open_coroutine
        return made(
            wrap(method, behaviour), handler.request_deserializer, handler.response_serializer
        )

    def _timed(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def timed(request: Any, context: Any) -> Any:
            began_s, ending = perf_counter(), _Ending(context)
            try:
                with ending:
                    return await behaviour(request, context)
            finally:
                self._observer.answered(method, ending.code, perf_counter() - began_s)

        return timed

    def _open_coroutine(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def opened(request: Any, context: Any) -> None:
            ending = _Ending(context)
            self._observer.opened(method)
            try:
                with ending:
                    await behaviour(request, context)
            finally:
                self._observer.closed(method, ending.code)

        return opened

    def _open_generator(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def opened(request: Any, context: Any) -> AsyncIterator[Any]:
            ending = _Ending(context)
            self._observer.opened(method)
            try:
                with ending:
                    async for response in behaviour(request, context):
                        yield response
            finally:
                self._observer.closed(method, ending.code)

        return opened


class _Ending:
    """How a call ended: by itself, by ``abort``, by its caller, or by a bug."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.code = grpc.StatusCode.OK.name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        told = self._context.code()  # as it was set, else 0
        if told:
            code = told if isinstance(told, grpc.StatusCode) else _CODES.get(told)
            self.code = (code or grpc.StatusCode.UNKNOWN).name
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.code = grpc.StatusCode.CANCELLED.name
        elif error is not None:
            self.code = grpc.StatusCode.UNKNOWN.name
