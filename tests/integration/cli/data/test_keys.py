"""`kvorum get`, `put`, `del`, `cas`, `ls`, `compact` against a real node."""

import json
import time
from pathlib import Path

import pytest

from kvorum.cli.data.session import TIMEOUT_S
from tests.integration.app.one_node import OneNode
from tests.support.command_line import CommandLine


def told(text: str) -> tuple[str, int]:
    """Kind and exit code of an error with -o json."""
    fields = json.loads(text)
    assert fields["error"]
    return fields["kind"], fields["exitCode"]


class TestPutAndGet:
    @pytest.mark.parametrize(
        ("word", "kept", "shown"),
        [
            ("hello", b'"hello"', "hello\n"),
            ("5", b"5", "5\n"),
            ("-1", b"-1", "-1\n"),
            ("01234", b'"01234"', "01234\n"),
            ('{"a":  1.50}', b'{"a":  1.50}', '{"a":  1.50}\n'),
            ("true", b"true", "true\n"),
            ("", b'""', "\n"),
            ("NaN", b'"NaN"', "NaN\n"),
            ("zwölf", '"zwölf"'.encode(), "zwölf\n"),
        ],
    )
    def test_json_or_else_a_text(
        self, kvorum: CommandLine, own: str, word: str, kept: bytes, shown: str
    ) -> None:
        kvorum("put", own, word)
        assert kvorum("get", own, "-o", "raw").raw == kept
        assert kvorum("get", own).out == shown

    def test_a_text_whatever_it_looks_like(self, kvorum: CommandLine, own: str) -> None:
        kvorum("put", own, "5", "--string")
        assert kvorum("get", own, "-o", "raw").raw == b'"5"'

    @pytest.mark.parametrize("word", ['{"a":', "[1, "])
    def test_a_text_that_was_meant_to_be_json(
        self, kvorum: CommandLine, own: str, word: str
    ) -> None:
        assert "begins like JSON, but is none" in kvorum("put", own + "a", word).err
        assert kvorum("put", own + "a", word, "--string").err == ""
        assert kvorum("put", own + "a", '{"a": 1}').err == ""

    def test_refusals_in_words_of_the_command_line(
        self, kvorum: CommandLine, own: str, tmp_path: Path
    ) -> None:
        large = tmp_path / "large"
        large.write_bytes(bytes((3 << 19) + 1))
        ran = kvorum("put", own + "a", "--file", str(large), code=1)
        assert ran.err.startswith("kvorum: the value has 1572865 bytes; ")
        ran = kvorum("put", own + "a", "1", "--ttl", "100ms", code=1)
        assert ran.err.startswith("kvorum: the time to live must be 1 to ")
        assert "the store's own" in kvorum("put", "_executed", "1", code=1).err

    def test_json_and_nothing_else(self, kvorum: CommandLine, own: str) -> None:
        ran = kvorum("put", own, "hello", "--json", code=2)
        assert "the value is not JSON" in ran.err

    def test_bytes_from_a_file(self, kvorum: CommandLine, own: str, tmp_path: Path) -> None:
        file = tmp_path / "logo"
        file.write_bytes(b"\x89PNG\xff\x00")
        kvorum("put", own, "--file", str(file), "--content-type", "image/png")
        assert kvorum("get", own).raw == kvorum("get", own, "-o", "raw").raw == b"\x89PNG\xff\x00"
        assert kvorum("get", own, "-o", "json").json["contentType"] == "image/png"
        assert "(6 bytes of image/png)" in kvorum("get", own, "-o", "table").lines[1]

    @pytest.mark.parametrize(
        ("options", "kept", "content_type"),
        [
            ([], b'{"a": 1}', "application/octet-stream"),
            (["--json"], b'{"a": 1}', None),
            (["--content-type", "application/json"], b'{"a": 1}', None),
            (["--string"], b'"{\\"a\\": 1}"', None),
        ],
    )
    def test_standard_input(
        self,
        kvorum: CommandLine,
        own: str,
        options: list[str],
        kept: bytes,
        content_type: str | None,
    ) -> None:
        kvorum("put", own, "-", *options, stdin=b'{"a": 1}')
        assert kvorum("get", own, "-o", "raw").raw == kept
        assert kvorum("get", own, "-o", "json").json.get("contentType") == content_type

    def test_a_word_as_bytes(self, kvorum: CommandLine, own: str) -> None:
        kvorum("put", own, "--raw", "\udcff5")
        assert kvorum("get", own, "-o", "raw").raw == b"\xff5"

    def test_a_word_that_is_no_unicode(self, kvorum: CommandLine, own: str) -> None:
        assert "give it by --raw or --file" in kvorum("put", own, "\udcff", code=2).err
        assert "not Unicode" in kvorum("get", "\udcff", code=None).err

    @pytest.mark.parametrize(
        "words", [[], ["a", "--file", "b"], ["-", "--content-type", "a/b", "--json"]]
    )
    def test_one_value(self, kvorum: CommandLine, own: str, words: list[str]) -> None:
        kvorum("put", own, *words, code=2)

    def test_a_file_that_is_not_there(self, kvorum: CommandLine, own: str) -> None:
        ran = kvorum("put", own, "--file", "/nowhere", code=1)
        assert ran.err == "kvorum: /nowhere cannot be read: No such file or directory\n"

    def test_json_has_the_revisions(self, kvorum: CommandLine, own: str) -> None:
        first = kvorum("put", own, "1", "-o", "json").json
        second = kvorum("put", own, "2", "-o", "json", "--previous").json
        assert second["revision"] == first["revision"] + 1
        assert second["previous"]["value"] == 1
        assert kvorum("get", own, "-o", "json").json == {
            "key": own,
            "value": 2,
            "createRevision": first["revision"],
            "modRevision": second["revision"],
            "version": 2,
        }

    def test_what_was_before(self, kvorum: CommandLine, own: str) -> None:
        assert kvorum("put", own, "1", "--previous").lines[1] == "before: no such key"
        assert kvorum("put", own, "2", "--previous").lines[1] == "before: 1"

    def test_the_past(self, kvorum: CommandLine, own: str) -> None:
        first = kvorum("put", own, "1", "-o", "raw").out.strip()
        kvorum("put", own, "2")
        assert kvorum("get", own, "--revision", first, "--stale").out == "1\n"

    def test_no_such_key(self, kvorum: CommandLine, own: str) -> None:
        assert kvorum("get", own, code=3).err == f"kvorum: there is no key {own}\n"
        ran = kvorum("-o", "json", "get", own, code=3)
        assert (ran.out, told(ran.err)) == ("", ("not-found", 3))

    def test_conditions(self, kvorum: CommandLine, own: str) -> None:
        revision = kvorum("put", own, "1", "--if-absent", "-o", "raw").out.strip()
        taken = kvorum("put", own, "2", "--if-absent", code=4)
        assert taken.err == (
            f"kvorum: not done: the key exists, and was last changed at revision {revision}\n"
        )
        kvorum("put", own, "2", "--if-revision", revision)
        stale = kvorum("put", own, "3", "--if-revision", revision, "-o", "json", code=4)
        assert told(stale.err) == ("precondition-failed", 4)
        gone = kvorum("put", own + "x", "3", "--if-revision", revision, code=4)
        assert gone.err == "kvorum: not done: there is no such key\n"

    def test_a_time_to_live(self, kvorum: CommandLine, own: str) -> None:
        kvorum("put", own, "--ttl", "1h", "1")
        assert kvorum("get", own, "-o", "json").json["lease"].startswith("ttl-")


