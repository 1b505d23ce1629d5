"""`kvorum compact`."""

from argparse import Namespace

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.output import json_block
from kvorum.client import Client


@asks
def run_compact(client: Client, arguments: Namespace, console: Console) -> int:
    oldest = client.cluster.compact(arguments.revision, keep_revisions=arguments.keep)
    match arguments.output:
        case "json":
            console.say(json_block({"compactedRevision": oldest}))
        case "raw":
            console.say(str(oldest))
        case _:
            console.say(f"history begins at revision {oldest} now")
    return Exit.DONE
