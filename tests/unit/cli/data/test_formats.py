"""Files of keys and values, read with their lines, and written back."""

import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.cli.data.file_writing import lines_of
from kvorum.cli.data.formats import Entry, Unreadable, Wrong, format_of, read_entries
from kvorum.cli.failed import CommandFailed
from kvorum.client.model import KeyValue


def read(text: str, form: str) -> list[Entry | Wrong]:
    return list(read_entries(io.StringIO(text), form))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.json", "json"),
        ("a.JSON", "json"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.env", "env"),
        (".env", "env"),
        ("dir/.env.local", "env"),
        ("-", "jsonl"),
        ("backup", "jsonl"),
    ],
)
def test_the_format_goes_by_the_name(name: str, form: str) -> None:
    assert format_of(name) == form


class TestJson:
    def test_an_object(self) -> None:
        text = '{\n  "a": 1,\n  "b": {"c": [1.50, null]},\n\n  "d": "x\\ny"}\n'
        assert read(text, "json") == [
            Entry(2, "a", b"1"),
            Entry(3, "b", b'{"c": [1.50, null]}'),
            Entry(5, "d", b'"x\\ny"'),
        ]

    def test_an_empty_object(self) -> None:
        assert read(" {} ", "json") == []

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("", 1, "expected {, found end"),
            ("[1]", 1, "expected {, found ["),
            ('{"a": 1,\n}', 2, "expected a key in quotes"),
            ('{"a" 1}', 1, "expected :, found 1"),
            ('{"a": 1\n "b": 2}', 2, 'expected , or }, found "'),
            ('{"a":\n\n nope}', 3, "this is not JSON"),
            ('{"a":\n {"b": \n1,}}', 3, "this is not JSON"),
            ('{"a": NaN}', 1, "this is not JSON"),
            ('{"a": 1', 1, "found end"),
            ('{"a": 1}\n{}', 2, "there is more after the object"),
        ],
    )
    def test_what_is_no_object(self, text: str, line: int, words: str) -> None:
        with pytest.raises(Unreadable) as caught:
            read(text, "json")
        assert caught.value.line == line
        assert words in str(caught.value)

    def test_deep_nesting_is_refused(self) -> None:
        with pytest.raises(Unreadable):
            read('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "json")


class TestLines:
    def test_values_and_bytes(self) -> None:
        text = (
            '{"key": "a", "value": 1.50}\n\n'
            '{"key": "b", "valueBase64": "/w==", "contentType": "image/png", "version": 3}\n'
            '{"key": "c", "valueBase64": ""}\n'
        )
        assert read(text, "jsonl") == [
            Entry(1, "a", b"1.50"),
            Entry(3, "b", b"\xff", "image/png"),
            Entry(4, "c", b"", "application/octet-stream"),
        ]

    @pytest.mark.parametrize(
        "line",
        [
            "nope",
            "[]",
            '{"value": 1}',
            '{"key": 5, "value": 1}',
            '{"key": "a"}',
            '{"key": "a", "value": 1, "valueBase64": ""}',
            '{"key": "a", "valueBase64": "?"}',
            '{"key": "a", "valueBase64": "", "contentType": 1}',
            '{"key": "a", "value": 1} x',
        ],
    )
    def test_a_wrong_line_does_not_keep_the_others(self, line: str) -> None:
        wrong, entry = read(f'{line}\n{{"key": "b", "value": 2}}\n', "jsonl")
        assert isinstance(wrong, Wrong)
        assert (wrong.line, entry) == (1, Entry(2, "b", b"2"))

    def test_a_line_without_an_end_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kvorum.cli.data.formats.LINE_CHARS_MAX", 100)
        with pytest.raises(Unreadable, match="line 2: it is longer"):
            read('{"key": "b", "value": 2}\n' + "x" * 200, "jsonl")


class TestEnv:
    def test_values_are_texts(self) -> None:
        text = "# settings\nA=1\n\nexport B='two words'\nC=\"x\\ny\"\nD=\n"
        assert read(text, "env") == [
            Entry(2, "A", b'"1"'),
            Entry(4, "B", b'"two words"'),
            Entry(5, "C", b'"x\\ny"'),
            Entry(6, "D", b'""'),
        ]

    def test_nothing_is_interpolated(self) -> None:
        assert read("A=${HOME}\n", "env") == [Entry(1, "A", b'"${HOME}"')]

    def test_wrong_lines(self) -> None:
        wrong, entry, bare = read("what is this\nB=2\nC\n", "env")
        assert isinstance(wrong, Wrong)
        assert isinstance(bare, Wrong)
        assert (wrong.line, entry, bare.line) == (1, Entry(2, "B", b'"2"'), 3)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def item(key: str, raw: bytes, content_type: str = "application/json", lease: str = "") -> KeyValue:
    return KeyValue(key, raw, 1, 1, 1, lease, content_type)


def there_and_back(items: list[KeyValue], form: str) -> list[tuple[str, bytes, str]]:
    found = read("".join(lines_of(items, form)), form)
    entries = [entry for entry in found if isinstance(entry, Entry)]
    assert len(entries) == len(found)
    return [(entry.key, entry.raw, entry.content_type) for entry in entries]


class TestThereAndBack:
    @given(st.lists(st.tuples(st.text(min_size=1), JSON_VALUES)))
    def test_json(self, pairs: list[tuple[str, object]]) -> None:
        items = [item(key, json.dumps(value).encode()) for key, value in pairs]
        for form in ("json", "jsonl"):
            expected = [(one.key, one.raw, one.content_type) for one in items]
            assert there_and_back(items, form) == expected

    @given(st.lists(st.tuples(st.text(min_size=1), st.binary(), st.sampled_from(["a/b", "x/y"]))))
    def test_bytes_as_json_lines(self, given_: list[tuple[str, bytes, str]]) -> None:
        items = [item(*one) for one in given_]
        assert there_and_back(items, "jsonl") == given_

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
    def test_texts_as_env(self, texts: list[str]) -> None:
        items = [item(f"N{at}", msgspec.json.encode(text)) for at, text in enumerate(texts)]
        assert there_and_back(items, "env") == [
            (one.key, one.raw, one.content_type) for one in items
        ]


class TestWhatAFormatCannotSay:
    @pytest.mark.parametrize(
        ("one", "form", "words"),
        [
            (
                item("a", b"\xff", "image/png"),
                "json",
                "a cannot be written as json: it holds bytes",
            ),
            (item("A", b"\xff", "image/png"), "env", "A cannot be written as env: it holds"),
            (item("a/b", b"1"), "env", "a/b cannot be written as env: that is no name"),
        ],
    )
    def test_is_refused_by_name(self, one: KeyValue, form: str, words: str) -> None:
        with pytest.raises(CommandFailed) as caught:
            list(lines_of([one], form))
        assert str(caught.value).startswith(words)

    def test_other_json_values_are_written_as_text(self) -> None:
        assert list(lines_of([item("A", b'{"b": 1}')], "env")) == ["A='{\"b\": 1}'\n"]