class TestCas:
    def test_only_what_is_expected(self, kvorum: CommandLine, own: str) -> None:
        assert kvorum("cas", own, "1", "2", code=3).err == f"kvorum: there is no key {own}\n"
        kvorum("put", own, "1")
        kvorum("cas", own, "1", "2")
        assert kvorum("cas", own, "1", "2", code=4).err == f"kvorum: {own} holds another value\n"
        assert kvorum("get", own).out == "2\n"

    def test_texts(self, kvorum: CommandLine, own: str) -> None:
        kvorum("put", own, "--string", "1")
        kvorum("cas", own, "1", "2", code=4)
        kvorum("cas", own, "1", "2", "--string")
        assert kvorum("get", own, "-o", "raw").raw == b'"2"'


class TestDelete:
    def test_each_key_by_itself(self, kvorum: CommandLine, own: str) -> None:
        for name in "ac":
            kvorum("put", own + name, "1")
        ran = kvorum("del", own + "a", own + "b", own + "c", code=3)
        assert [line.split(" at ")[0] for line in ran.lines] == [
            f"deleted {own}a",
            f"deleted {own}c",
        ]
        assert ran.err == f"kvorum: there is no key {own}b\n"

    def test_a_range(self, kvorum: CommandLine, own: str) -> None:
        for name in "abc":
            kvorum("put", own + name, "1")
        assert kvorum("del", "--start", own + "a", "--end", own + "c", "-o", "raw").out == "2\n"
        assert kvorum("del", "--prefix", own, "-o", "json").json["deleted"] == 1
        assert kvorum("del", "--prefix", own).out.startswith("deleted 0 keys at revision ")

    def test_a_condition(self, kvorum: CommandLine, own: str) -> None:
        revision = kvorum("put", own, "1", "-o", "raw").out.strip()
        kvorum("del", own, "--if-revision", "1", code=4)
        ran = kvorum("del", own, "--if-revision", revision, "--previous")
        assert ran.lines[1] == "before: 1"

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["a", "--all"],
            ["a", "--prefix", "b"],
            ["--all", "--prefix", "b"],
            ["a", "b", "--if-revision", "3"],
            ["--prefix", "b", "--previous"],
        ],
    )
    def test_what_to_delete_is_said_clearly(self, kvorum: CommandLine, words: list[str]) -> None:
        kvorum("del", *words, code=2)

    def test_an_empty_prefix_does_not_mean_everything(self, kvorum: CommandLine, own: str) -> None:
        kvorum("put", own, "1")
        ran = kvorum("del", "--prefix", "", code=2)
        assert ran.err == "kvorum: that would delete every key: say --all if it is meant\n"
        kvorum("get", own)


