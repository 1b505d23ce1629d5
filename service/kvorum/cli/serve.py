"""`kvorum serve`: one node in the foreground, from its settings to its exit code."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from kvorum.errors import ConfigurationError, StartError
from kvorum.settings import Settings, load_settings
from kvorum.telemetry.logs import configure_logs

CANNOT_START = 1
WRONG_CONFIGURATION = 2


def serve(
    env_file: Path | None,
    environ: Mapping[str, str],
    *,
    run: Callable[[Settings], int],
    stderr: TextIO,
) -> int:
    """Exit code of the node; a failed start explains itself on ``stderr``."""
    try:
        settings = load_settings(env_file, environ)
        fields = {"node": settings.self_id}
        configure_logs(settings.log_level, settings.log_format, stderr, fields=fields)
        for warning in settings.warnings:
            logging.getLogger("kvorum.settings").warning(warning)
        return run(settings)
    except ConfigurationError as error:
        print(f"kvorum: {error}", file=stderr)
        return WRONG_CONFIGURATION
    except StartError as error:
        print(f"kvorum: this node cannot start: {error}", file=stderr)
        return CANNOT_START
