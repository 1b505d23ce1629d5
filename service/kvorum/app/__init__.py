"""The composition root: the only place that knows every part."""

from kvorum.app.process import run

__all__ = ["run"]