class TestList:
    @pytest.fixture
    def five(self, kvorum: CommandLine, own: str) -> str:
        for name in "abcde":
            kvorum("put", own + name, f'{{"{name}": 1}}')
        return own

    def test_a_table(self, kvorum: CommandLine, five: str) -> None:
        heading, *rows = kvorum("ls", five).lines
        assert heading.split() == ["KEY", "VERSION", "CREATED", "CHANGED", "LEASE", "VALUE"]
        assert [row.split(maxsplit=5)[::5] for row in rows] == [
            [five + name, f'{{"{name}": 1}}'] for name in "abcde"
        ]

    def test_json_lines(self, kvorum: CommandLine, five: str) -> None:
        found = kvorum("ls", five, "-o", "json", "--reverse", "--limit", "2").json_lines
        assert [(item["key"], item["value"]) for item in found] == [
            (five + "e", {"e": 1}),
            (five + "d", {"d": 1}),
        ]

    @pytest.mark.parametrize("option", [["--keys-only"], ["-o", "raw"]])
    def test_keys_alone(self, kvorum: CommandLine, five: str, option: list[str]) -> None:
        assert kvorum("ls", "--start", five + "b", "--end", five + "d", *option).lines == [
            five + "b",
            five + "c",
        ]

    def test_a_prefix_as_of_other_commands(self, kvorum: CommandLine, five: str) -> None:
        named = kvorum("ls", "--prefix", five, "--keys-only")
        assert named.lines == kvorum("ls", five, "--keys-only").lines
        assert "one PREFIX" in kvorum("ls", five, "--prefix", five, code=2).err

    def test_keys_alone_as_json(self, kvorum: CommandLine, five: str) -> None:
        first = kvorum("ls", five, "--keys-only", "-o", "json").json_lines[0]
        assert (first["key"], "value" in first, first["version"]) == (five + "a", False, 1)

    def test_a_count(self, kvorum: CommandLine, five: str) -> None:
        assert kvorum("ls", five, "--count").out == "5\n"
        assert kvorum("ls", five, "--count", "-o", "json").json == {"count": 5}

    def test_the_past(self, kvorum: CommandLine, five: str) -> None:
        revision = kvorum("del", five + "a", "-o", "raw").out.strip()
        kvorum("del", "--prefix", five)
        assert kvorum("ls", five, "--revision", revision, "--count").out == "4\n"
        assert len(kvorum("ls", five, "--revision", revision, "--keys-only").lines) == 4

    def test_nothing(self, kvorum: CommandLine, own: str) -> None:
        assert kvorum("ls", own).out == ""

    def test_more_than_a_page_stays_in_columns(self, kvorum: CommandLine, own: str) -> None:
        keys = [f"{number:04}" + "x" * (number == 700) for number in range(1200)]
        lines = "".join(f'{{"key": "{key}", "value": 1}}\n' for key in keys)
        kvorum("import", "-", "--prefix", own, stdin=lines.encode())
        shown = kvorum("ls", own).lines
        assert len(shown) == 1201
        assert len(kvorum("ls", own, "--limit", "1100", "--keys-only").lines) == 1100
        assert len({line.rindex(" ") for line in shown[1:501]}) == 1
        assert len({line.rindex(" ") for line in shown[1001:]}) == 1

    def test_a_prefix_or_a_range(self, kvorum: CommandLine) -> None:
        kvorum("ls", "a", "--start", "b", code=2)

    def test_control_characters_are_shown_as_escapes(self, kvorum: CommandLine, own: str) -> None:
        kvorum("put", own + "\x1b[31m", "-", stdin=b"\x1b[0m\n")
        row = kvorum("ls", own).lines[1]
        assert row.startswith(own + "\\x1b[31m")
        assert row.endswith("\\x1b[0m\\n")


