"""`kvorum import` and `export` against a real node: there and back, failures, interruptions."""

import json
import signal
import stat
from pathlib import Path

import pytest

from kvorum.cli.data.import_state import SUFFIX
from tests.support.command_line import CommandLine, ended
from tests.support.wait import eventually


def keys(kvorum: CommandLine, prefix: str) -> dict[str, object]:
    """What stands under the prefix, without it."""
    found = kvorum("ls", prefix, "-o", "json").json_lines
    return {item["key"].removeprefix(prefix): item.get("value") for item in found}


FILES: dict[str, tuple[str, dict[str, object]]] = {
    "a.json": ('{"a": 1, "b": {"c": "d"}}', {"a": 1, "b": {"c": "d"}}),
    "a.jsonl": ('{"key": "a", "value": 1}\n{"key": "b", "value": null}\n', {"a": 1, "b": None}),
    ".env": ("A=1\nexport B='x y'\n", {"A": "1", "B": "x y"}),
}
UNREADABLE = {
    "a.json": (b'{"a": 1,\n', "line 2: expected a key in quotes"),
    "a.jsonl": (b'{"key": "a", "value": 1}\n\xff\n', "it is not UTF-8"),
}


class TestImport:
    @pytest.mark.parametrize("file", FILES)
    def test_formats(self, kvorum: CommandLine, own: str, tmp_path: Path, file: str) -> None:
        text, expected = FILES[file]
        path = tmp_path / file
        path.write_text(text)
        ran = kvorum("import", str(path), "--prefix", own)
        assert (ran.out, ran.err) == (f"imported 2 keys from {path}\n", "")
        assert keys(kvorum, own) == expected
        assert [one.name for one in tmp_path.iterdir()] == [file]

    def test_the_format_can_be_named(self, kvorum: CommandLine, own: str) -> None:
        kvorum("import", "-", "--format", "env", "--prefix", own, stdin=b"A=1\n")
        assert keys(kvorum, own) == {"A": "1"}

    def test_a_byte_order_mark_is_no_part_of_it(self, kvorum: CommandLine, own: str) -> None:
        kvorum("import", "-", "--format", "json", "--prefix", own, stdin=b'\xef\xbb\xbf{"a": 1}')
        assert keys(kvorum, own) == {"a": 1}

    def test_what_fails_does_not_keep_the_others(self, kvorum: CommandLine, own: str) -> None:
        lines = [
            {"key": "a", "value": 1},
            "nope",
            {"key": "k" * 3000, "value": 1},
            {"key": "b", "value": 2},
            {"key": "v", "value": "v" * 2_000_000},
            {"key": "c", "value": 3},
        ]
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        ran = kvorum("import", "-", "--prefix", own, stdin=text.encode(), code=1)
        assert keys(kvorum, own) == {"a": 1, "b": 2, "c": 3}
        assert ran.out == "imported 3 keys from -; 3 failed\n"
        told = {line.split()[2]: line for line in ran.err.splitlines()}
        assert sorted(told) == ["2:", "3:", "5:"]
        assert max(map(len, ran.err.splitlines())) < 300
        as_json = kvorum("import", "-", "--prefix", own, "-o", "json", stdin=text.encode(), code=1)
        assert sorted(failure["line"] for failure in as_json.json["failures"]) == [2, 3, 5]
        assert all(json.loads(line)["error"] for line in as_json.err.splitlines())

    @pytest.mark.parametrize(
        "key", ["_locks/a/b", "_elections/a/b", ""], ids=["lock", "election", "empty"]
    )
    def test_keys_that_make_no_sense(self, kvorum: CommandLine, key: str) -> None:
        line = json.dumps({"key": key, "value": 1}).encode()
        assert "line 1: " in kvorum("import", "-", stdin=line, code=1).err

    def test_a_dry_run_changes_nothing(self, nobody: CommandLine, tmp_path: Path) -> None:
        path = tmp_path / "a.env"
        path.write_text("A=1\nwhat is this\n")
        ran = nobody("import", str(path), "--dry-run", code=1)
        assert ran.out == f"would import 1 key from {path}; 1 failed\n"
        assert ran.err == "kvorum: line 2: this is no NAME=value: what is this\n"

    @pytest.mark.parametrize("file", UNREADABLE)
    def test_a_file_that_cannot_be_read_to_its_end_is_not_begun(
        self, kvorum: CommandLine, own: str, tmp_path: Path, file: str
    ) -> None:
        raw, words = UNREADABLE[file]
        path = tmp_path / file
        path.write_bytes(raw)
        ran = kvorum("import", str(path), "--prefix", own, code=1)
        assert words in ran.err
        assert keys(kvorum, own) == {}

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["/nowhere"], 1),
            (["/tmp"], 1),
            (["-", "--batch", "513"], 2),
            (["-", "--parallel", "65"], 2),
        ],
    )
    def test_wrong_usage(self, kvorum: CommandLine, words: list[str], code: int) -> None:
        kvorum("import", *words, code=code)

    def test_the_last_of_a_key_stays(self, kvorum: CommandLine, own: str) -> None:
        lines = [json.dumps({"key": f"{at % 7}", "value": at}) for at in range(400)]
        text = "\n".join(lines).encode()
        kvorum("import", "-", "--prefix", own, "--batch", "3", "--parallel", "8", stdin=text)
        assert keys(kvorum, own) == {f"{at % 7}": at for at in range(393, 400)}


