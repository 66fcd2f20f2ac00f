"""The TOML file of `--config`: the long option names, with `_`, and `[[layer]]` tables."""

from typing import Any

import click

from gradclip_cli.cli.types import PATH
from gradclip_cli.commands.apply.plan import Override
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.strategies import find
from gradclip_cli.text import with_all
from gradclip_cli.thresholds.rules import parse

_LAYER_KEYS = {"pattern", "strategy", "threshold"}


def _load(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Make the file's values the defaults of this command: what is given on the command line or in the environment wins."""
    if path is None:
        return
    import tomllib

    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise InputError((error.strerror or str(error)).lower(), path=path) from error
    except ValueError as error:  # of tomllib, of UTF-8, or of a number too long for Python
        raise InputError(f"is no TOML: {error}", path=path) from error
    try:
        ctx.default_map = {**(ctx.default_map or {}), **_defaults(ctx.command, table)}
    except UsageError as error:
        raise click.UsageError(f"{path}: {error.message}", ctx) from error


def _defaults(command: click.Command, table: dict[str, Any]) -> dict[str, Any]:
    """Turn the file's keys into the names of parameters."""
    names = {
        key_of(param): param
        for param in command.params
        if isinstance(param, click.Option) and param.name not in ("config", "print_config")
    }
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            known = f"keys are {', '.join(sorted(names))}"
            raise UsageError(f"unknown key {key!r}; {with_all(key, names, known)}")
        found[names[key].name or ""] = _layers(value) if key == "layer" else _checked(names[key], key, value)
    return found


def key_of(param: click.Option) -> str:
    """Return the key of an option: its long name, with `_`."""
    return max(param.opts, key=len).lstrip("-").replace("-", "_")


def _checked(param: click.Option, key: str, value: Any) -> Any:
    """Check the kind of a value; its text is checked where the command line's would be."""
    if param.is_flag:
        fits = isinstance(value, bool)
    elif param.multiple:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
    else:
        fits = isinstance(value, str | int | float) and not isinstance(value, bool)
    if not fits:
        kind = "true or false" if param.is_flag else "a list of texts" if param.multiple else "a text or a number"
        raise UsageError(f"{key} must be {kind}")
    return value if param.is_flag or param.multiple else str(value)


def _layers(tables: Any) -> list[Override]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError("layer must be [[layer]] tables with pattern, strategy and threshold")
    return [_override(table) for table in tables]


def _override(table: dict[str, Any]) -> Override:
    if unknown := table.keys() - _LAYER_KEYS:
        raise UsageError(f"unknown key {sorted(unknown)[0]!r} in [[layer]]; keys are {', '.join(sorted(_LAYER_KEYS))}")
    pattern, strategy, threshold = table.get("pattern"), table.get("strategy"), table.get("threshold")
    if (
        not isinstance(pattern, str)
        or not isinstance(strategy, str | None)
        or isinstance(threshold, bool | list | dict)
    ):
        raise UsageError("[[layer]] needs a pattern, and a strategy, a threshold or both")
    value = None if threshold is None else parse(str(threshold))
    return Override(pattern, find(strategy) if strategy else None, value)


CONFIG = click.option(
    "--config",
    type=PATH,
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_load,
    help="Take options from a TOML file; [[layer]] tables are overrides.",
)

PRINT_CONFIG = click.option(
    "--print-config",
    is_flag=True,
    help="Print the options of this call, but for its inputs and outputs, as a file for --config, and do nothing else.",
)
