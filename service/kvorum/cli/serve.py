"""`kvorum serve`: one node in the foreground, from its settings to its exit code."""

import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from kvorum.cli.exits import Exit
from kvorum.cli.node_name import node_name
from kvorum.cli.urls import rest_url
from kvorum.errors import ConfigurationError, StartError
from kvorum.settings import Settings, load_settings
from kvorum.storage.fs import OsFileSystem
from kvorum.telemetry.logs import configure_logs

_WELCOME = """\
kvorum: node {name}
  clients      {url}  (in a browser: {url}/swagger/index.html)
  other nodes  {peers}
  data         {data_dir}
  try          kvorum put greeting hello{endpoint}
               kvorum get greeting{endpoint}
  stop         Ctrl-C; the data stays
"""
_USUAL_URL = "http://localhost:8081"
"""Where `kvorum put` and the others look without being told."""


def serve(
    env_file: Path | None,
    environ: Mapping[str, str],
    *,
    run: Callable[[Settings], int],
    stderr: TextIO,
) -> int:
    """Exit code of the node; a failed start explains itself on ``stderr``."""
    try:
        settings = node_settings(env_file, environ)
        fields = {"node": settings.self_id}
        configure_logs(settings.log_level, settings.log_format, stderr, fields=fields)
        for warning in settings.warnings:
            logging.getLogger("kvorum.settings").warning(warning)
        if stderr.isatty() and not settings.other_nodes:
            stderr.write(_welcome(settings))
        return run(settings)
    except ConfigurationError as error:
        print(f"kvorum: {error}", file=stderr)
        return Exit.USAGE
    except StartError as error:
        print(f"kvorum: this node cannot start: {error}", file=stderr)
        return Exit.FAILED


def node_settings(env_file: Path | None, environ: Mapping[str, str]) -> Settings:
    """As a node on this host gets them: without any, it is a single one. ConfigurationError."""

    def name_in(data_dir: Path) -> str:
        return node_name(OsFileSystem(), data_dir, socket.gethostname())

    return load_settings(env_file, environ, name_in=name_in)


def _welcome(settings: Settings) -> str:
    """What somebody needs who started a node without a thought of others."""
    url = rest_url(settings.rest_address)
    return _WELCOME.format(
        name=settings.self_id,
        url=url,
        peers=settings.self_address,
        data_dir=settings.data_dir,
        endpoint="" if url == _USUAL_URL else f" --endpoint {url}",
    )