class TestInterruptedImport:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "many.jsonl"
        lines = [json.dumps({"key": f"{at:05}", "value": at}) for at in range(5000)]
        path.write_text("nope\n" + "\n".join(lines))
        return path

    def interrupted(self, kvorum: CommandLine, own: str, path: Path) -> int:
        """How many it says it has done."""
        words = ("import", str(path), "--prefix", own, "--batch", "1", "--parallel", "1")
        with kvorum.started(*words) as process:
            eventually("it has begun", lambda: kvorum("ls", own, "--count").out != "0\n")
            process.send_signal(signal.SIGINT)
            code, out, err = ended(process)
        assert (code, out) == (130, "")
        told = err.splitlines()[-1]
        assert told.startswith("kvorum: stopped; the same command goes on after the first ")
        return int(told.split()[-2])

    def test_goes_on_where_it_stopped(self, kvorum: CommandLine, own: str, path: Path) -> None:
        done = self.interrupted(kvorum, own, path)
        assert 0 < done < 5000
        first = kvorum("get", own + "00000", "-o", "json").json["version"]
        ran = kvorum("import", str(path), "--prefix", own, code=1)
        assert ran.err.splitlines()[0] == f"kvorum: going on after the first {done} entries"
        assert ran.out == f"imported 5000 keys from {path}; 1 failed\n"
        assert kvorum("ls", own, "--count").out == "5000\n"
        assert kvorum("get", own + "00000", "-o", "json").json["version"] == first
        assert not path.with_name(path.name + SUFFIX).exists()

    def test_another_file_is_not_taken_for_it(
        self, kvorum: CommandLine, own: str, path: Path
    ) -> None:
        self.interrupted(kvorum, own, path)
        other = kvorum("import", str(path), "--prefix", own + "x", code=1)
        assert "of another prefix or format. --again imports from the start" in other.err
        path.write_text('{"key": "a", "value": 1}')
        changed = kvorum("import", str(path), "--prefix", own, code=1)
        assert "of another file. --again imports from the start" in changed.err
        kvorum("import", str(path), "--prefix", own, "--again")
        assert not path.with_name(path.name + SUFFIX).exists()

    def test_a_state_that_is_damaged(self, kvorum: CommandLine, own: str, path: Path) -> None:
        path.with_name(path.name + SUFFIX).write_text("{")
        assert "--again" in kvorum("import", str(path), "--prefix", own, code=1).err


