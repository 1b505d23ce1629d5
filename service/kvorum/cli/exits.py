"""The exit codes of all commands: what a script may conclude."""

from enum import IntEnum


class Exit(IntEnum):
    """One number for each thing that a script may want to do next."""

    DONE = 0
    FAILED = 1
    """Refused, or broken: somebody has to look."""
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    """The condition does not hold, or somebody else was first."""
    UNAVAILABLE = 5
    """Nothing was done; it may be tried again."""
    UNKNOWN = 6
    """A change may or may not have been made."""
    INTERRUPTED = 130


EXIT_CODES = """\
exit codes:
  0  done                                4  condition not met, or taken
  1  refused, or failed in part          5  no node could serve; nothing was done
  2  wrong usage                         6  a change may or may not have been made
  3  no such key, lease or name        130  interrupted by Ctrl-C
"""
