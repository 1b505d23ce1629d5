"""Reading an env file: ``NAME=value`` lines, comments, quotes; nothing is interpolated."""

from collections.abc import Iterator
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from kvorum.settings.problems import FIELDS, Problem, configuration_error

_SYNTAX_HINT = "A line is NAME=value, or a comment that starts with #."


def read_env_file(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """The known variables of the file, and what is wrong with its lines.

    Raises ConfigurationError if the file cannot be read at all.
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for binding in parse_stream(StringIO(_text(path))):
        if binding.error or binding.key is not None:
            problems.extend(_faults(binding, values))
        if binding.key in FIELDS and binding.value is not None:
            values.setdefault(binding.key, binding.value)
    return values, problems


def _faults(binding: Binding, seen: dict[str, str]) -> Iterator[Problem]:
    line = _first_line(binding)
    name = binding.key or ""
    if binding.error or binding.value is None:
        text = binding.original.string.strip().partition("\n")[0]
        yield Problem("", f"line {line} cannot be read: {text}", _SYNTAX_HINT)
    elif name in seen:
        yield Problem(name, f"is set a second time in line {line}", "Keep one of the two lines.")
    elif name not in FIELDS:
        yield Problem(name, f"in line {line} is unknown", _nearest(name))


def _first_line(binding: Binding) -> int:
    """The parser counts blank lines before a binding as part of it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")


def _nearest(name: str) -> str:
    near = get_close_matches(name.upper(), FIELDS, n=1)
    if near:
        return f"Did you mean {near[0]}? {FIELDS[near[0]].description}"
    return "`kvorum variables` lists what there is."


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        what, hint = "the file does not exist", "Name an existing one: --env-file 1.env"
    except UnicodeDecodeError as error:
        what, hint = f"byte {error.start} is not UTF-8", "Save the file as UTF-8."
    except OSError as error:
        what, hint = f"cannot be read: {error.strerror}", "Check the path and its permissions."
    raise configuration_error(str(path), [Problem("", what, hint)])
