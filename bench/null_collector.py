"""A collector of traces that throws everything away; prints its endpoint. Ends with its parent."""

from concurrent.futures import ThreadPoolExecutor

import grpc

_EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService"


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        lambda _request, _context: b""  # raw bytes
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_EXPORT, {"Export": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"http://127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
