"""The language of scenario scripts; tests/scenarios/README.md describes it."""

from collections.abc import Callable, Sequence
from itertools import takewhile

from kvorum.raft.membership import AddLearner, Change, Promote, Remove, Replace, address_of
from kvorum.raft.messages import Message
from kvorum.raft.types import Entry, HardState, NodeId, Term
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import log_of, options
from tests.support.raft_network import Selector
from tests.support.raft_trace import Trace, describe, kind_of, summary

SEPARATOR = "----"


class ScriptError(Exception):
    """A script says something that cannot be done."""


def commands_of(script: str) -> list[list[str]]:
    """The words of each command; ``;`` and line ends separate commands, ``#`` comments."""
    lines = (line.split("#", 1)[0] for line in script.splitlines())
    commands = (command.split() for line in lines for command in line.split(";"))
    return [words for words in commands if words]


def run(script: str) -> str:
    """Play a script; its trace ends with one line about each node."""
    words, *rest = commands_of(script)
    if words[0] != "nodes":
        raise ScriptError("a script begins with: nodes <number> [limit=<number> …]")
    trace = Trace()
    limits = {name: int(value) for name, value in (word.split("=") for word in words[2:])}
    past = list(takewhile(lambda command: command[0] == "past", rest))
    disks = dict(map(_past, past))
    cluster = Cluster(int(words[1]), base=options(**limits), disks=disks, observer=trace)
    player = Player(cluster, trace)
    for command in rest[len(past) :]:
        player.play(command)
    player.play(["show"])
    return "\n".join(trace.lines) + "\n"


