"""`kvorum lease` against a real node."""

import json
import re
import signal

import pytest

from tests.support.command_line import CommandLine, ended, line_of


@pytest.fixture
def lease(own: str) -> str:
    return own.rstrip("/")


def test_from_its_beginning_to_its_end(kvorum: CommandLine, own: str, lease: str) -> None:
    assert kvorum("lease", "grant", "5m", "--id", lease).out == (
        f"lease {lease} lasts 300 s from now\n"
    )
    kvorum("put", own, "1", "--lease", lease)
    heading, row, key = kvorum("lease", "show", lease).lines
    assert heading.split() == ["ID", "TTL", "REMAINING", "KEYS"]
    assert (row.split()[:3], row.split()[-1]) == ([lease, "300", "s"], "1")
    assert key == f"  {own}"
    assert kvorum("lease", "show", lease, "-o", "raw").lines == [own]
    shown = kvorum("lease", "show", lease, "-o", "json").json
    assert (shown["id"], shown["ttlSeconds"], shown["keys"]) == (lease, 300, [own])
    assert lease in kvorum("lease", "list", "-o", "raw").lines
    assert re.search(rf"^{lease} +300 s", kvorum("lease", "list").out, re.MULTILINE)
    assert lease in [one["id"] for one in kvorum("lease", "list", "-o", "json").json_lines]
    assert kvorum("lease", "keepalive", lease).out.startswith(f"lease {lease} lasts ")
    assert kvorum("lease", "revoke", lease).out == f"lease {lease} has ended; 1 key went with it\n"
    kvorum("get", own, code=3)


def test_the_node_makes_an_id(kvorum: CommandLine) -> None:
    made = kvorum("lease", "grant", "60s", "-o", "raw").out.strip()
    assert kvorum("lease", "revoke", made, "-o", "json").json == {"id": made, "deleted": 0}
    assert kvorum("lease", "grant", "60s", "-o", "json").json["ttlSeconds"] == 60


@pytest.mark.parametrize("command", ["show", "keepalive", "revoke"])
def test_no_such_lease(kvorum: CommandLine, lease: str, command: str) -> None:
    assert lease in kvorum("lease", command, lease, code=3).err
    kvorum("put", "x", "1", "--lease", lease, code=3)


def test_wrong_times(kvorum: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    kvorum("lease", "grant", "500ms", code=1)
    with pytest.raises(SystemExit):
        kvorum("lease", "grant", "soon")
    assert "'soon' is no time" in capsys.readouterr().err


class TestForever:
    def test_renews_until_it_is_asked_to_end(self, kvorum: CommandLine, lease: str) -> None:
        kvorum("lease", "grant", "1s", "--id", lease)
        words = ("lease", "keepalive", lease, "--forever", "--revoke", "-o", "json")
        with kvorum.started(*words) as keeping:
            for _ in range(2):
                assert json.loads(line_of(keeping))["id"] == lease
            kvorum("lease", "grant", "1h", "--id", lease, code=4)
            keeping.send_signal(signal.SIGTERM)
            assert ended(keeping)[0] == 143
        kvorum("lease", "show", lease, code=3)

    def test_says_that_the_lease_has_ended(self, kvorum: CommandLine, lease: str) -> None:
        kvorum("lease", "grant", "1s", "--id", lease)
        with kvorum.started("lease", "keepalive", lease, "--forever") as keeping:
            assert line_of(keeping)
            kvorum("lease", "revoke", lease)
            code, _, err = ended(keeping)
        assert code == 3
        assert lease in err
