"""The arguments of the commands on data."""

from kvorum.cli.commands import Commands


def add_parsers(commands: Commands) -> None:
    """`get`, `put`, … `export`."""
    del commands
