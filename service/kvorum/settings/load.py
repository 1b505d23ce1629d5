"""Putting the sources together, and checking the variables against each other."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from kvorum.node.addresses import collide
from kvorum.settings.env_file import read_env_file
from kvorum.settings.model import Settings
from kvorum.settings.problems import (
    FIELDS,
    Problem,
    configuration_error,
    hint_for,
    problems_of,
)

DATA_DIR = "kvorum-data"
"""Of a node that was given no name."""


def load_settings(
    env_file: Path | None,
    environ: Mapping[str, str],
    *,
    name_in: Callable[[Path], str] | None = None,
) -> Settings:
    """Settings from the file, overridden by variables of the same name in ``environ``.

    A relative DATA_DIR is relative to the file's directory, if there is a file.
    Variables of ``environ`` that are none of kvorum's are ignored; unknown ones in the
    file are refused, because nobody else reads it. ``name_in`` names a node without SELF_ID
    by its data directory; without it SELF_ID is required. What speaks of a cluster must
    speak of all of it: a node that lacks a part would be alone, and seem to work. Raises
    ConfigurationError that names every problem at once.
    """
    values, problems = read_env_file(env_file) if env_file else ({}, [])
    values |= {name: environ[name] for name in FIELDS if name in environ}
    problems += _missing(values)
    if name_in is not None and "SELF_ID" not in values:
        values = _named(values, env_file, name_in)
    settings = _validate(values, problems)
    if problems:
        raise configuration_error(str(env_file or "environment"), problems)
    if env_file is None:
        return settings
    # Wherever the command is called from: elsewhere the node would start without its data.
    return settings.model_copy(update={"data_dir": env_file.parent / settings.data_dir})


def _missing(values: Mapping[str, str]) -> Iterator[Problem]:
    """What has to be given because something else is."""
    if values.get("OTHER_NODES", "").strip():
        for name in ("SELF_ADDRESS", "SELF_ID"):
            if name not in values:
                yield Problem(name, "is missing, but OTHER_NODES names others", hint_for(name))
    elif "OTHER_NODES" not in values:
        told = [n for n in ("SELF_ADDRESS", "LISTEN_ADDRESS", "SELF_ID") if n in values]
        if told:
            hint = f"{hint_for('OTHER_NODES')}. For a node that is alone: OTHER_NODES="
            yield Problem("OTHER_NODES", f"is missing, but there is {told[0]}", hint)


def _named(
    values: dict[str, str], env_file: Path | None, name_in: Callable[[Path], str]
) -> dict[str, str]:
    """With the name of a node that was given none."""
    data_dir = values.get("DATA_DIR", DATA_DIR)
    directory = Path(data_dir) if env_file is None else env_file.parent / data_dir
    return {"DATA_DIR": data_dir, **values, "SELF_ID": name_in(directory)}


def _validate(values: dict[str, str], problems: list[Problem]) -> Settings:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        found = problems_of(error)
        wrong = {problem.variable for problem in found}
        told = {problem.variable for problem in problems if problem.what.startswith("is missing")}
        problems += [problem for problem in found if problem.variable not in told]
        settings = Settings.model_validate(_made_up(values, wrong))
    else:
        wrong = set()
    problems += [problem for involved, problem in _conflicts(settings) if not involved & wrong]
    return settings


def _made_up(values: dict[str, str], wrong: set[str]) -> dict[str, str]:
    """Examples in place of wrong values, so that the others can still be compared."""
    kept = {name: value for name, value in values.items() if name not in wrong}
    required = (name for name in wrong if FIELDS[name].is_required())
    return kept | {name: str((FIELDS[name].examples or [""])[0]) for name in required}


def _conflicts(settings: Settings) -> Iterator[tuple[set[str], Problem]]:
    """Each with the variables that are involved."""
    yield from _timeouts(settings)
    yield from _addresses(settings)
    yield from _sizes(settings)


def _timeouts(settings: Settings) -> Iterator[tuple[set[str], Problem]]:
    low, high = settings.min_election_timeout_ms, settings.max_election_timeout_ms
    broadcast = settings.broadcast_time_ms
    if low >= high:
        name = "MIN_ELECTION_TIMEOUT_MS"
        what = f"{low} is not less than MAX_ELECTION_TIMEOUT_MS, {high}"
        hint = "The timeout is drawn between the two; a wide span avoids split votes."
        yield {name, "MAX_ELECTION_TIMEOUT_MS"}, Problem(name, what, hint)
    if low < 2 * broadcast:
        name = "MIN_ELECTION_TIMEOUT_MS"
        what = f"{low} is less than twice BROADCAST_TIME_MS, {broadcast}"
        hint = (
            "One late heartbeat would start an election. Five to ten times BROADCAST_TIME_MS "
            f"is usual: {5 * broadcast} to {10 * broadcast}."
        )
        yield {name, "BROADCAST_TIME_MS"}, Problem(name, what, hint)


def _addresses(settings: Settings) -> Iterator[tuple[set[str], Problem]]:
    peers = {"SELF_ADDRESS": settings.self_address, "LISTEN_ADDRESS": settings.listen_address}
    for name, address in peers.items():
        if collide(settings.rest_address, address):
            what = f"{settings.rest_address} is taken by {name}, {address}"
            hint = "Clients and nodes need a port each, for example 8081 and 8001."
            yield {"REST_ADDRESS", name, "SELF_ADDRESS"}, Problem("REST_ADDRESS", what, hint)
            return
    if settings.rest_address in settings.other_nodes:
        what = f"{settings.rest_address} is also named in OTHER_NODES"
        hint = "OTHER_NODES takes the addresses for nodes (SELF_ADDRESS), not those for clients."
        yield {"REST_ADDRESS", "OTHER_NODES"}, Problem("REST_ADDRESS", what, hint)


def _sizes(settings: Settings) -> Iterator[tuple[set[str], Problem]]:
    reserved_bytes = len(settings.executed_commands_key.encode())
    if reserved_bytes > settings.key_bytes_max:
        name = "EXECUTED_COMMANDS_KEY"
        what = f"has {reserved_bytes} bytes, more than KEY_BYTES_MAX, {settings.key_bytes_max}"
        yield (
            {name, "KEY_BYTES_MAX"},
            Problem(name, what, "It is a key like any other: shorten it."),
        )
    write_bytes = settings.key_bytes_max + 2 * settings.value_bytes_max
    if write_bytes > settings.pending_bytes_max:
        name = "PENDING_BYTES_MAX"
        what = f"{settings.pending_bytes_max} is less than the largest write, {write_bytes}"
        hint = "A compare-and-set holds two values: allow KEY_BYTES_MAX + 2 × VALUE_BYTES_MAX."
        yield {name, "KEY_BYTES_MAX", "VALUE_BYTES_MAX"}, Problem(name, what, hint)
