"""Write what a user has chosen of the inputs, and of how remote ones are asked for, as options, for a command that is proposed."""

import shlex

from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.selection import TIED, Selection
from gradclip_cli.storage.remote.settings import CONNECTIONS, TIMEOUT, current

Value = str | int | float | bool | None


def as_options(selection: Selection, choices: Choices = DEFAULT, *, allow_missing: bool = False) -> list[str] | None:
    """Return the options, quoted for a shell; None where one of their values does not print."""
    given = [
        pair for option, values in _values(selection, choices, allow_missing).items() for pair in _each(option, values)
    ]
    if not all(value.isprintable() for _, value in given):
        return None
    return [f"{option} {shlex.quote(value)}" if value else option for option, value in given]


def as_number(value: float) -> str:
    """Write a number so that it is read as the same one.

    >>> as_number(65536.0), as_number(0.1), as_number(1e-06)
    ('65536', '0.1', '1e-06')
    """
    return repr(value).removesuffix(".0")


def _values(selection: Selection, choices: Choices, allow_missing: bool) -> dict[str, Value | tuple[str, ...]]:
    (regex, depth), asking = selection.naming, current()
    return {
        "--files": choices.files,
        "--shards": choices.shards,
        "--repeated": choices.repeated,
        "--accumulate": choices.accumulate,
        "--steps": None if selection.steps is None else str(selection.steps),
        "--along": selection.along,
        "--replicated": selection.replicated,
        "--tied": None if selection.tied == TIED[0] else selection.tied,
        "--allow-missing": allow_missing,
        "--unscale": selection.unscale,
        "--include": selection.include,
        "--exclude": selection.exclude,
        "--layer-regex": regex and regex.pattern,
        "--group-depth": depth,
        "--input-format": selection.input_format,
        "--void-dtype": selection.void_dtype,
        "--allow-huge": selection.allow_huge,
        "--connections": asking.connections if asking.connections != CONNECTIONS else None,
        "--anonymous": asking.anonymous,
        "--timeout": asking.timeout if asking.timeout != TIMEOUT else None,
    }


def _each(option: str, values: Value | tuple[str, ...]) -> list[tuple[str, str]]:
    """Return an option with each of its values as a text, which is empty for a flag."""
    if values is None or isinstance(values, bool):
        return [(option, "")] if values else []
    if isinstance(values, tuple):
        return [(option, value) for value in values]
    return [(option, as_number(values) if isinstance(values, float) else str(values))]
