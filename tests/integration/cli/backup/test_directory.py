"""`kvorum backup DIRECTORY`, of a real node."""

import json
import re
import time
from pathlib import Path

from tests.integration.app.one_node import OneNode
from tests.support.command_line import CommandLine

SHAPE = re.compile(r"kvorum-\d{8}T\d{6}Z-r\d+\.snapshot")


def old(place: Path, *names: str) -> list[Path]:
    paths = [place / name for name in names]
    for path in paths:
        path.write_text("old")
    return paths


def test_it_is_named_private_and_sound(kvorum: CommandLine, place: Path) -> None:
    told = kvorum("backup", str(place), "-o", "json").json
    (file,) = place.iterdir()
    assert SHAPE.fullmatch(file.name)
    assert (told["name"], told["location"]) == (file.name, str(file))
    assert file.name.endswith(f"-r{told['revision']}.snapshot")
    assert told["sizeBytes"] == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    assert (told["readBack"], told["warnings"], told["removed"]) == (True, [], [])
    looked = kvorum("snapshot", "status", str(file), "-o", "json").json
    assert (looked["revision"], looked["keys"]) == (told["revision"], told["keys"])


def test_words_for_people_and_the_place_for_scripts(kvorum: CommandLine, place: Path) -> None:
    ran = kvorum("backup", str(place), "--prefix", "night")
    (file,) = place.iterdir()
    assert ran.out.startswith(f"{file}: ")
    assert ran.out.endswith("; loaded, kept, read back\n")
    assert ran.err == ""
    assert file.name.startswith("night-")
    again = kvorum("backup", str(place), "--prefix", "again", "-o", "raw")
    assert Path(again.out.strip()).name.startswith("again-")


def test_the_record_that_metrics_read(kvorum: CommandLine, place: Path) -> None:
    before_s = int(time.time())
    told = kvorum("backup", str(place), "-o", "json").json
    record = json.loads(kvorum("get", "_backups/last").out)
    assert record == {
        "time": record["time"],
        "revision": told["revision"],
        "bytes": told["sizeBytes"],
        "name": told["name"],
    }
    assert before_s <= record["time"] <= time.time()


def test_the_newest_are_kept_and_nothing_else_is_touched(kvorum: CommandLine, place: Path) -> None:
    gone = old(
        place,
        "kvorum-20200101T000000Z-r1.snapshot",
        "kvorum-20200101T000000Z-r10.snapshot",
        "kvorum-20200101T000000Z.unfinished",
    )
    stays = old(
        place,
        "kvorum-20210101T000000Z-r2.snapshot",
        "kvorum-20300101T000000Z-r9.snapshot",  # of a machine whose clock was wrong
        "kvorum-test-20200101T000000Z-r1.snapshot",
        "other-20200101T000000Z-r1.snapshot",
        "kvorum-20200101T000000Z-r1.snapshot.gz",
        "kvorum-20201301T000000Z-r1.snapshot",
        "kvorum.snapshot",
    )
    told = kvorum("backup", str(place), "--keep", "3", "-o", "json").json
    assert [path for path in gone if path.exists()] == []
    assert [path for path in stays if not path.exists()] == []
    assert told["removed"] == [gone[0].name, gone[1].name]
    assert told["kept"] == 3


def test_all_are_kept_unless_told_otherwise(kvorum: CommandLine, place: Path) -> None:
    (former,) = old(place, "kvorum-20200101T000000Z-r1.snapshot")
    told = kvorum("backup", str(place), "-o", "json").json
    assert former.exists()
    assert told["kept"] is None


def test_one_that_cannot_be_removed_is_a_warning(kvorum: CommandLine, place: Path) -> None:
    stuck = place / "kvorum-20200101T000000Z-r1.snapshot"
    stuck.mkdir()  # not even root unlinks a directory
    old(place, "kvorum-20200102T000000Z-r1.snapshot")
    ran = kvorum("backup", str(place), "--keep", "1")
    assert ran.err == (
        "kvorum: the backup is good, but an older one stays: "
        f"{stuck} cannot be changed: Is a directory\n"
    )
    assert "removed kvorum-20200102T000000Z-r1.snapshot" in ran.out


def test_a_directory_that_is_missing(kvorum: CommandLine, place: Path) -> None:
    ran = kvorum("backup", f"{place}/none", code=1)
    assert ran.err.startswith(f"kvorum: {place}/none is no directory: make it, or mount what")


def test_a_record_that_cannot_be_written_is_a_warning(
    node: OneNode, place: Path, tmp_path: Path
) -> None:
    strict = OneNode(tmp_path)
    strict.environ["EXECUTED_COMMANDS_KEY"] = "_backups/last"
    try:
        strict.start()
        kvorum = CommandLine(f"http://{strict.environ['REST_ADDRESS']}")
        ran = kvorum("backup", str(place), "-o", "json")
    finally:
        strict.close()
    assert ran.json["recorded"] is False
    assert ran.err.startswith("kvorum: the backup is good, but _backups/last, which the metrics")
    assert len(list(place.iterdir())) == 1


def test_reading_back_is_not_optional_here(kvorum: CommandLine, place: Path) -> None:
    ran = kvorum("backup", str(place), "--no-read-back", code=2)
    assert "--no-read-back is for s3://" in ran.err
