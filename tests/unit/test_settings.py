"""Env file and environment in, frozen settings or a list of all problems out."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kvorum.errors import ConfigurationError
from kvorum.settings import Settings, describe_variables, load_settings, split_address

ROOT = Path(__file__).parents[2]
CONTRACT = {
    "EXECUTED_COMMANDS_KEY": "_executed",
    "SELF_ADDRESS": "localhost:8001",
    "SELF_ID": "Node-1",
    "OTHER_NODES": "localhost:8002,localhost:8003",
    "BROADCAST_TIME_MS": "100",
    "MIN_ELECTION_TIMEOUT_MS": "500",
    "MAX_ELECTION_TIMEOUT_MS": "700",
    "REST_ADDRESS": "localhost:8081",
}

WriteEnv = Callable[[str], Path]


@pytest.fixture
def write_env(tmp_path: Path) -> WriteEnv:
    def write(text: str) -> Path:
        path = tmp_path / "1.env"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def load(**changes: str) -> Settings:
    return load_settings(None, CONTRACT | changes)


def complaint(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**changes)
    return str(caught.value)


def file_complaint(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, CONTRACT)
    return str(caught.value)


class TestValues:
    @pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
    def test_shipped_files_hold_the_contract(self, number: int) -> None:
        settings = load_settings(ROOT / f"{number}.env", {})
        assert settings.self_id == f"Node-{number}"
        assert settings.self_address == f"localhost:800{number}"
        assert settings.rest_address == f"localhost:808{number}"
        assert settings.members == tuple(f"localhost:800{n}" for n in range(1, 6))
        assert settings.executed_commands_key == "_executed"
        assert settings.broadcast_time_ms == 100
        assert (settings.min_election_timeout_ms, settings.max_election_timeout_ms) == (500, 700)

    def test_shipped_files_set_the_eight_variables_and_nothing_else(self) -> None:
        text = (ROOT / "1.env").read_text(encoding="utf-8")
        assert re.findall(r"^(\w+)=", text, re.MULTILINE) == list(CONTRACT)

    def test_eight_variables_suffice(self) -> None:
        settings = load()
        assert settings.data_dir == Path("data/Node-1")
        assert settings.listen_address == "localhost:8001"
        assert settings.key_bytes_max == 1024
        assert settings.value_bytes_max == 1_572_864
        assert settings.pending_bytes_max == 64 << 20
        assert (settings.snapshot_entries, settings.snapshot_bytes) == (100_000, 64 << 20)
        assert (settings.snapshot_keep_entries, settings.state_check_interval_s) == (10_000, 10)
        assert (settings.log_level, settings.log_format) == ("info", "auto")

    def test_environment_wins_over_the_file(self, write_env: WriteEnv) -> None:
        path = write_env("SELF_ID=from-file\nLOG_LEVEL=debug\n")
        settings = load_settings(path, CONTRACT | {"SELF_ID": "from-environment"})
        assert (settings.self_id, settings.log_level) == ("from-environment", "debug")

    def test_foreign_variables_of_the_environment_are_ignored(self) -> None:
        assert load(HOME="/root", SELF_IDENTITY="x").self_id == "Node-1"

    def test_process_environment_is_not_read_behind_the_callers_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOG_LEVEL", "debug")
        assert load().log_level == "info"

    def test_comments_quotes_export_and_byte_order_mark(self, write_env: WriteEnv) -> None:
        path = write_env(
            "\ufeff# a node\n\nexport SELF_ID='Node-9'  # its name\nDATA_DIR=\"/var/my data\"\n"
        )
        others = {name: value for name, value in CONTRACT.items() if name != "SELF_ID"}
        settings = load_settings(path, others)
        assert (settings.self_id, settings.data_dir) == ("Node-9", Path("/var/my data"))

    def test_settings_are_frozen(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            load().self_id = "other"

    def test_own_address_among_the_others_is_left_out(self) -> None:
        """One list serves every pod of a StatefulSet."""
        settings = load(OTHER_NODES="localhost:8002, LOCALHOST:8001 ,localhost:8003")
        assert settings.other_nodes == ("localhost:8002", "localhost:8003")

    def test_members_are_the_same_on_every_node(self) -> None:
        one = load(SELF_ADDRESS="b:1", OTHER_NODES="c:1,a:1")
        other = load(SELF_ADDRESS="c:1", OTHER_NODES="a:1,b:1")
        assert one.members == other.members == ("a:1", "b:1", "c:1")

    def test_single_node_needs_no_others(self) -> None:
        settings = load(OTHER_NODES="")
        assert (settings.members, settings.warnings) == (("localhost:8001",), ())

    @pytest.mark.parametrize(("others", "warned"), [("a:1,b:1", 0), ("a:1,b:1,c:1", 1)])
    def test_even_cluster_is_a_warning_only(self, others: str, warned: int) -> None:
        assert len(load(OTHER_NODES=others).warnings) == warned


class TestSingleNode:
    """What a node is of whom nothing, or not everything, was said."""

    def test_nothing_at_all_is_a_node_alone_with_the_timing_of_the_examples(self) -> None:
        settings = load_settings(None, {}, name_in=lambda directory: f"in-{directory}")
        assert settings == load(SELF_ID="in-kvorum-data", OTHER_NODES="", DATA_DIR="kvorum-data")

    def test_its_data_are_beside_the_file(self, write_env: WriteEnv) -> None:
        path = write_env("LOG_LEVEL=debug\n")
        asked: list[Path] = []

        def name_in(directory: Path) -> str:
            asked.append(directory)
            return "here"

        settings = load_settings(path, {}, name_in=name_in)
        assert settings.data_dir == path.parent / "kvorum-data"
        assert asked == [settings.data_dir]
        settings = load_settings(path, {"DATA_DIR": "/var/lib/kvorum"}, name_in=name_in)
        assert asked[1:] == [settings.data_dir] == [Path("/var/lib/kvorum")]

    def test_a_name_that_was_given_is_not_asked_for(self) -> None:
        def name_in(directory: Path) -> str:
            raise AssertionError(f"asked for {directory}")

        assert load_settings(None, CONTRACT, name_in=name_in) == load()

    @pytest.mark.parametrize(
        ("given", "missing"),
        [
            ("OTHER_NODES", ("SELF_ADDRESS", "SELF_ID")),
            ("OTHER_NODES SELF_ID", ("SELF_ADDRESS",)),
            ("OTHER_NODES SELF_ADDRESS", ("SELF_ID",)),
            ("SELF_ADDRESS", ("OTHER_NODES",)),
            ("SELF_ID REST_ADDRESS", ("OTHER_NODES",)),
            ("SELF_ID SELF_ADDRESS BROADCAST_TIME_MS", ("OTHER_NODES",)),
        ],
    )
    def test_half_a_cluster_is_not_taken_for_a_node_alone(
        self, given: str, missing: tuple[str, ...]
    ) -> None:
        environ = {name: CONTRACT[name] for name in given.split()}
        with pytest.raises(ConfigurationError) as caught:
            load_settings(None, environ, name_in=lambda _: "host")
        assert [name for name in CONTRACT if f"  {name} is missing, but" in str(caught.value)] == [
            name for name in CONTRACT if name in missing
        ]
        assert f"{len(missing)} problem" in str(caught.value)

    def test_a_listening_address_speaks_of_a_cluster_too(self) -> None:
        with pytest.raises(ConfigurationError, match="OTHER_NODES is missing, but there is LIST"):
            load_settings(None, {"LISTEN_ADDRESS": "0.0.0.0:8001"}, name_in=lambda _: "host")

    @pytest.mark.parametrize("others", ["", " "])
    def test_no_others_may_be_said_in_so_many_words(self, others: str) -> None:
        environ = {"SELF_ADDRESS": "localhost:9001", "OTHER_NODES": others}
        settings = load_settings(None, environ, name_in=lambda _: "host")
        assert settings.members == ("localhost:9001",)


class TestProblems:
    def test_without_a_name_for_it_a_node_must_say_its_own(self) -> None:
        with pytest.raises(ConfigurationError, match="SELF_ID is missing") as caught:
            load_settings(None, {"OTHER_NODES": "a:1", "SELF_ADDRESS": "b:1"})
        assert "1 problem in" in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "value", "what"),
        [
            ("BROADCAST_TIME_MS", "soon", "'soon' is not a whole number"),
            ("BROADCAST_TIME_MS", "0", "0 is less than 1"),
            ("BROADCAST_TIME_MS", "", "'' is not a whole number"),
            ("KEY_BYTES_MAX", "65536", "65536 is greater than 65535"),
            ("LOG_LEVEL", "loud", "'loud' is not one of 'debug', 'info', 'warning' or 'error'"),
            ("SELF_ID", "a b", "'a b' is not 1 to 64 letters"),
            ("SELF_ID", "..", "'..' is not 1 to 64 letters"),
            ("SELF_ID", "x" * 65, "is not 1 to 64 letters"),
            ("SELF_ID", "", "'' is not 1 to 64 letters"),
            ("EXECUTED_COMMANDS_KEY", "", "is empty"),
            ("EXECUTED_COMMANDS_KEY", "я" * 513, "has 1026 bytes, more than KEY_BYTES_MAX, 1024"),
            ("DATA_DIR", "", "is empty"),
            ("SELF_ADDRESS", "localhost", "must end in a port"),
            ("SELF_ADDRESS", "0.0.0.0:8001", "cannot be reached from another node"),
            ("SELF_ADDRESS", "[::]:8001", "put the wildcard into LISTEN_ADDRESS"),
            ("OTHER_NODES", "a:1,,b:1", "an address is empty"),
            ("OTHER_NODES", "a:1,b:1,A:1", "a:1 is named more than once"),
            ("REST_ADDRESS", "localhost:8001", "is taken by SELF_ADDRESS"),
            ("REST_ADDRESS", "0.0.0.0:8001", "is taken by SELF_ADDRESS"),
            ("REST_ADDRESS", "localhost:70000", "1 to 65535"),
            ("PENDING_BYTES_MAX", "1000", "is less than the largest write"),
            ("SNAPSHOT_ENTRIES", "0", "0 is less than 1"),
            ("SNAPSHOT_BYTES", "64M", "'64M' is not a whole number"),
            ("SNAPSHOT_KEEP_ENTRIES", "-1", "-1 is less than 0"),
            ("STATE_CHECK_INTERVAL_S", "-1", "-1 is less than 0"),
        ],
    )
    def test_wrong_value_is_explained(self, name: str, value: str, what: str) -> None:
        text = complaint(**{name: value})
        assert "1 problem in" in text
        assert name in text
        assert what in text

    def test_listen_address_may_not_be_the_rest_address(self) -> None:
        text = complaint(LISTEN_ADDRESS="0.0.0.0:8081")
        assert "REST_ADDRESS localhost:8081 is taken by LISTEN_ADDRESS" in text

    def test_election_timeouts_in_the_wrong_order(self) -> None:
        text = complaint(MIN_ELECTION_TIMEOUT_MS="800")
        assert "800 is not less than MAX_ELECTION_TIMEOUT_MS, 700" in text

    def test_election_timeout_too_near_to_the_broadcast_time(self) -> None:
        text = complaint(BROADCAST_TIME_MS="251")
        assert "500 is less than twice BROADCAST_TIME_MS, 251" in text
        assert "1255 to 2510" in text

    def test_comparisons_survive_an_unrelated_problem(self) -> None:
        text = complaint(SELF_ID="", LOG_LEVEL="loud", MIN_ELECTION_TIMEOUT_MS="800")
        assert "3 problems" in text

    def test_a_wrong_variable_is_not_blamed_twice(self) -> None:
        assert "1 problem in" in complaint(MAX_ELECTION_TIMEOUT_MS="x")


class TestFile:
    def test_missing_file(self, tmp_path: Path) -> None:
        text = file_complaint(tmp_path / "6.env")
        assert "6.env" in text
        assert "does not exist" in text

    def test_directory_instead_of_a_file(self, tmp_path: Path) -> None:
        assert "cannot be read" in file_complaint(tmp_path)

    def test_other_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "1.env"
        path.write_bytes("SELF_ID=узел".encode("cp1251"))
        assert "byte 8 is not UTF-8" in file_complaint(path)

    def test_unknown_variable_names_the_nearest(self, write_env: WriteEnv) -> None:
        text = file_complaint(write_env("\n\nOTHER_NODE=a:1\n"))
        assert "OTHER_NODE in line 3 is unknown" in text
        assert "Did you mean OTHER_NODES?" in text

    def test_unknown_variable_without_a_near_one(self, write_env: WriteEnv) -> None:
        assert "`kvorum variables` lists" in file_complaint(write_env("XYZZY=1\n"))

    def test_lower_case_is_unknown_but_understood(self, write_env: WriteEnv) -> None:
        assert "Did you mean SELF_ID?" in file_complaint(write_env("self_id=a\n"))

    def test_second_setting_of_a_variable(self, write_env: WriteEnv) -> None:
        text = file_complaint(write_env("SELF_ID=a\n\n# again\nSELF_ID=b\n"))
        assert "SELF_ID is set a second time in line 4" in text

    @pytest.mark.parametrize("line", ["SELF_ID", "what is this", "=5", "SELF_ID='open"])
    def test_syntax_error_has_its_line(self, write_env: WriteEnv, line: str) -> None:
        text = file_complaint(write_env(f"# first\nLOG_LEVEL=info\n{line}\n"))
        assert f"line 3 cannot be read: {line}" in text


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "parts"),
        [
            ("localhost:8001", ("localhost", 8001)),
            ("Node_1.Example.COM:1", ("node_1.example.com", 1)),
            ("kvorum-0.kvorum.default.svc:65535", ("kvorum-0.kvorum.default.svc", 65535)),
            ("127.0.0.1:80", ("127.0.0.1", 80)),
            ("[::1]:8001", ("::1", 8001)),
            ("[0:0::1]:8001", ("::1", 8001)),
        ],
    )
    def test_valid(self, address: str, parts: tuple[str, int]) -> None:
        assert split_address(address) == parts

    @pytest.mark.parametrize(
        "address",
        ["", "a", ":1", "a:", "a:0", "a:01", "a:65536", "a:x", "::1:80", "[a]:1", "[127.0.0.1]:1",
         "a b:1", "-a:1", "a..b:1", "http://a:1", "[::1:1", "a:1:2", f"{'a' * 64}:1", "a:١"],
    )  # fmt: skip
    def test_invalid(self, address: str) -> None:
        with pytest.raises(ValueError, match=r"port|brackets|host|empty"):
            split_address(address)

    @given(st.ip_addresses(), st.integers(1, 65535))
    def test_every_ip_address_round_trips(self, ip: object, port: int) -> None:
        host = f"[{ip}]" if ":" in str(ip) else str(ip)
        assert split_address(f"{host}:{port}") == (str(ip), port)


def test_every_variable_is_described() -> None:
    text = describe_variables()
    for name in Settings.model_fields:
        assert f"  {name.upper()}=" in text
