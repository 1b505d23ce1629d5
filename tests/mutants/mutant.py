"""A bug that is planted in production code for a while, as a change of its text.

The package itself never contains one. A function is read as it is written, one piece of its
text is replaced, and what that makes is put wherever the function is known. Text that is not
there (any more) is an error, so that no mutant silently becomes harmless.
"""

import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType

import pytest
from msgspec import Struct


class Edit(Struct, frozen=True):
    """In the function ``name`` of a module or class, ``old`` becomes ``new``."""

    owner: ModuleType | type
    name: str
    old: str
    new: str


class Mutant(Struct, frozen=True):
    """``kits``: who should find it, tried in this order."""

    name: str
    story: str
    kits: tuple[str, ...]
    edits: tuple[Edit, ...]


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """While this lasts, the bug is there."""
    with pytest.MonkeyPatch.context() as patch:
        for edit in mutant.edits:
            _plant(patch, edit)
        yield


def _plant(patch: pytest.MonkeyPatch, edit: Edit) -> None:
    original = inspect.getattr_static(edit.owner, edit.name)
    changed = changed_member(edit)
    patch.setattr(edit.owner, edit.name, changed)
    if isinstance(edit.owner, ModuleType):
        for module in list(sys.modules.values()):
            for name in _names_of(original, module):
                patch.setattr(module, name, changed)


def _names_of(value: object, module: ModuleType) -> list[str]:
    """Under which names a module of the project knows it."""
    if not module.__name__.startswith(("kvorum.", "tests.")):
        return []
    return [name for name, known in vars(module).items() if known is value]


def changed_member(edit: Edit) -> object:
    """The function, method or property with its text changed. ``ValueError`` if it cannot be."""
    member = inspect.getattr_static(edit.owner, edit.name)
    function = member.fget if isinstance(member, property) else member
    assert isinstance(function, FunctionType), f"{edit.name} is no function"
    text = textwrap.dedent(inspect.getsource(function))
    found = text.count(edit.old)
    if found != 1:
        where = f"{edit.owner.__name__}.{edit.name}"
        raise ValueError(f"{where} contains this {found} times, not once: {edit.old!r}")
    made: dict[str, object] = {}
    source = text.replace(edit.old, edit.new)
    # Known to linecache, so that another edit of the same function finds its text.
    file = f"<{function.__module__}.{function.__qualname__}, mutated {hash(source):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), function.__globals__, made)
    return made[edit.name]
