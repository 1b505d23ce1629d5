"""The arguments of the commands on data."""

from kvorum.cli.commands import Commands
from kvorum.cli.data import claim_parsers, file_parsers, key_parsers


def add_parsers(commands: Commands) -> None:
    """`get`, `put`, … `export`, `completion`."""
    key_parsers.add_parsers(commands)
    claim_parsers.add_parsers(commands)
    file_parsers.add_parsers(commands)
