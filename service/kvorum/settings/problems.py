"""What is wrong with a configuration, in words for the person who wrote it."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from kvorum.errors import ConfigurationError
from kvorum.settings.model import Settings

FIELDS: dict[str, FieldInfo] = {
    name.upper(): field for name, field in Settings.model_fields.items()
}
"""Every variable by its name in the environment."""

_WORDING = {
    "missing": "is missing",
    "int_parsing": "{input!r} is not a whole number",
    "int_from_float": "{input!r} is not a whole number",
    "float_parsing": "{input!r} is not a number",
    "finite_number": "{input!r} is not a number",
    "greater_than_equal": "{input} is less than {ge}",
    "less_than_equal": "{input} is greater than {le}",
    "string_too_short": "is empty",
    "literal_error": "{input!r} is not one of {expected}",
    "value_error": "{error}",
}
_NOT_OF_THEIR_OWN = "default_factory_not_called"  # the variable it derives from is at fault


class Problem(NamedTuple):
    """``variable`` is "" for what concerns the file as a whole."""

    variable: str
    what: str
    hint: str


def problems_of(error: ValidationError) -> list[Problem]:
    return [_problem(details) for details in error.errors() if details["type"] != _NOT_OF_THEIR_OWN]


def _problem(details: ErrorDetails) -> Problem:
    variable = str(details["loc"][0])
    template = _WORDING.get(details["type"])
    values = {"input": details["input"], **details.get("ctx", {})}
    return Problem(
        variable, template.format(**values) if template else details["msg"], hint_for(variable)
    )


def hint_for(variable: str) -> str:
    """What the variable means, and an example if it has one."""
    field = FIELDS[variable]
    example = f" Example: {variable}={field.examples[0]}" if field.examples else ""
    return f"{field.description}{example}"


def configuration_error(source: str, problems: Sequence[Problem]) -> ConfigurationError:
    """One error for all problems, in the order of their discovery."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{source}: {count} in the configuration"]
    for problem in problems:
        lines.append(
            f"  {problem.variable} {problem.what}" if problem.variable else f"  {problem.what}"
        )
        lines.append(f"      {problem.hint}")
    return ConfigurationError("\n".join(lines))
