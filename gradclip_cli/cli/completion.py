"""What could stand where a person is typing: from the registries, and from the headers of dumps typed before."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from gradclip_cli.checks import CHECKS
from gradclip_cli.errors import GradclipError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.planning import naming
from gradclip_cli.strategies import STRATEGIES
from gradclip_cli.text import plain
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES
from gradclip_cli.thresholds.rules import RULES

if TYPE_CHECKING:
    from click import Context

    from gradclip_cli.tensors import TensorSpec

_MOST_DUMPS = 4
"""Of a series, so many dumps are asked for names; the others have the same."""


def strategies(ctx: "Context", typed: str) -> list[str]:
    """Return the strategies that begin so, without regard to case, `-` and `_`."""
    return [strategy.name for strategy in STRATEGIES if plain(strategy.name).startswith(plain(typed))]


def rules(ctx: "Context", typed: str) -> list[str]:
    """Return the rules that begin so, with their usual arguments."""
    return [str(rule) for rule in (*RULES, *ADAPTIVE_RULES) if str(rule).startswith(typed)]


def checks(ctx: "Context", typed: str) -> list[str]:
    """Return the last of several names of rules of `check`, behind those before it."""
    before, comma, last = typed.rpartition(",")
    return [f"{before}{comma}{rule}" for rule in CHECKS if rule.startswith(last) and rule not in before.split(",")]


def trials(ctx: "Context", typed: str) -> list[str]:
    """Return texts of `--try`: strategies, then rules that choose one threshold."""
    name, colon, threshold = typed.partition(":")
    if not colon:
        return strategies(ctx, typed)
    return [f"{name}:{rule}" for rule in RULES if str(rule).startswith(threshold)]


def overrides(ctx: "Context", typed: str) -> list[str]:
    """Return texts of `--layer`: layers of the dumps, then strategies, then rules.

    Where only one layer is left, its strategies are offered at once, so that no shell takes `LAYER=` for a whole word.
    """
    pattern, equals, rest = typed.rpartition("=")
    found = [layer for layer in map(escaped, _layers(ctx)) if layer.startswith(typed)]
    if not equals and len(found) != 1:
        return [f"{layer}=" for layer in found]
    if not equals:
        pattern = found[0]
    name, colon, threshold = rest.partition(":")
    if colon:
        return [f"{pattern}={name}:{rule}" for rule in rules(ctx, threshold)]
    return [f"{pattern}={strategy}" for strategy in strategies(ctx, name if equals else "")]


def tensors(ctx: "Context", typed: str) -> list[str]:
    """Return patterns for the tensors of the dumps that begin so."""
    selection = Selection(void_dtype=ctx.params.get("void_dtype"), input_format=ctx.params.get("input_format"))
    names = dict.fromkeys(escaped(spec.name) for specs in _headers(ctx, selection) for spec in specs)
    return [name for name in names if name.startswith(typed)]


def escaped(name: str) -> str:
    """Return the pattern that matches a name and nothing else.

    >>> escaped("w[0]*")
    'w[[]0][*]'
    """
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _layers(ctx: "Context") -> list[str]:
    """Return the layers that an override could match, in natural order."""
    options, found = ctx.params, set()
    with suppress(GradclipError):
        selection = Selection(
            options.get("include") or (),
            options.get("exclude") or (),
            naming(options.get("layer_regex"), options.get("group_depth")),
            options.get("input_format"),
            options.get("void_dtype"),
        )
        for specs in _headers(ctx, selection):
            places = selection.naming.places([spec.name for spec in specs])
            taken = [spec.dtype.is_float and selection.takes(spec.name) for spec in specs]
            found |= {place.layer for place, counts in zip(places, taken, strict=True) if counts}
    return sorted(found, key=natural)


def _headers(ctx: "Context", selection: Selection) -> Iterator[list["TensorSpec"]]:
    """Yield the tensors of the dumps typed so far; of what cannot be read there are none. Standard input is left alone."""
    for path in [path for path in _typed(ctx) if path != "-"][:_MOST_DUMPS]:
        from gradclip_cli.inputs.opened import OpenDump

        with suppress(GradclipError, OSError, ValueError), OpenDump(find_dumps([path])[0], selection) as dump:
            for file in dump.each():
                yield list(file.tensors)


def _typed(ctx: "Context") -> list[str]:
    """The arguments before the cursor; click puts them elsewhere while an option still lacks its value."""
    named = [param.name or "" for param in ctx.command.params if param.param_type_name == "argument"]
    values = [ctx.params.get(name) or () for name in named]
    return [*(path for value in values for path in ([value] if isinstance(value, str) else value)), *ctx.args]
