"""A text becomes a value once, where it is typed."""

import click
import pytest
from click.shell_completion import CompletionItem

from gradclip_cli.cli import completion
from gradclip_cli.cli.check import NAMES
from gradclip_cli.cli.layers import OVERRIDE
from gradclip_cli.cli.types import COUNT, PATH, REAL, STRATEGY, WHOLE, Parsed
from gradclip_cli.commands.apply.plan import Override
from gradclip_cli.commands.stats.plan import Trial
from gradclip_cli.strategies import find


def offered(items: list[CompletionItem]) -> list[str]:
    """Return the texts of a completion."""
    return [item.value for item in items]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (REAL, "1e-3", 1e-3),
        (WHOLE, "-3", -3),
        (COUNT, "2", 2),
        (STRATEGY, "ClipL2PerLayer", find("clip-l2-per-layer")),
        (NAMES, "Dead,spread", ("dead", "spread")),
        (OVERRIDE, "a=b=:0.5", Override("a=b", None, 0.5)),
        (OVERRIDE, "a=none", Override("a", find("none"))),
        (OVERRIDE, "a=:mad:5", Override.of("a", None, "mad:5")),
    ],
)
def test_a_text_becomes_a_value(kind: Parsed, text: str, value: object) -> None:
    """What is typed is parsed, and what is parsed already stays as it is."""
    assert kind.convert(text, None, None) == value
    assert kind.convert(value, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (REAL, "1_0", "no number"),
        (REAL, "1e400", "beyond float64"),
        (WHOLE, "1.0", "no whole number"),
        (COUNT, "0", "not at least 1"),
        (STRATEGY, "nosuch", "no strategy"),
        (NAMES, "ded", "did you mean dead"),
        (OVERRIDE, "=none", "is not PATTERN="),
        (OVERRIDE, "a=", "needs a strategy, a threshold, or both"),
        (Parsed("trial", Trial.parse, completion.trials), "none:1", "takes no threshold"),
        (PATH, "", "the path is empty"),
    ],
)
def test_a_text_that_is_none_is_wrong_usage(kind: click.ParamType, text: str, said: str) -> None:  # type: ignore[type-arg, unused-ignore]
    """click shows the reason behind the option's name."""
    with pytest.raises(click.BadParameter, match=said):
        kind.convert(text, None, None)


def test_what_does_not_print_is_never_offered() -> None:
    """A terminal might obey it."""
    kind = Parsed("name", str, lambda ctx, typed: ["a\x1b[31m", "ab", "a\nb"])
    context = click.Context(click.Command("x"))
    assert offered(kind.shell_complete(context, click.Argument(["a"]), "a")) == ["ab"]


def test_a_type_without_completion_offers_nothing() -> None:
    """Numbers are not completed."""
    context = click.Context(click.Command("x"))
    assert REAL.shell_complete(context, click.Argument(["a"]), "1") == []
