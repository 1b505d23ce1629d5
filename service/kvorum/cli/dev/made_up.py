"""A cluster out of nothing: env files with ports and directories of their own, kept for next time.

A member keeps its address and its data, so what was made up once has to stay: it is written
down, where it can be read and changed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from kvorum.cli.dev.plan import find_env_files
from kvorum.errors import ConfigurationError

DIRECTORY = Path("kvorum-dev")

_PEER_PORT, _REST_PORT = 8001, 8081
_STEP, _ATTEMPTS = 100, 50

_ENV_FILE = """\
# Node {number} of {size}, made by `kvorum dev {size}`; `kvorum variables` lists what else there is.
SELF_ADDRESS={address}
SELF_ID=Node-{number}
OTHER_NODES={others}
REST_ADDRESS={rest_address}
"""


def made_up_files(
    directory: Path, size: int, is_taken: Callable[[str], bool]
) -> tuple[list[Path], bool]:
    """The env files of a cluster of ``size`` nodes, and whether they were made just now.

    Those that are there already are used again. Ports are those of the examples, or else
    others that are free. Raises ConfigurationError.
    """
    if directory.exists():
        return _present(directory, size), False
    addresses = _free_addresses(size, is_taken)
    unfinished = directory.with_name(f"{directory.name}.tmp")
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        for leftover in unfinished.iterdir():
            leftover.unlink()
        for number, (address, rest_address) in enumerate(addresses, 1):
            text = _ENV_FILE.format(
                number=number,
                size=size,
                address=address,
                others=",".join(other for other, _ in addresses if other != address),
                rest_address=rest_address,
            )
            (unfinished / f"{number}.env").write_text(text, encoding="utf-8")
        unfinished.replace(directory)
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be made: {error.strerror}") from error
    return find_env_files(directory), True


def _present(directory: Path, size: int) -> list[Path]:
    files = find_env_files(directory)
    if len(files) != size:
        raise ConfigurationError(
            f"{directory} holds a cluster of {len(files)}. Start that with `kvorum dev "
            f"{len(files)}`, name another directory with --dir, or remove this one and its data"
        )
    return files


def _free_addresses(size: int, is_taken: Callable[[str], bool]) -> list[tuple[str, str]]:
    """For nodes and for clients, for each node."""
    for shift in range(0, _ATTEMPTS * _STEP, _STEP):
        found = list(_addresses(size, shift))
        if not any(is_taken(address) for pair in found for address in pair):
            return found
    raise ConfigurationError(f"no ports are free for {size} nodes; `ss -ltn` shows those in use")


def _addresses(size: int, shift: int) -> Iterator[tuple[str, str]]:
    for number in range(size):
        peer, rest = _PEER_PORT + shift + number, _REST_PORT + shift + number
        yield f"localhost:{peer}", f"localhost:{rest}"
