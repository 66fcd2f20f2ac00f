"""The command line as a TOML file that `--config` reads: what differs from the defaults."""

import json
from collections.abc import Iterator
from typing import Any

import click

from gradclip_cli.cli.config import key_of
from gradclip_cli.commands.apply.plan import Override
from gradclip_cli.errors import UsageError
from gradclip_cli.strategies import Strategy

PLACES = frozenset({"files_from", "null", "output", "in_place", "config", "print_config"})
"""Options that say what is read and written: they belong to a call, as its arguments do, and not into a file."""


def written(ctx: click.Context) -> str:
    """Return the options of a call as TOML; tables stand last, since whatever follows one would belong to it."""
    lines, tables = list[str](), list[str]()
    defaults = ctx.command.make_context(None, [], resilient_parsing=True).params
    for option in ctx.command.params:
        name = option.name or ""
        value: Any = ctx.params.get(name)
        if not isinstance(option, click.Option) or name in PLACES or value == defaults[name]:
            continue
        if name == "layer":
            tables += ["\n".join(["", "[[layer]]", *_entries(override)]) for override in value]
        elif type(value) is tuple and not option.multiple:
            lines.append(f"{key_of(option)} = {_text(','.join(value))}")
        else:
            lines.append(f"{key_of(option)} = {_value(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def _entries(override: Override) -> Iterator[str]:
    yield f"pattern = {_value(override.pattern)}"
    if override.strategy is not None:
        yield f"strategy = {_value(override.strategy)}"
    if override.threshold is not None:
        yield f"threshold = {_value(override.threshold)}"


def _value(value: Any) -> str:
    """Write one value as the command line would take it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Strategy):
        return _text(value.name)
    if type(value) is tuple:
        return f"[{', '.join(map(_value, value))}]"
    return _text(str(value))


def _text(text: str) -> str:
    """Write a basic string: JSON's escapes are TOML's, but for DEL. Raises UsageError for bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} is no Unicode text, which TOML cannot hold; give it on the command line") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
