"""Complete what a user is typing from the registries, and from the headers of the dumps typed so far."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from glob import escape
from typing import TYPE_CHECKING

from gradclip_cli.checks import NAMES
from gradclip_cli.errors import GradclipError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.naming import Naming, natural
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.storage.locations import is_remote
from gradclip_cli.strategies import STRATEGIES
from gradclip_cli.text import plain
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES
from gradclip_cli.thresholds.rules import AUTO, RULES, is_rule

if TYPE_CHECKING:
    from click import Context

    from gradclip_cli.tensors import TensorSpec

_MOST_DUMPS = 4
"""Dumps of a series that are opened for their names; the others are expected to have the same."""


def strategies(ctx: "Context", typed: str) -> list[str]:
    """Complete the name of a strategy, ignoring case, `-` and `_`."""
    return [strategy.name for strategy in STRATEGIES if plain(strategy.name).startswith(plain(typed))]


def rules(ctx: "Context", typed: str) -> list[str]:
    """Complete a rule with its usual argument and, behind a comma, the names of its other parameters."""
    known = *RULES, *ADAPTIVE_RULES, AUTO
    before, comma, last = typed.rpartition(",")
    if comma:
        more = [one for rule in known if rule.name == before.partition(":")[0] for one in rule.parameters]
        return [
            f"{before},{one.name}={word}" for one in more for word in one.words or ("",) if one.name.startswith(last)
        ]
    return [str(rule).removesuffix("X") for rule in known if str(rule).startswith(typed)]


def among(names: Sequence[str], ctx: "Context", typed: str) -> list[str]:
    """Complete one of several names."""
    return [name for name in names if name.startswith(typed)]


def checks(ctx: "Context", typed: str) -> list[str]:
    """Complete the last of several comma-separated checks; keep those before it, and do not offer them again."""
    before, comma, last = typed.rpartition(",")
    return [f"{before}{comma}{rule}" for rule in NAMES if rule.startswith(last) and rule not in before.split(",")]


def trials(ctx: "Context", typed: str) -> list[str]:
    """Complete the value of `--try`: a strategy, then a rule that chooses one threshold; or a rule alone."""
    name, colon, threshold = typed.partition(":")
    if not colon:
        return [*strategies(ctx, typed), *(rules(ctx, typed) if typed else [])]
    if is_rule(name):
        return rules(ctx, typed)
    return [f"{name}:{rule}" for rule in (*RULES, AUTO) if str(rule).startswith(threshold)]


def overrides(ctx: "Context", typed: str) -> list[str]:
    """Complete the value of `--layer`: a layer of the dumps, then a strategy, then a rule.

    Where only one layer is left, offer its strategies at once: a shell would take a lone `LAYER=` for a finished word.
    """
    pattern, equals, rest = typed.rpartition("=")
    found = [layer for layer in map(escape, _layers(ctx)) if layer.startswith(typed)]
    if not equals and len(found) != 1:
        return [f"{layer}=" for layer in found]
    if not equals:
        pattern = found[0]
    name, colon, threshold = rest.partition(":")
    if colon:
        return [f"{pattern}={name}:{rule}" for rule in rules(ctx, threshold)]
    return [f"{pattern}={strategy}" for strategy in strategies(ctx, name if equals else "")]


def tensors(ctx: "Context", typed: str) -> list[str]:
    """Complete the name of a tensor in the dumps, escaped so that as a pattern it matches itself alone."""
    selection = Selection(void_dtype=ctx.params.get("void_dtype"), input_format=ctx.params.get("input_format"))
    names = dict.fromkeys(escape(spec.name) for specs in _headers(ctx, selection) for spec in specs)
    return [name for name in names if name.startswith(typed)]


def _layers(ctx: "Context") -> list[str]:
    """Return the layers of the dumps that an override may match, in natural order."""
    options, found = ctx.params, set()
    with suppress(GradclipError):
        selection = Selection(
            options.get("include") or (),
            options.get("exclude") or (),
            Naming.parse(options.get("layer_regex"), options.get("group_depth")),
            options.get("input_format"),
            options.get("void_dtype"),
        )
        for specs in _headers(ctx, selection):
            places = selection.naming.places([spec.name for spec in specs])
            taken = [spec.dtype.is_gradient and selection.takes(spec.name) for spec in specs]
            found |= {place.layer for place, counts in zip(places, taken, strict=True) if counts}
    return sorted(found, key=natural)


def _headers(ctx: "Context", selection: Selection) -> Iterator[list["TensorSpec"]]:
    """Yield the tensors of each file of the dumps typed so far; skip standard input, URLs, and files that cannot be read."""
    for path in [path for path in _typed(ctx) if path != "-" and not is_remote(path)][:_MOST_DUMPS]:
        from gradclip_cli.inputs.opened import OpenDump

        with suppress(GradclipError, OSError, ValueError), OpenDump(find_dumps([path]).sources[0], selection) as dump:
            for file in dump.each():
                yield list(file.tensors)


def _typed(ctx: "Context") -> list[str]:
    """Return the arguments before the cursor, which click keeps in `ctx.args` while an option still lacks its value."""
    named = [param.name or "" for param in ctx.command.params if param.param_type_name == "argument"]
    values = [ctx.params.get(name) or () for name in named]
    return [*(path for value in values for path in ([value] if isinstance(value, str) else value)), *ctx.args]