class TestPastRevisions:
    def test_compaction(self, kvorum: CommandLine, own: str) -> None:
        first = kvorum("put", own, "1", "-o", "raw").out.strip()
        second = kvorum("put", own, "2", "-o", "raw").out.strip()
        assert kvorum("compact", second).out == f"history begins at revision {second} now\n"
        ran = kvorum("get", own, "--revision", first, "-o", "json", code=1)
        assert told(ran.err) == ("compacted", 1)
        assert f'"oldestRevision":{second}' in ran.err
        kvorum("put", own, "3")
        kept = kvorum("compact", "--keep", "1", "-o", "json").json["compactedRevision"]
        assert kept >= int(second)

    def test_the_future(self, kvorum: CommandLine, own: str) -> None:
        kvorum("put", own, "1")
        assert "is still to come" in kvorum("get", own, "--revision", "999999999", code=1).err


class TestNobodyThere:
    @pytest.mark.parametrize(
        "words",
        [
            ["get", "a"],
            ["put", "a", "1"],
            ["ls"],
            ["watch", "a"],
            ["lock", "a", "--", "true"],
            ["elect", "a"],
            ["lease", "list"],
            ["export"],
        ],
    )
    def test_is_said_in_two_lines(self, nobody: CommandLine, words: list[str]) -> None:
        ran = nobody(*words, "--timeout", "200ms", code=5)
        first, second = ran.err.splitlines()
        assert "cannot be reached" in first
        assert (
            second == "  Is a node running there? Name others with --endpoint or KVORUM_ENDPOINT."
        )

    def test_is_said_soon(self, nobody: CommandLine) -> None:
        begun_s = time.monotonic()
        ran = nobody("get", "a", code=5)
        assert ran.err.startswith("kvorum: gave up after ")
        assert time.monotonic() - begun_s < TIMEOUT_S

    def test_another_port_of_a_node_is_recognised(self, node: OneNode) -> None:
        peers = CommandLine(f"http://{node.environ['SELF_ADDRESS']}")
        ran = peers("put", "a", "1", "--timeout", "200ms", code=5)
        assert "this is no REST port" in ran.err
        assert "Nothing was applied" in ran.err

    def test_another_endpoint_serves(
        self, kvorum: CommandLine, own: str, unused_endpoint: str
    ) -> None:
        both = f"{unused_endpoint},{kvorum.environ['KVORUM_ENDPOINT']}"
        kvorum("put", own, "1", "--endpoint", both)
        assert kvorum("--endpoint", both, "get", own).out == "1\n"
