"""`kvorum selftest`, from arguments to exit code."""

import asyncio
from argparse import Namespace
from time import perf_counter

from kvorum.cli.console import Console
from kvorum.cli.data.session import endpoints_of, reporting, timeout_of
from kvorum.cli.exits import Exit
from kvorum.cli.output import json_line, printable
from kvorum.cli.selftest.trial import Tell, Trial
from kvorum.cli.signals import ending_in_order
from kvorum.cli.sizes import milliseconds_text
from kvorum.client import AsyncClient

_NAME_WIDTH = len("compare-and-set")
_TIME_WIDTH = 9


def run_selftest(arguments: Namespace, console: Console) -> int:
    return reporting(lambda: _run(arguments, console), arguments, console)


def _run(arguments: Namespace, console: Console) -> int:
    as_json = arguments.output == "json"
    begun = perf_counter()

    def tell(step: str, text: str, seconds: float) -> None:
        if as_json:
            console.say(json_line({"step": step, "text": text, "ms": round(seconds * 1000, 3)}))
        else:
            time = milliseconds_text(seconds).rjust(_TIME_WIDTH)
            console.say(f"{step.ljust(_NAME_WIDTH)}  {time}  {printable(text)}")
        console.stdout.flush()

    with ending_in_order():  # asked to end, it still ends its lease
        asyncio.run(_try(arguments, tell))
    tell("passed", "it works", perf_counter() - begun)
    return Exit.DONE


async def _try(arguments: Namespace, tell: Tell) -> None:
    step_s = timeout_of(arguments)
    async with AsyncClient(endpoints_of(arguments), timeout_s=step_s) as client:
        await Trial(client, step_s, tell).run()
