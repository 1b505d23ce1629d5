"""The list of variables as text, made from the fields, so that it cannot go stale."""

from kvorum.settings.problems import FIELDS


def describe_variables() -> str:
    """Required variables first, each with its meaning, default or example."""
    lines = ["Required:", *_lines(required=True), "", "Optional:", *_lines(required=False)]
    return "\n".join(lines)


def _lines(*, required: bool) -> list[str]:
    lines = []
    for name, field in FIELDS.items():
        if field.is_required() is required:
            usual = field.examples[0] if field.examples else field.default
            lines += [f"  {name}={usual}", f"      {field.description}"]
    return lines
