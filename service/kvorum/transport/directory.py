"""Who is who: peer address ↔ SELF_ID, as learned from handshakes."""


class Directory:
    """One id per address and one address per id; remembered until the process ends.

    An id never moves to another address, because two nodes that share an id cannot
    be told apart by people reading ``leaderId``. An address never changes its id: a
    new id means a new data directory, and such a node has forgotten its promises.
    """

    def __init__(self, self_address: str, self_id: str) -> None:
        self._ids = {self_address: self_id}
        self._addresses = {self_id: self_address}

    def id_of(self, address: str) -> str | None:
        """SELF_ID of the node at ``address``; None if it was never met."""
        return self._ids.get(address)

    def address_of(self, node_id: str) -> str | None:
        """Address of the node that uses ``node_id``; None if nobody does."""
        return self._addresses.get(node_id)

    def learn(self, address: str, node_id: str) -> None:
        """Record a completed handshake."""
        owner = self._addresses.get(node_id)
        assert owner in (None, address), "the handshake refuses an id in use elsewhere"
        assert self.id_of(address) in (None, node_id), "and a new id under an old address"
        self._ids[address] = node_id
        self._addresses[node_id] = address
