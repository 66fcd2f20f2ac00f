"""The TOML file that `--config` reads and `--print-config` writes: the long option names, with `_`, and `[[layer]]` tables."""

from typing import Any

import click

from gradclip_cli.cli.types import COLUMNS, PATH, Tabular
from gradclip_cli.errors import InputError, UsageError, reason
from gradclip_cli.strategies import Strategy
from gradclip_cli.text import is_unicode, with_all

_PLACES = frozenset({"files_from", "null", "output", "in_place", "config", "print_config"})
"""Options that say what is read and written: they belong to a call, as its arguments do, and not into a file."""


def _load(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Make the file's values the defaults of this command: what is given on the command line or in the environment wins."""
    if path is None:
        return
    import tomllib

    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise InputError(reason(error), path=path) from error
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
        found[names[key].name or ""] = _value(names[key], key, value)
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


def _value(param: click.Option, key: str, value: Any) -> Any:
    """Return the value of a key: of tables, or one whose text is checked where the command line's would be."""
    if not isinstance(param.type, Tabular):
        return _checked(param, key, value)
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise UsageError(f"{key} must be [[{key}]] tables with pattern, strategy and threshold")
    return [param.type.read(table) for table in value]


def as_toml(ctx: click.Context) -> str:
    """Return the options of a call that differ from the defaults, as a file for `--config`.

    Tables stand last, since whatever follows one would belong to it. Raises UsageError for bytes that are no text.
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
    """Return a value as TOML has it: what the command line parsed becomes its text again."""
    if isinstance(value, bool | int | float):
        return value
    if type(value) is tuple:  # and not a named one, such as an order
        return [_plain(item) for item in value]
    text = value.name if isinstance(value, Strategy) else str(value)
    if not is_unicode(text):
        raise UsageError(f"{text!r} is no Unicode text, which TOML cannot hold; give it on the command line")
    return text


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
