"""What a node tells gRPC through the environment is understood by the gRPC that is installed."""

import os
import subprocess
import sys

from kvorum.cli.ops.running import GRPC_ENVIRONMENT

START_A_SERVER = """
import asyncio
from grpc import aio

async def start() -> None:
    aio.server()

asyncio.run(start())
"""


def complaints(experiments: str) -> str:
    environ = {**os.environ, **GRPC_ENVIRONMENT, "GRPC_EXPERIMENTS": experiments}
    command = [sys.executable, "-c", START_A_SERVER]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stderr


def test_grpc_knows_what_it_is_told_not_to_try() -> None:
    """Another release may have dropped the switches, and would say so on every start."""
    assert "no_such_thing" in complaints("no_such_thing")
    assert complaints(GRPC_ENVIRONMENT["GRPC_EXPERIMENTS"]) == ""
