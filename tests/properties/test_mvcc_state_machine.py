"""The state machine against a model that is too simple to be wrong."""

from hypothesis import given
from hypothesis import strategies as st

from kvorum.mvcc.command import (
    UNSTAMPED,
    Command,
    CompareAndSet,
    Delete,
    Introduce,
    Put,
    Stamp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import Record

# Texts with the value that they mean.
MEANING = {b"1": 1, b"1.0": 1, b"true": 2, b'{"a":1}': 3, b'{"a": 1e0}': 3, b'"x"': 4}

IDS = st.integers(0, 30).map("r{}".format)
KEYS = st.sampled_from([b"a", b"b", b"c/d"])
TEXTS = st.sampled_from(list(MEANING))
COMMANDS = st.one_of(
    st.builds(Put, IDS, KEYS, TEXTS),
    st.builds(CompareAndSet, IDS, KEYS, TEXTS, TEXTS),
    st.builds(Delete, IDS, KEYS),
    st.builds(Introduce, IDS, st.sampled_from("ab"), st.sampled_from("uv"), st.sampled_from("nm")),
)
STAMPS = st.one_of(
    st.just(UNSTAMPED),
    st.builds(Stamp, st.integers(0, 20).map((500).__mul__), st.integers(0, 12), st.integers(0, 4)),
)
LOGS = st.lists(st.tuples(STAMPS, st.lists(COMMANDS, max_size=8)), max_size=12)


class Model:
    """Plain dicts and lists; nothing is optimised, everything is recomputed."""

    def __init__(self) -> None:
        self.records: dict[bytes, Record] = {}
        self.outcomes: list[Outcome] = []
        self.members: dict[str, tuple[str, str]] = {}
        self.revision = 0
        self.now_ms = 0

    def apply(self, stamp: Stamp, commands: list[Command]) -> list[Outcome]:
        self.now_ms = max(self.now_ms, stamp.time_ms)
        results = [self.once(command) for command in commands]
        if stamp != UNSTAMPED:
            born_min_ms = self.now_ms - 1000 * stamp.outcomes_age_s_max
            young = [outcome for outcome in self.outcomes if outcome.time_ms >= born_min_ms]
            self.outcomes = young[max(0, len(young) - stamp.outcomes_count_max) :]
        return results

    def once(self, command: Command) -> Outcome:
        for outcome in self.outcomes:
            if outcome.request_id == command.request_id:
                return outcome
        status, message = self.execute(command)
        outcome = Outcome(command.request_id, status, message, self.revision, self.now_ms)
        self.outcomes.append(outcome)
        return outcome

    def execute(self, command: Command) -> tuple[Status, str]:
        if isinstance(command, Introduce):
            return self.introduce(command)
        old = self.records.get(command.key)
        if old is None and not isinstance(command, Put):
            return Status.KEY_NOT_FOUND, f'key "{command.key.decode()}" doesn\'t exist'
        if isinstance(command, CompareAndSet) and not self.matches(command):
            return Status.VALUE_MISMATCH, "old value does not match"
        self.revision += 1
        if isinstance(command, Delete):
            del self.records[command.key]
        elif old is None:
            self.records[command.key] = Record(command.value, self.revision, self.revision, 1)
        else:
            self.records[command.key] = Record(
                command.value, old.create_revision, self.revision, old.version + 1
            )
        return Status.SUCCESS, "success"

    def introduce(self, command: Introduce) -> tuple[Status, str]:
        uid, _name = self.members.get(command.member, (command.uid, ""))
        if uid != command.uid:
            return Status.CONFLICT, "this member is known with another uid"
        self.members[command.member] = (command.uid, command.name)
        return Status.SUCCESS, "success"

    def matches(self, command: CompareAndSet) -> bool:
        return MEANING[self.records[command.key].value] == MEANING[command.expected]


def batch(stamp: Stamp, commands: list[Command]) -> bytes:
    return encode_batch([encode_command(command) for command in commands], stamp)


@given(LOGS)
def test_agrees_with_the_model(log: list[tuple[Stamp, list[Command]]]) -> None:
    machine, model = StateMachine(), Model()
    for index, (stamp, commands) in enumerate(log, start=1):
        assert machine.apply(index, batch(stamp, commands)) == model.apply(stamp, commands)
        assert dict(machine._store) == model.records
        assert [outcome for outcome, _index in machine._outcomes] == model.outcomes
        assert {o.request_id: o for o in model.outcomes} == machine._outcomes._by_id
        assert {m: (i.uid, i.name) for m, i in machine.members.items()} == model.members
        assert machine.revision == model.revision
        assert machine.size_bytes == sum(len(k) + len(r.value) for k, r in model.records.items())
        assert (machine.key_count, machine.outcome_count) == (
            len(model.records),
            len(model.outcomes),
        )


@given(LOGS, st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_retry_of_a_whole_entry_changes_only_retention(
    log: list[tuple[Stamp, list[Command]]], twice: list[bool]
) -> None:
    """A proposal that was appended twice, under limits that forget nothing."""
    once, repeated, index = StateMachine(), StateMachine(), 0
    for number, (stamp, commands) in enumerate(log, start=1):
        data = batch(Stamp(stamp.time_ms + 1, 10_000, 10_000), commands)
        first = once.apply(number, data)
        for _ in range(1 + twice[number - 1]):
            index += 1
            assert repeated.apply(index, data) == first
    assert dict(repeated._store) == dict(once._store)
    assert repeated._outcomes._by_id == once._outcomes._by_id
    assert repeated.revision == once.revision
