"""The types of options: each parses a text, and completes one that is being typed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gradclip_cli.cli import completion
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.wanted_steps import WantedSteps
from gradclip_cli.render.view import parse_columns, parse_order
from gradclip_cli.storage.location_names import given
from gradclip_cli.storage.locations import is_remote
from gradclip_cli.text import printable, real, whole
from gradclip_cli.thresholds.rules import parse, parse_rule, strategy_called

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


Complete = Callable[[click.Context, str], list[str]]
"""A function that returns the completions of the text typed so far."""


def _nothing(ctx: click.Context, typed: str) -> list[str]:
    return []


class Parsed(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A type that a function parses, raising UsageError; a value that is already parsed is kept."""

    def __init__(self, name: str, parse: Callable[[str], Any], complete: Complete = _nothing) -> None:
        self.name, self._parse, self._complete = name, parse, complete

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a text."""
        try:
            return self._parse(str(value)) if isinstance(value, str | int | float) else value
        except UsageError as error:
            self.fail(error.message, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Complete a text; leave out names that do not print, since a terminal might obey them."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(text) for text in self._complete(ctx, incomplete) if text.isprintable()]


class Tabular(Parsed):
    """A type whose values are tables in a configuration file; `read` converts a table into a value, `write` the reverse."""

    def __init__(
        self,
        name: str,
        parse: Callable[[str], Any],
        complete: Complete,
        read: Callable[[dict[str, Any]], Any],
        write: Callable[[Any], dict[str, Any]],
    ) -> None:
        super().__init__(name, parse, complete)
        self.read, self.write = read, write


class NonEmptyPath(click.Path):  # type: ignore[type-arg, unused-ignore]
    """A path, which shells complete. It must not be empty, as where a variable in a script is unset."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail where it is empty."""
        if value == "":
            self.fail("the path is empty; name a file or a directory", param, ctx)
        return super().convert(value, param, ctx)


class LocalPath(NonEmptyPath):
    """A path on this machine, or a `file://` URL of one: of a file that says what to do, and is no dump."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail for any other URL."""
        path = given(super().convert(value, param, ctx))
        if is_remote(path):
            self.fail(f"{printable(path)} is not on this machine; download it first", param, ctx)
        return path


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
PATH = NonEmptyPath(readable=False)  # what cannot be read is an error of the input, wherever it is named
LOCAL_PATH = LocalPath(readable=False)
STRATEGY = Parsed("strategy", strategy_called, completion.strategies)
THRESHOLD = Parsed("threshold", parse, completion.rules)
UNSCALE = Parsed("loss scale", parse_unscale)
RULE = Parsed("rule", parse_rule, completion.rules)
TENSORS = Parsed("pattern", str, completion.tensors)
STEPS = Parsed("steps", WantedSteps.parse)
COLUMNS = Parsed("columns", parse_columns)
ORDER = Parsed("order", parse_order)
