"""Memory that one kept outcome takes: ``python bench/outcomes.py``."""

import tracemalloc

from kvorum.mvcc.command import Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.state_machine import StateMachine

BATCHES, COMMANDS = 1000, 100
KEEP_ALL = Stamp(1, BATCHES * COMMANDS, 3600)


def batch(index: int) -> bytes:
    """Writes of one key, so that only outcomes accumulate."""
    return encode_batch(
        [
            encode_command(Put(f"2a599fd1f6949ec5-{index * COMMANDS + n:x}", b"k", b"1", index))
            for n in range(COMMANDS)
        ],
        KEEP_ALL,
    )


def main() -> None:
    machine = StateMachine()
    tracemalloc.start()
    for index in range(1, BATCHES + 1):
        machine.apply(index, batch(index))
    used_bytes, _ = tracemalloc.get_traced_memory()
    print(f"{used_bytes / machine.outcome_count:.0f} bytes for each of {machine.outcome_count}")


if __name__ == "__main__":
    main()
