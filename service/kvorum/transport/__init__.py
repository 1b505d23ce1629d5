"""Peers over gRPC: the ``Peers`` port of the node, and the server that peers and clients call.

Every node dials every peer and sends all its messages for that peer on the one
stream it dialled; answers come back on the peer's own stream. A link is therefore
one-way, and either direction may fail or recover alone.

What this package promises to the node: messages between two nodes arrive in the
order they were sent (bytes of a snapshot may be overtaken), at most once, or not at
all, and only from whoever may speak for the member that they name. It never buffers for a peer that
is away (Raft repeats what matters; stale traffic only delays the recovery), never
blocks the sender, and never ends because of what a peer does.

Who that is, ``handshake`` decides: by the node's configuration, by the membership
(``standing``), and by the data directories that introduced themselves in the log
(``disks``, ``admission``). What it learns about the node itself (that it was given another id, or
removed) and about others (that a disk is lost) it tells (``consequences``) the node, an
:class:`~kvorum.transport.identity.Registrar`.

Clients get their watches on the same port (``watch_service``); no rule for peers applies to
them.

Only ``encoding``, ``decoding`` and the codecs see protobuf types, only the two ends (``link``,
and ``server`` with ``reception``, ``unary`` and ``watch_service``) see gRPC;
``tools/generate_proto.py`` writes ``pb`` from ``proto/*.proto``.
"""
