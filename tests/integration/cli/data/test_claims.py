"""`kvorum lock` and `kvorum elect`, as processes that compete."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, ended, line_of
from tests.support.wait import eventually

SAY_ENVIRONMENT = (
    "import os; print(*(os.environ['KVORUM_LOCK_' + name] for name in ('NAME', 'TOKEN', 'LEASE')))"
)
STUBBORN = """
import signal, sys, threading
never = threading.Event()
def told(number, _frame):
    print("got", number, flush=True)
    sys.exit(9)
signal.signal(signal.SIGTERM, told)
signal.signal(signal.SIGUSR1, told)
signal.signal(signal.SIGINT, told)
print("runs", flush=True)
never.wait()
"""


@pytest.fixture
def name(own: str) -> str:
    """A slash in it is part of the name."""
    return own + "x"


def python(program: str) -> Sequence[str]:
    return ("--", sys.executable, "-c", program)


def holder_of(kvorum: CommandLine, kind: str, name: str) -> str | None:
    """The lease that holds it."""
    prefix = f"_{kind}/{name.replace('/', '%2F')}/"
    found = kvorum("ls", prefix, "-o", "json").json_lines
    return found[0]["lease"] if found else None


class TestLock:
    def test_around_a_command(self, kvorum: CommandLine, name: str) -> None:
        with kvorum.started("lock", name, *python(SAY_ENVIRONMENT)) as lock:
            code, out, err = ended(lock)
        assert (code, err) == (0, "")
        told, token, lease = out.split()
        assert (told, int(token) > 0, bool(lease)) == (name, True, True)
        assert holder_of(kvorum, "locks", name) is None

    def test_exits_as_the_command(self, kvorum: CommandLine, name: str) -> None:
        for program, code in [
            ("raise SystemExit(7)", 7),
            ("import os; os.kill(os.getpid(), 9)", 137),
        ]:
            with kvorum.started("lock", name, *python(program)) as lock:
                assert ended(lock)[0] == code

    @pytest.mark.parametrize(("command", "code"), [("/nowhere/at/all", 127), ("/tmp", 126)])
    def test_a_command_that_cannot_run(
        self, kvorum: CommandLine, name: str, command: str, code: int
    ) -> None:
        ran = kvorum("lock", name, "--", command, code=code)
        assert ran.err.startswith(f"kvorum: {command}: ")
        assert holder_of(kvorum, "locks", name) is None

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
    def test_signals_reach_the_command(
        self, kvorum: CommandLine, name: str, number: signal.Signals
    ) -> None:
        with kvorum.started("lock", name, *python(STUBBORN)) as lock:
            assert line_of(lock) == "runs"
            lock.send_signal(number)
            assert line_of(lock) == f"got {int(number)}"
            assert ended(lock)[0] == 9

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_held_without_a_command(
        self, kvorum: CommandLine, name: str, number: signal.Signals, code: int
    ) -> None:
        with kvorum.started("lock", name, "-o", "json") as lock:
            told = json.loads(line_of(lock))
            assert (told["name"], told["lease"]) == (name, holder_of(kvorum, "locks", name))
            taken = kvorum("lock", name, "--no-wait", *python(""), code=4)
            assert told["lease"] in taken.err
            waited = kvorum("lock", name, "--wait", "100ms", *python(""), code=4)
            assert "is still held" in waited.err
            lock.send_signal(number)
            assert ended(lock) == (code, "", "")
        assert holder_of(kvorum, "locks", name) is None

    def test_who_holds_it(self, kvorum: CommandLine, name: str) -> None:
        assert f"nobody holds {name}" in kvorum("lock", name, "--show", code=3).err
        with kvorum.started("lock", name, "-o", "json") as process:
            held = json.loads(line_of(process))
            shown = kvorum("lock", name, "--show").out
            assert shown == f"held by lease {held['lease']} with token {held['token']}\n"
            told = kvorum("lock", name, "--show", "-o", "json").json
            assert told["holder"] == {"lease": held["lease"], "token": held["token"]}
        assert "takes no COMMAND" in kvorum("lock", name, "--show", "--", "true", code=2).err

    def test_tokens_grow_from_holder_to_holder(self, kvorum: CommandLine, name: str) -> None:
        tokens = []
        for _ in range(2):
            with kvorum.started("lock", name, "-o", "raw") as lock:
                tokens.append(int(line_of(lock)))
                lock.send_signal(signal.SIGINT)
                ended(lock)
        assert tokens[0] < tokens[1]

    def test_one_after_the_other(self, kvorum: CommandLine, name: str, tmp_path: Path) -> None:
        """Who waits is served when the holder is done."""
        log = tmp_path / "log"
        program = f"print('x', file=open({str(log)!r}, 'a'))"
        with kvorum.started("lock", name) as first:
            assert line_of(first)
            with kvorum.started("lock", name, *python(program)) as second:
                eventually(
                    "the second waits",
                    lambda: len(kvorum("ls", f"_locks/{name.replace('/', '%2F')}/").lines) == 3,
                )
                assert not log.exists()
                first.send_signal(signal.SIGINT)
                assert ended(second)[0] == 0
        assert log.read_text() == "x\n"

    def test_who_waits_and_is_ended_leaves_the_queue(self, kvorum: CommandLine, name: str) -> None:
        queue = f"_locks/{name.replace('/', '%2F')}/"
        with kvorum.started("lock", name) as first:
            assert line_of(first)
            with kvorum.started("lock", name, *python("")) as second:
                eventually("it waits", lambda: len(kvorum("ls", queue).lines) == 3)
                second.send_signal(signal.SIGTERM)
                assert ended(second) == (143, "", "")
            assert len(kvorum("ls", queue).lines) == 2


class TestLostLock:
    def lose(self, kvorum: CommandLine, name: str) -> None:
        lease = holder_of(kvorum, "locks", name)
        assert lease is not None
        kvorum("lease", "revoke", lease)

    def test_ends_the_command(self, kvorum: CommandLine, name: str) -> None:
        with kvorum.started("lock", name, "--ttl", "1s", *python(STUBBORN)) as lock:
            assert line_of(lock) == "runs"
            self.lose(kvorum, name)
            assert line_of(lock) == f"got {int(signal.SIGTERM)}"
            code, _, err = ended(lock)
        assert code == 1
        assert err.startswith(f"kvorum: the lock {name} is lost")

    def test_or_warns(self, kvorum: CommandLine, name: str) -> None:
        with kvorum.started(
            "lock", name, "--ttl", "1s", "--lost", "warn", *python(STUBBORN)
        ) as lock:
            assert line_of(lock) == "runs"
            self.lose(kvorum, name)
            assert lock.stderr is not None
            assert lock.stderr.readline().startswith(f"kvorum: the lock {name} is lost")
            lock.send_signal(signal.SIGUSR1)
            assert ended(lock)[0] == 9

    def test_without_a_command(self, kvorum: CommandLine, name: str) -> None:
        with kvorum.started("lock", name, "--ttl", "1s", "-o", "json") as lock:
            assert line_of(lock)
            self.lose(kvorum, name)
            code, _, err = ended(lock)
        assert code == 1
        assert "is lost" in json.loads(err)["error"]


class TestElection:
    def test_leads_and_resigns(self, kvorum: CommandLine, name: str) -> None:
        nobody = kvorum("elect", name, "--leader", code=3)
        assert nobody.err == f"kvorum: nobody leads {name}\n"
        with kvorum.started("elect", name, '{"at": "here"}', "-o", "json") as leader:
            told = json.loads(line_of(leader))
            assert (told["name"], told["value"]) == (name, {"at": "here"})
            assert kvorum("elect", name, "--leader").out == (
                f'{{"at":"here"}} leads with token {told["token"]}\n'
            )
            shown = kvorum("elect", name, "--leader", "-o", "json").json["leader"]
            assert (shown["lease"], shown["token"]) == (told["lease"], told["token"])
            leader.send_signal(signal.SIGINT)
            assert ended(leader) == (130, "", "")
        kvorum("elect", name, "--leader", code=3)

    def test_is_observed(self, kvorum: CommandLine, name: str) -> None:
        with kvorum.started("elect", name, "--observe", "-o", "json") as observer:
            assert json.loads(line_of(observer)) == {"leader": None}
            with kvorum.started("elect", name, "me", "-o", "raw") as leader:
                token = int(line_of(leader))
                told = json.loads(line_of(observer))["leader"]
                assert (told["value"], told["token"]) == ("me", token)
                leader.send_signal(signal.SIGTERM)
                assert ended(leader)[0] == 143
            assert json.loads(line_of(observer)) == {"leader": None}
            observer.send_signal(signal.SIGINT)
            assert ended(observer) == (130, "", "")

    def test_says_that_it_leads_no_more(self, kvorum: CommandLine, name: str) -> None:
        with kvorum.started("elect", name, "--ttl", "1s") as leader:
            assert f"leads {name} with token " in line_of(leader)
            lease = holder_of(kvorum, "elections", name)
            assert lease is not None
            kvorum("lease", "revoke", lease)
            code, _, err = ended(leader)
        assert (code, "does not lead" in err) == (1, True)

    def test_a_value_is_for_candidates(self, kvorum: CommandLine, name: str) -> None:
        kvorum("elect", name, "me", "--leader", code=2)
