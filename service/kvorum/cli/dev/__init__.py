"""`kvorum dev`: a whole cluster on one machine, to try things out."""

from kvorum.cli.dev.command import run_cluster

__all__ = ["run_cluster"]
