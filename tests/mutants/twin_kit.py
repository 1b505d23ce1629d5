"""Random commands for the real state machine and for its plain twin, and a restart now and then."""

from random import Random

from kvorum.errors import Compacted
from kvorum.mvcc.command import (
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    DeleteOp,
    Field,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Relation,
    Stamp,
    Txn,
    WriteOp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.query import prefix_range
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.types import Entry, EntryKind, Index, Term
from kvorum.testing.history import WrongAnswer
from kvorum.testing.oracle import Oracle, check_state
from kvorum.testing.plain_store import Kept

ENTRIES = 40
KEYS = (b"a", b"b", b"c", b"d", b"e")
LEASES = ("l1", "l2", "l3")
EVERYTHING = prefix_range(b"")


def compare(seed: int) -> None:
    """Outcomes, states, the past and the events are those of the twin, at every entry."""
    random = Random(seed)
    quota_bytes, revisions_max = random.choice((0, 700, 1200)), random.choice((1000, 5, 12))
    machine, log = StateMachine(), list[Entry]()
    oracle, time_ms = Oracle(log), 0
    for number in range(1, ENTRIES + 1):
        time_ms += random.choice((-30, 0, 10, 400, 700))
        stamp = Stamp(max(0, time_ms), 1000, 1000, revisions_max, 3, 4000, quota_bytes)
        commands = [command(random, f"{number}-{n}") for n in range(random.randint(0, 4))]
        data = encode_batch([encode_command(each) for each in commands], stamp)
        log.append(Entry(Term(1), Index(number), EntryKind.COMMANDS, data))
        outcomes = machine.apply(number, data)
        oracle = Oracle(log)
        for outcome in outcomes:
            expected = oracle.results.get(outcome.request_id)
            found = (outcome.status, outcome.revision)
            if expected is not None and found != (expected.status, expected.revision):
                raise WrongAnswer(f"{outcome}, but the twin says {expected}")
        check_state(oracle, machine, "the machine")
        if random.random() < 0.2:
            machine = restarted(machine)
            check_state(oracle, machine, "the machine that was restarted")
    _check_past(oracle, machine)


def restarted(machine: StateMachine) -> StateMachine:
    """Out of what a snapshot holds."""
    frozen, restore = machine.freeze(), Restore()
    for block in frozen.blocks():
        restore.add(block)
    frozen.close()
    return restore.finish()


def _check_past(oracle: Oracle, machine: StateMachine) -> None:
    """All that is not forgotten can be read, and the rest cannot."""
    store = oracle.store
    for revision in range(max(1, store.compacted), store.revision + 1):
        page = machine.range(EVERYTHING, revision=revision, limit=100, bytes_max=1 << 30)
        found = {
            key: Kept(r.value, r.create_revision, r.mod_revision, r.version, r.lease)
            for key, r in page.items
        }
        if found != store.at(revision):
            raise WrongAnswer(f"revision {revision} is {found}, not {store.at(revision)}")
    events: dict[int, dict[bytes, bytes | None]] = {}
    for event in machine.events(store.compacted, 1 << 30):
        made = events.setdefault(event.revision, {})
        made[event.key] = event.record.value if event.record else None
    for revision, changes in enumerate(store.events, 1):
        expected = {key: kept.value if kept else None for key, kept in changes.items()}
        if revision > store.compacted and events.get(revision) != expected:
            raise WrongAnswer(f"events of {revision}: {events.get(revision)}, not {expected}")
    if store.compacted > 1:
        try:
            machine.get_at(b"a", store.compacted - 1)
        except Compacted:
            return
        raise WrongAnswer("what is compacted can be read")


def command(random: Random, request_id: str) -> Command:
    """Any that a client may send."""
    kind, key, lease = random.randrange(10), random.choice(KEYS), random.choice(LEASES)
    if kind < 4:
        return key_command(random, request_id, key)
    if kind < 6:
        compares = tuple(comparison(random) for _ in range(random.randrange(3)))
        return Txn(request_id, compares, branch(random), branch(random))
    if kind == 6:
        return Compact(request_id, random.randrange(60))
    grant = LeaseGrant(request_id, lease, random.choice((1000, 1500)))
    keep, revoke = LeaseKeepAlive(request_id, lease), LeaseRevoke(request_id, lease)
    return random.choice((grant, keep, revoke))


def key_command(random: Random, request_id: str, key: bytes) -> Command:
    """Of one key."""
    put = put_op(random, key)
    return random.choice(
        (
            Put(request_id, key, put.value, lease=put.lease, ttl_ms=put.ttl_ms),
            Put(request_id, key, put.value, lease=put.lease, ttl_ms=put.ttl_ms),
            CompareAndSet(request_id, key, value(random), value(random)),
            Delete(request_id, key),
        )
    )


def value(random: Random) -> bytes:
    return random.choice((b"1", b"2", b'"a longer one"'))


def put_op(random: Random, key: bytes) -> PutOp:
    kind = random.randrange(3)
    lease, ttl_ms = random.choice(LEASES) if kind == 1 else "", 1000 if kind == 2 else 0
    return PutOp(key, value(random), lease, ttl_ms)


def branch(random: Random) -> tuple[WriteOp, ...]:
    keys = random.sample(KEYS[:4], random.randrange(3))
    ops: list[WriteOp] = [
        put_op(random, key) if random.random() < 0.7 else DeleteOp(key) for key in keys
    ]
    if random.random() < 0.3:
        ops.append(DeleteOp(b"e", b"", limit=random.randrange(2)))
    return tuple(ops)


def comparison(random: Random) -> Compare:
    field = random.choice((Field.VALUE, Field.VERSION, Field.CREATE_REVISION, Field.MOD_REVISION))
    relations = (Relation.EQUAL, Relation.NOT_EQUAL)
    if field is Field.VALUE:
        return Compare(random.choice(KEYS), field, random.choice(relations), value(random))
    relation, end = random.choice(tuple(Relation)), random.choice((None, None, b"d", b""))
    return Compare(random.choice(KEYS), field, relation, random.randrange(20), end)
