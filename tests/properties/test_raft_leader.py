"""A leader against a model: whatever is answered, in whatever order, it counts right.

Followers may claim anything here; the model keeps the best claim of each and commits
what a majority stores, if it is of the leader's own term (§3.6.2).
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from kvorum.raft.core import Core
from kvorum.raft.messages import AppendEntries, AppendResponse, Message
from kvorum.raft.progress import ProgressState
from kvorum.raft.ready import Save
from kvorum.raft.types import EntryId, Index, Role, Term, Ticket
from tests.support.raft_cores import ack, eid, log_of, make_leader, node_id, refusal

TERM = 5
INFLIGHT_MAX = 3
LOGS = st.lists(st.integers(1, TERM - 1), max_size=8).map(sorted)
PEERS = st.integers(2, 5)
INDEXES = st.integers(0, 25)
CONFLICTS = st.builds(eid, st.integers(0, TERM), st.integers(1, 25))
ANSWERS = st.one_of(
    st.builds(lambda peer, match: ack(peer, term=TERM, match=match), PEERS, INDEXES),
    st.builds(
        lambda peer, rejected, conflict: refusal(
            peer, term=TERM, rejected=rejected, conflict=conflict
        ),
        PEERS,
        INDEXES,
        CONFLICTS,
    ),
)
STEPS = st.lists(
    st.one_of(ANSWERS, st.sampled_from(["propose", "ready", "sync", "tick"])), max_size=60
)


class Model:
    def __init__(self, terms: list[int]) -> None:
        self.terms = terms
        self.claims = dict.fromkeys((node_id(n) for n in range(2, 6)), 0)
        self.stable = len(terms)
        self.commit = 0

    def hear(self, response: AppendResponse) -> None:
        if response.success and response.match <= len(self.terms):
            self.claims[response.sender] = max(self.claims[response.sender], response.match)
        self.count()

    def count(self) -> None:
        stored = [self.stable, *self.claims.values()]
        for index, term in enumerate(self.terms, 1):
            if term == TERM and sum(have >= index for have in stored) * 2 > len(stored):
                self.commit = max(self.commit, index)


class Run:
    """Plays steps on a leader of five and on the model, and compares them."""

    def __init__(self, terms: list[int]) -> None:
        self.core: Core = make_leader(
            voters=5,
            term=TERM,
            log=log_of(*terms),
            append_bytes_max=30,
            inflight_appends_max=INFLIGHT_MAX,
        )
        self.model = Model([*terms, TERM])
        self.save: Save | None = None

    def play(self, step: Message | str) -> None:
        if isinstance(step, AppendResponse):
            self.core.step(step)
            self.model.hear(step)
        elif step == "propose":
            self.core.propose(Ticket(0), b"0123456789")
            self.model.terms.append(TERM)
        elif step == "tick" and self.core.state.election_elapsed < 19:
            self.core.tick()  # but never as far as CheckQuorum
        elif step == "ready":
            self._ready()
        elif step == "sync" and self.save is not None:
            self.core.advance(self.save)
            if self.save.entries:
                self.model.stable = self.save.entries[-1].index
            self.save = None
            self.model.count()
        self._compare()

    def _ready(self) -> None:
        ready = self.core.ready()
        self.save = self.save or ready.save
        for message in ready.messages:
            assert isinstance(message, AppendEntries)
            assert message.prev == self._id_at(message.prev.index)
            end = message.prev.index + len(message.entries)
            assert [e.index for e in message.entries] == list(
                range(message.prev.index + 1, end + 1)
            )
            assert [e.term for e in message.entries] == self.model.terms[message.prev.index : end]
            assert sum(len(e.data) for e in message.entries) <= 30
            assert message.commit == self.model.commit

    def _id_at(self, index: int) -> EntryId:
        return EntryId(Term(self.model.terms[index - 1] if index else 0), Index(index))

    def _compare(self) -> None:
        state = self.core.state
        assert state.role is Role.LEADER
        assert state.log.commit == self.model.commit
        assert state.log.last_index == len(self.model.terms)
        for peer, progress in state.progress.items():
            assert progress.match == self.model.claims[peer], "a match comes from acks alone"
            assert progress.match < progress.next <= len(self.model.terms) + 1
            assert progress.inflight <= INFLIGHT_MAX
            assert progress.state is ProgressState.REPLICATE or not progress.inflight


@settings(max_examples=200)
@given(LOGS, STEPS)
def test_a_leader_counts_like_the_model(terms: list[int], steps: list[Message | str]) -> None:
    run = Run(terms)
    for step in steps:
        run.play(step)
