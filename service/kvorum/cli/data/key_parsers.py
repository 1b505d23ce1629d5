"""The arguments of `kvorum get`, `put`, `del`, `cas`, `ls`, `txn`, `watch`, `compact`."""

from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    _ActionsContainer,
    _MutuallyExclusiveGroup,
)
from pathlib import Path

from kvorum.cli.asking import asking_options, duration_s
from kvorum.cli.commands import Commands, add_command
from kvorum.cli.exits import EXIT_CODES

GET = """\
Print the value of a key. A text is printed as it is, any other JSON value as JSON; -o raw
gives exactly the bytes that are kept, -o json and -o table the revisions too.

examples:
  kvorum get config/name
  kvorum get config/name --revision 120     # as it was after revision 120
  kvorum get logo -o raw > logo.png
  kvorum get config/name -o json | jq .modRevision
"""

PUT = """\
Set a key. VALUE is JSON if it can be read as JSON, else a text: 5, true, {"a": 1}, hello.
`-` reads the value from standard input, --file from a file: bytes, kept as they are.

examples:
  kvorum put greeting hello
  kvorum put config/limits '{"rate": 100}'
  kvorum put zip 01234 --string             # always a text
  kvorum put logo --file logo.png --content-type image/png
  kvorum put session/7 active --ttl 30s     # ends by itself, unless it is put again
  kvorum put leader me --if-absent          # exit code 4 if somebody was first
"""

DELETE = """\
Delete keys. Each KEY is deleted by itself; a range in one revision.

examples:
  kvorum del greeting
  kvorum del a b c
  kvorum del greeting --if-revision 17      # only if it was not changed since
  kvorum del --prefix tmp/
  kvorum del --start a --end b              # from a to before b
  kvorum del --all                          # everything in the store
"""

CAS = """\
Compare and set: give KEY the value NEW if it is EXPECTED now. Both are read as by `put`.

examples:
  kvorum cas state '"open"' '"closed"'
  kvorum cas counter 7 8 || echo 'somebody else counted'
"""

LS = """\
List keys with their values and revisions, all at one revision of the store, however many.
VALUE is shortened to the width of the terminal. -o json prints one JSON object a line.

examples:
  kvorum ls
  kvorum ls config/
  kvorum ls config/ --keys-only
  kvorum ls users/ --count
  kvorum ls users/ --reverse --limit 10
  kvorum ls --start a --end c --revision 120
  kvorum ls config/ -o json | jq -r .key
"""

TXN = """\
Do several things at once, or none of them: one revision. The transaction comes from FILE, or
from standard input, as JSON in the form of `POST /txn`, or line by line:

  if KEY exists | if KEY missing | if KEY = VALUE | if KEY != VALUE (also <, >)
  if version KEY = 3    also create-revision, mod-revision, lease, with =, !=, <, >
  then                  (may be left out)
    put KEY VALUE       also: put --ttl 30s KEY VALUE, put --lease ID KEY VALUE
    delete KEY          also: delete --prefix KEY
    get KEY             also: get --prefix KEY --limit 10
  else
    get KEY

Gets see the state before the writes. A key with blanks is written as a JSON string.
Exit code 4 if the conditions do not hold (the `else` part was done then).

examples:
  printf 'if account/a = 50\\nput account/a 20\\nput account/b 30\\n' | kvorum txn
  kvorum txn transfer.txt
  kvorum txn transfer.json -o json
"""

WATCH = """\
Print changes as they happen, in order, without gaps or duplicates, until Ctrl-C. A broken
connection is taken up again, at another node if need be. -o json prints one JSON object a line.

examples:
  kvorum watch config/name
  kvorum watch --prefix config/
  kvorum watch --prefix config/ --from-revision 120    # what was missed first
  kvorum watch --prefix jobs/ --types put -o json | while read -r job; do ...; done
  kvorum watch ready --changes 1                       # wait for one change, then go on
"""

COMPACT = """\
Forget history. Reads at revisions before REVISION, and watches from there, are refused from
then on; the present stays. A node forgets by count and age by itself; this is for more.

examples:
  kvorum compact 1200
  kvorum compact --keep 1000        # all but the last 1000 revisions
"""

_KEYS = "kvorum.cli.data.keys"


def add_parsers(commands: Commands) -> None:
    """The commands on keys."""
    _add_get(commands)
    _add_put(commands)
    _add_del(commands)
    _add_cas(commands)
    _add_ls(commands)
    txn = _asking(commands, "txn", "do several things at once, or none", TXN, "transacting:run_txn")
    txn.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="default: standard input; so does -"
    )
    _add_watch(commands)
    compact = _asking(commands, "compact", "forget history", COMPACT, "compacting:run_compact")
    until = compact.add_mutually_exclusive_group(required=True)
    until.add_argument(
        "revision", nargs="?", type=revision, metavar="REVISION", help="the oldest to stay readable"
    )
    until.add_argument("--keep", type=count, metavar="N", help="how many revisions to keep")


def _asking(
    commands: Commands, name: str, summary: str, description: str, run: str
) -> ArgumentParser:
    return add_command(
        commands,
        name,
        summary,
        description,
        run=f"kvorum.cli.data.{run}",
        parents=[asking_options()],
        epilog=EXIT_CODES,
    )