class Player:
    def __init__(self, cluster: Cluster, trace: Trace) -> None:
        self.cluster = cluster
        self.trace = trace

    def play(self, words: list[str]) -> None:
        self.trace.command(" ".join(words))
        name, *rest = words
        for table in (self._time(), self._nodes(), self._changes(), self._network()):
            if name in table:
                table[name](rest)
                return
        raise ScriptError(f"unknown command: {name}")

    def _time(self) -> dict[str, Callable[[list[str]], None]]:
        return {
            "tick": self._tick,
            "timeout": lambda rest: self.cluster.timeout(int(rest[0])),
            "quiet": lambda _rest: self.cluster.quiet(),
            "settle": lambda _rest: self.cluster.settle(),
            "spread": lambda _rest: self.cluster.spread(),
        }

    def _nodes(self) -> dict[str, Callable[[list[str]], None]]:
        cluster = self.cluster
        return {
            "propose": self._propose,
            "read": lambda rest: _discard(cluster.read_index(int(rest[0]))),
            "crash": lambda rest: cluster.crash(int(rest[0])),
            "restart": lambda rest: cluster.restart(int(rest[0])),
            "slow-disk": lambda rest: cluster.slow_disk(int(rest[0])),
            "fast-disk": lambda rest: cluster.fast_disk(int(rest[0])),
            "sync": self._sync,
            "show": self._show,
        }

    def _changes(self) -> dict[str, Callable[[list[str]], None]]:
        cluster = self.cluster
        return {
            "add": lambda rest: self._change(rest[0], AddLearner(rest[1])),
            "promote": lambda rest: self._change(rest[0], Promote(self._member(rest))),
            "remove": lambda rest: self._change(rest[0], Remove(self._member(rest))),
            "replace": lambda rest: self._change(rest[0], Replace(self._member(rest))),
            "join": lambda rest: _discard(cluster.join(int(rest[0]))),
            "snapshot": self._snapshot,
            "slow-load": lambda rest: cluster.slow_load(int(rest[0])),
            "load": self._load,
            "transfer": self._transfer,
            "unable": lambda rest: cluster.set_able(int(rest[0]), able=False),
            "able": lambda rest: cluster.set_able(int(rest[0]), able=True),
        }

    def _change(self, number: str, change: Change) -> None:
        _discard(self.cluster.change(int(number), change))

    def _member(self, rest: list[str]) -> NodeId:
        """Who is meant by the second number: as the node named first sees it, if it does."""
        node = self.cluster[int(rest[0])].running.membership.at_address(rest[1])
        return node or NodeId(rest[1])

    def _snapshot(self, rest: list[str]) -> None:
        """``snapshot 1 keep=2``: two entries that it covers stay in the log."""
        keep = int(rest[1].removeprefix("keep=")) if len(rest) > 1 else 0
        if not self.cluster.snapshot(int(rest[0]), keep):
            raise ScriptError(f"snapshot {rest[0]}: nothing new is applied")

    def _load(self, rest: list[str]) -> None:
        if not self.cluster.load(int(rest[0])):
            raise ScriptError(f"load {rest[0]}: no snapshot is complete")

    def _transfer(self, rest: list[str]) -> None:
        refusal = self.cluster.transfer(int(rest[0]), int(rest[1]) if len(rest) > 1 else None)
        if refusal:
            self.trace.lines.append(f"refused: {refusal}")

    def _network(self) -> dict[str, Callable[[list[str]], None]]:
        cluster, net = self.cluster, self.cluster.net
        return {
            "partition": lambda rest: net.partition(*map(_group, rest)),
            "isolate": lambda rest: net.isolate(int(rest[0])),
            "cut": self._cut,
            "heal": lambda _rest: net.heal(),
            "hold": lambda rest: net.hold(selector(rest)),
            "release": lambda _rest: net.release(),
            "drop": lambda rest: _discard(net.drop(selector(rest))),
            "duplicate": lambda rest: net.duplicate(selector(rest)),
            "deliver": lambda rest: _discard(cluster.deliver(selector(rest))),
            "under-way": self._under_way,
        }

    def _tick(self, rest: list[str]) -> None:
        """``tick 3`` for everyone, ``tick 3 1,2`` for some."""
        self.cluster.tick(*(_group(rest[1]) if len(rest) > 1 else ()), count=int(rest[0]))

    def _propose(self, rest: list[str]) -> None:
        for data in rest[1:]:
            self.cluster.propose(int(rest[0]), data.encode())

    def _sync(self, rest: list[str]) -> None:
        if not self.cluster.sync(int(rest[0])):
            raise ScriptError(f"sync {rest[0]}: nothing is being written")

    def _cut(self, rest: list[str]) -> None:
        sender, receiver = _link(rest[0])
        self.cluster.net.cut(int(sender), int(receiver))

    def _show(self, _rest: list[str]) -> None:
        self.trace.lines += map(summary, self.cluster.members.values())

    def _under_way(self, _rest: list[str]) -> None:
        self.trace.lines += map(describe, self.cluster.net.queue)


def _past(words: list[str]) -> tuple[int, tuple[HardState, Sequence[Entry]]]:
    """``past 1 term=3 log=1,2,2``: what the disk of a node holds at the start."""
    facts = dict(word.split("=") for word in words[2:])
    entries = log_of(*_group(facts["log"])) if "log" in facts else ()
    return int(words[1]), (HardState(Term(int(facts["term"]))), entries)


def _discard(_result: object) -> None:
    """A script does not use results: the trace shows them."""


def _group(word: str) -> list[int]:
    return [int(number) for number in word.split(",")]


def _link(word: str) -> tuple[NodeId, NodeId]:
    sender, receiver = word.replace("->", "→").split("→")
    return NodeId(sender), NodeId(receiver)


def selector(words: Sequence[str]) -> Selector:
    """Messages that fit every word: a kind (``Ack``), a link (``1→2``, ``1→``) or ``all``."""
    tests = [_word_selector(word) for word in words if word != "all"]
    if not words:
        raise ScriptError("say which messages: a kind, a link such as 1→2, or all")
    return lambda message: all(test(message) for test in tests)


def _word_selector(word: str) -> Selector:
    if "→" not in word and "->" not in word:
        return lambda message: kind_of(message) == word
    sender, receiver = _link(word)

    def fits(message: Message) -> bool:
        return sender in ("", address_of(message.sender)) and receiver in (
            "",
            address_of(message.to),
        )

    return fits
