"""What a node is called that was given no SELF_ID."""

import re
from pathlib import Path

from kvorum.errors import DataDirectoryError
from kvorum.storage.fs import FileSystem
from kvorum.storage.identity import read_identity

_NAME_CHARACTERS_MAX = 64


def node_name(fs: FileSystem, data_dir: Path, host_name: str) -> str:
    """As the data directory says; before its first start, like the host.

    So a laptop that is called otherwise in another network, or a container that gets a new
    name whenever it starts, keeps its data.
    """
    try:
        return read_identity(fs, data_dir).node_id
    except (OSError, DataDirectoryError):  # whoever opens it says what is wrong with it
        return name_of_host(host_name)


def name_of_host(host_name: str) -> str:
    """The first part of the host's name, as far as it can be a node's."""
    first = host_name.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", first).strip("-")[:_NAME_CHARACTERS_MAX]
    return name or "node"