class TestExport:
    @pytest.fixture
    def filled(self, kvorum: CommandLine, own: str) -> str:
        kvorum("put", own + "A", "1.50")
        kvorum("put", own + "B", "two\nlines 'quoted' \\")
        kvorum("put", own + "leased", "1", "--ttl", "1h")
        return own

    @pytest.mark.parametrize("file", ["a.json", "a.jsonl", "a.env"])
    def test_there_and_back(
        self, kvorum: CommandLine, filled: str, tmp_path: Path, file: str
    ) -> None:
        path = tmp_path / file
        ran = kvorum("export", str(path), "--prefix", filled, "--strip")
        revision = ran.out.split()[5]
        assert ran.out == (
            f"exported 2 keys at revision {revision} to {path}; 1 on leases left out\n"
        )
        again = filled.replace("/", "-")
        kvorum("import", str(path), "--prefix", again)
        number = "1.50" if file.endswith("env") else 1.5
        assert keys(kvorum, again) == {"A": number, "B": "two\nlines 'quoted' \\"}

    def test_to_standard_output(self, kvorum: CommandLine, filled: str) -> None:
        ran = kvorum("export", "--prefix", filled, "--leased")
        assert ran.lines[0] == f'{{"key":"{filled}A","value":1.50}}'
        assert len(ran.json_lines) == 3
        assert ran.err.startswith("exported 3 keys at revision ")

    def test_bytes(self, kvorum: CommandLine, own: str, tmp_path: Path) -> None:
        kvorum("put", own, "-", "--content-type", "image/png", stdin=b"\xff\x00")
        assert kvorum("export", "--prefix", own).json == {
            "key": own,
            "valueBase64": "/wA=",
            "contentType": "image/png",
        }
        refused = kvorum("export", str(tmp_path / "a.json"), "--prefix", own, code=1)
        assert "it holds bytes of image/png. Take jsonl" in refused.err
        assert list(tmp_path.iterdir()) == []

    def test_the_past(self, kvorum: CommandLine, filled: str) -> None:
        revision = kvorum("del", filled + "A", "-o", "raw").out.strip()
        kvorum("del", filled + "B")
        ran = kvorum("export", "--prefix", filled, "--revision", revision)
        assert [item["key"] for item in ran.json_lines] == [filled + "B"]

    def test_claims_are_left_out(self, kvorum: CommandLine, own: str) -> None:
        name = own.rstrip("/")
        kvorum("lease", "grant", "1h", "--id", name)
        kvorum("put", f"_locks/{name}/{name}", "1", "--lease", name)
        ran = kvorum("export", "--prefix", f"_locks/{name}/", "--leased", "-o", "json")
        assert json.loads(ran.err) | {"revision": 0} == {
            "exported": 0,
            "leftOut": 1,
            "revision": 0,
        }

    def test_nothing(self, kvorum: CommandLine, own: str, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        kvorum("export", str(path), "--prefix", own)
        assert json.loads(path.read_text()) == {}

    def test_the_file_is_replaced_whole_or_not_at_all(
        self, kvorum: CommandLine, filled: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.env"
        path.write_text("OLD=1\n")
        path.chmod(0o640)
        kvorum("put", filled + "not a name", "1")
        kvorum("export", str(path), "--prefix", filled, "--strip", code=1)
        assert path.read_text() == "OLD=1\n"
        kvorum("del", filled + "not a name")
        kvorum("export", str(path), "--prefix", filled, "--strip")
        assert path.read_text().startswith("A=1.50\n")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert [one.name for one in tmp_path.iterdir()] == ["a.env"]

    def test_a_link_stays_a_link(self, kvorum: CommandLine, filled: str, tmp_path: Path) -> None:
        target, link = tmp_path / "b.jsonl", tmp_path / "a.jsonl"
        target.write_text("old")
        link.symlink_to(target)
        kvorum("export", str(link), "--prefix", filled)
        assert link.is_symlink()
        assert target.read_text().startswith("{")

    def test_what_is_no_file_is_written_to(self, kvorum: CommandLine, filled: str) -> None:
        kvorum("export", "/dev/null", "--prefix", filled)
        assert Path("/dev/null").is_char_device()

    def test_no_such_directory(self, kvorum: CommandLine, own: str) -> None:
        assert kvorum("export", "/nowhere/a.json", "--prefix", own, code=1).err == (
            "kvorum: /nowhere/a.json cannot be written: No such file or directory\n"
        )

    def test_strip_needs_a_prefix(self, kvorum: CommandLine) -> None:
        kvorum("export", "--strip", code=2)
