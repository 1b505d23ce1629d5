"""The list of variables as text, made from the fields, so that it cannot go stale."""

from collections.abc import Iterable

from kvorum.settings.model import CLUSTER_VARIABLES
from kvorum.settings.problems import FIELDS


def describe_variables() -> str:
    """Those of a cluster first, each with its meaning, example or default."""
    others = [name for name in FIELDS if name not in CLUSTER_VARIABLES]
    return "\n".join(
        [
            "These eight describe a node of a cluster (a node alone needs none of them):",
            *_lines(CLUSTER_VARIABLES),
            "",
            "Optional:",
            *_lines(others),
        ]
    )


def _lines(names: Iterable[str]) -> list[str]:
    lines = []
    for name in names:
        field = FIELDS[name]
        usual = field.examples[0] if field.examples else field.default
        lines += [f"  {name}={usual}", f"      {field.description}"]
    return lines
