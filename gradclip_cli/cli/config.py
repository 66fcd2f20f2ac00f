"""Read the TOML file of `--config` and write that of `--print-config`: long option names, with `_`, and `[[layer]]` tables."""

from typing import Any

import click

from gradclip_cli.cli.help import RUN, grouped
from gradclip_cli.cli.types import COLUMNS, LOCAL_PATH, Tabular
from gradclip_cli.errors import InputError, UsageError, reason
from gradclip_cli.strategies import Strategy
from gradclip_cli.text import is_unicode, with_all

_OF_SOME = frozenset({"cache"})
"""Flags that change no report: in a file for several commands, those without the option pass over them."""

_PLACES = frozenset({"files_from", "null", "output", "in_place", "config", "print_config"})
"""Options that name inputs and outputs: like arguments, they belong to one call and not into a file."""


def _load(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Use the file's values as defaults of this command; the command line and the environment override them."""
    if path is None:
        return
    import tomllib

    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise InputError(reason(error), path=path) from error
    except ValueError as error:  # bad TOML, bad UTF-8, or a number too long for Python
        raise InputError(f"is no TOML: {error}", path=path) from error
    try:
        ctx.default_map = {**(ctx.default_map or {}), **_defaults(ctx.command, table)}
    except UsageError as error:
        raise click.UsageError(f"{path}: {error.message}", ctx) from error


def _defaults(command: click.Command, table: dict[str, Any]) -> dict[str, Any]:
    """Map the file's keys to the names of parameters; raise UsageError for an unknown key or a value of the wrong type."""
    names = {
        key_of(param): param
        for param in command.params
        if isinstance(param, click.Option) and param.name not in ("config", "print_config")
    }
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in _OF_SOME.difference(names):
            if not isinstance(value, bool):
                raise UsageError(f"{key} must be true or false")
            continue
        if key not in names:
            known = f"keys are {', '.join(sorted(names))}"
            raise UsageError(f"unknown key {key!r}; {with_all(key, names, known)}")
        found[names[key].name or ""] = _value(names[key], key, value)
    return found


def key_of(param: click.Option) -> str:
    """Return the key of an option in the file: its long name, with `_`."""
    return max(param.opts, key=len).lstrip("-").replace("-", "_")


def _checked(param: click.Option, key: str, value: Any) -> Any:
    """Check the type of a value; click checks its text as it does on the command line."""
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


def _value(param: click.Option, key: str, value: Any) -> Any:
    """Return the value of a key, converting tables where the option takes them."""
    if not isinstance(param.type, Tabular):
        return _checked(param, key, value)
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise UsageError(f"{key} must be [[{key}]] tables with pattern, strategy and threshold")
    return [param.type.read(table) for table in value]


def as_toml(ctx: click.Context) -> str:
    """Return the options of a call that differ from the defaults, as the text of a file for `--config`.

    Tables come last, since TOML takes any key after a table for a part of it. Raises UsageError for bytes that are not text.
    """
    import tomli_w

    options, tables = dict[str, Any](), list[dict[str, Any]]()
    defaults = ctx.command.make_context(None, [], resilient_parsing=True).params
    for option in ctx.command.params:
        value = ctx.params.get(option.name or "")
        if not isinstance(option, click.Option) or option.name in _PLACES or value == defaults[option.name or ""]:
            continue
        if isinstance(option.type, Tabular):
            tables = [{key: _plain(one) for key, one in option.type.write(item).items()} for item in value or ()]
        else:
            options[key_of(option)] = _plain(",".join(value or ()) if option.type is COLUMNS else value)
    return "\n[[layer]]\n".join([tomli_w.dumps(options), *map(tomli_w.dumps, tables)])


def _plain(value: Any) -> Any:
    """Return a value that TOML can hold: turn what the command line has parsed back into its text."""
    if isinstance(value, bool | int | float):
        return value
    if type(value) is tuple:  # not a named tuple, such as Order
        return [_plain(item) for item in value]
    text = value.name if isinstance(value, Strategy) else str(value)
    if not is_unicode(text):
        raise UsageError(f"{text!r} is no Unicode text, which TOML cannot hold; give it on the command line")
    return text


CONFIG = grouped(
    RUN,
    click.option(
        "--config",
        type=LOCAL_PATH,
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_load,
        help="Take options from a TOML file; [[layer]] tables are overrides.",
    ),
    rare=True,
)

PRINT_CONFIG = grouped(
    RUN,
    click.option(
        "--print-config",
        is_flag=True,
        help="Print the options of this call, but for its inputs and outputs, as a file for --config, and do nothing else.",
    ),
    rare=True,
)
