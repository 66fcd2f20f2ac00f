"""The rules of `check`: one module each, a pure function from figures to what is wrong with them."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gradclip_cli.errors import UsageError
from gradclip_cli.text import with_all

if TYPE_CHECKING:
    from gradclip_cli.rules.base import Rule

RULES = ("nonfinite", "exploding", "vanishing", "dead", "unchanged", "dominated", "underflow", "spread")
"""The modules of this package that are rules, in the order in which their findings are shown."""


def by_name(name: str) -> "Rule":
    """Return the rule called `name`; it is imported when it is first needed."""
    return cast("Rule", import_module(f"{__name__}.{checked(name)}").find)


def checked(name: str) -> str:
    """Return the name of a rule, whatever its case; raise where there is no such rule."""
    if name.lower() in RULES:
        return name.lower()
    hint = with_all(name, RULES, f"rules are {', '.join(RULES)}")
    raise UsageError(f"there is no rule {name!r}; {hint}")


def parse(lists: Sequence[str]) -> tuple[str, ...]:
    """Read names of rules from several lists with commas between them.

    >>> parse(["dead,Spread", "dead"])
    ('dead', 'spread')
    """
    names = (name.strip() for text in lists for name in text.split(","))
    return tuple(dict.fromkeys(checked(name) for name in names))