def _add_get(commands: Commands) -> None:
    get = _asking(commands, "get", "print the value of a key", GET, "keys:run_get")
    get.add_argument("key", metavar="KEY")
    _add_reading(get)


def _add_put(commands: Commands) -> None:
    put = _asking(commands, "put", "set a key", PUT, "keys:run_put")
    put.add_argument("key", metavar="KEY")
    put.add_argument("value", nargs="?", metavar="VALUE", help="- reads it from standard input")
    put.add_argument("--file", type=Path, metavar="FILE", help="read the value from a file")
    add_text_options(put).add_argument("--raw", action="store_true", help="the value is bytes")
    put.add_argument(
        "--content-type", metavar="TYPE", help="of bytes (default: application/octet-stream)"
    )
    life = put.add_mutually_exclusive_group()
    life.add_argument("--ttl", type=duration_s, metavar="TIME", help="delete it after: 30s, 5m")
    life.add_argument("--lease", metavar="ID", help="delete it when this lease ends")
    only = put.add_mutually_exclusive_group()
    _add_if_revision(only)
    only.add_argument("--if-absent", action="store_true", help="only if there is no such key")
    put.add_argument("--previous", action="store_true", help="print what it was before, too")


def add_text_options(parser: ArgumentParser) -> _MutuallyExclusiveGroup:
    """How a value that stands on the command line is to be read."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--string", action="store_true", help="it is a text, whatever it looks like")
    form.add_argument("--json", action="store_true", help="it must be JSON")
    return form


def _add_if_revision(parser: _ActionsContainer) -> None:
    parser.add_argument(
        "--if-revision",
        type=revision,
        metavar="N",
        help="only if N is still the revision of its last change (modRevision)",
    )


def _add_del(commands: Commands) -> None:
    delete = _asking(commands, "del", "delete keys", DELETE, "keys:run_del")
    delete.add_argument("keys", nargs="*", metavar="KEY")
    _add_range(delete)
    delete.add_argument("--all", action="store_true", help="delete everything")
    _add_if_revision(delete)
    delete.add_argument("--previous", action="store_true", help="print what they were before, too")


def _add_cas(commands: Commands) -> None:
    cas = _asking(commands, "cas", "set a key if it has the expected value", CAS, "keys:run_cas")
    cas.add_argument("key", metavar="KEY")
    cas.add_argument("expected", metavar="EXPECTED", help="the value it must have now")
    cas.add_argument("value", metavar="NEW", help="the value it gets")
    add_text_options(cas)


def _add_ls(commands: Commands) -> None:
    listing = _asking(commands, "ls", "list keys", LS, "listing:run_ls")
    listing.add_argument("prefix", nargs="?", metavar="PREFIX", help="default: all keys")
    listing.add_argument(
        "--prefix", dest="same_prefix", metavar="PREFIX", help="the same, as other commands have it"
    )
    listing.add_argument("--start", metavar="KEY", help="from this key")
    listing.add_argument("--end", metavar="KEY", help="to before this key")
    listing.add_argument("--limit", type=count, metavar="N", help="at most so many")
    listing.add_argument("--reverse", action="store_true", help="last key first")
    form = listing.add_mutually_exclusive_group()
    form.add_argument("--keys-only", action="store_true", help="only the keys, one a line")
    form.add_argument("--count", action="store_true", help="only how many there are")
    _add_reading(listing)


def _add_watch(commands: Commands) -> None:
    watch = _asking(commands, "watch", "print changes as they happen", WATCH, "watching:run_watch")
    watch.add_argument("key", nargs="?", metavar="KEY")
    _add_range(watch)
    watch.add_argument("--from-revision", type=revision, metavar="N", help="default: from now on")
    watch.add_argument("--previous", action="store_true", help="print what was before, too")
    watch.add_argument("--types", type=_types, metavar="put|delete", help="only these changes")
    watch.add_argument("--changes", type=count, metavar="N", help="end after so many")


def _add_range(parser: ArgumentParser) -> None:
    parser.add_argument("--prefix", metavar="PREFIX", help="all keys that begin so")
    parser.add_argument("--start", metavar="KEY", help="from this key")
    parser.add_argument("--end", metavar="KEY", help="to before this key")


def _add_reading(parser: ArgumentParser) -> None:
    parser.add_argument("--revision", type=revision, metavar="N", help="as it was after revision N")
    parser.add_argument(
        "--stale",
        action="store_true",
        help="what the asked node knows: quick, works without a leader, may be old",
    )


def revision(text: str) -> int:
    """A revision of the store, from 1."""
    return _whole(text, "revision")


def count(text: str) -> int:
    """How many, from 1."""
    return _whole(text, "number")


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 2**63:
        raise ArgumentTypeError(f"{text!r} is no {what}: a whole number from 1")
    return int(text)


def _types(text: str) -> tuple[str, ...]:
    types = tuple(part.strip() for part in text.split(","))
    if not set(types) <= {"put", "delete"}:
        raise ArgumentTypeError(f"{text!r}: name put, delete or put,delete")
    return types
