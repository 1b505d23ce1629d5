"""From an env file and the process environment to frozen, checked settings.

Nothing here reads the environment by itself: the caller hands it in. Every problem is
reported at once, each with the variable's name and a way out.
"""

from kvorum.node.addresses import split_address
from kvorum.settings.describe import describe_variables
from kvorum.settings.load import load_settings
from kvorum.settings.model import Settings

__all__ = ["Settings", "describe_variables", "load_settings", "split_address"]
