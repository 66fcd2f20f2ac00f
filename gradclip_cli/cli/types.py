"""The types of options: how a text becomes a value, and how one that is begun can be completed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gradclip_cli.commands.stats.plan import Trial
from gradclip_cli.errors import UsageError
from gradclip_cli.render.view import parse_columns, parse_order
from gradclip_cli.strategies import find
from gradclip_cli.text import real, whole
from gradclip_cli.thresholds.rules import parse, parse_rule

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Parsed(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A type whose values are parsed by a function that raises UsageError; values that are no text are taken as they are."""

    def __init__(
        self,
        name: str,
        parse: Callable[[str], Any],
        completion: str = "",
    ) -> None:
        self.name, self._parse, self._completion = name, parse, completion

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a text."""
        try:
            return self._parse(str(value)) if isinstance(value, str | int | float) else value
        except UsageError as error:
            self.fail(error.message, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Offer what the text could become; never what does not print, which a terminal might obey."""
        from click.shell_completion import CompletionItem

        from gradclip_cli.cli import completion

        offered = getattr(completion, self._completion)(ctx, incomplete) if self._completion else []
        return [CompletionItem(text) for text in offered if text.isprintable()]


class Place(click.Path):  # type: ignore[type-arg, unused-ignore]
    """A path, which shells complete; one that is empty is what an unset variable leaves."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty text."""
        if value == "":
            self.fail("the path is empty; name a file or a directory", param, ctx)
        return super().convert(value, param, ctx)


def _real(text: str) -> float:
    value = real(text)
    if value is None:
        raise UsageError(f"{text!r} is no number, or one beyond float64")
    return value


def _whole(text: str) -> int:
    value = whole(text)
    if value is None:
        raise UsageError(f"{text!r} is no whole number")
    return value


def _count(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise UsageError(f"{value} is not at least 1")
    return value


REAL, WHOLE, COUNT = Parsed("number", _real), Parsed("number", _whole), Parsed("number", _count)
PATH = Place()
STRATEGY = Parsed("strategy", find, "strategies")
THRESHOLD = Parsed("threshold", parse, "rules")
RULE = Parsed("rule", parse_rule, "rules")
TENSORS = Parsed("pattern", str, "tensors")
COLUMNS = Parsed("columns", parse_columns)
ORDER = Parsed("order", parse_order)
TRIAL = Parsed("trial", Trial.parse, "trials")
