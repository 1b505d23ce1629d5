"""Peers over gRPC: the ``Peers`` port of the node, and the server that peers call.

Every node dials every peer and sends all its messages for that peer on the one
stream it dialled; answers come back on the peer's own stream. A link is therefore
one-way, and either direction may fail or recover alone.

What this package promises to the node: messages between two nodes arrive in the
order they were sent, at most once, or not at all. It never buffers for a peer that
is away (Raft repeats what matters; stale traffic only delays the recovery), never
blocks the sender, and never ends because of what a peer does.

Only ``codec`` and the two gRPC ends (``link``, ``server``) see protobuf or gRPC
types; ``tools/generate_proto.py`` writes ``pb`` from ``proto/raft.proto``.
"""
