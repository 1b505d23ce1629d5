"""What this node knows of other nodes' data directories.

A node that is virgin itself knows nobody's data directory and judges none; nor does one that
has yet to apply what it knows to be decided.
"""

from kvorum.raft.types import NodeId
from kvorum.transport.identity import Registrar, generation
from kvorum.transport.standing import Standing


class Disks:
    """By what the node knows at this moment."""

    def __init__(self, standing: Standing, registrar: Registrar) -> None:
        self._standing = standing
        self._registrar = registrar

    def may_judge(self, member: NodeId, uid: str) -> bool:
        """Whether this node can tell an empty data directory from one that was lost.

        Not while another introduction of ``member`` is undecided: let in meanwhile, the empty
        directory would get entries, belong to nobody once that is decided, and be empty no more.
        """
        registrar = self._registrar
        if registrar.is_virgin():
            return True
        if not (self._standing.is_told and registrar.is_caught_up()):
            return False
        return all(each == uid for each in registrar.undecided_uids(member))

    def is_other(self, member: NodeId, uid: str) -> bool:
        """``member`` introduced itself with another data directory than ``uid``."""
        registrar = self._registrar
        return registrar.uid_of(member) not in (None, uid) and not registrar.is_virgin()

    def is_vacant(self, member: NodeId) -> bool:
        """Whether an empty data directory at its address may take this id.

        It has to be decided, as it may vanish otherwise, and a learner's that nobody
        introduced himself with: a voter would forget what it voted.
        """
        standing, registrar = self._standing, self._registrar
        return (
            generation(member) > 0
            and member in standing.members
            and standing.is_decided(member)
            and registrar.is_learner(member)
            and registrar.uid_of(member) is None
            and self.may_judge(member, "")
        )
