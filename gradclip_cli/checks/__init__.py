"""What may be wrong with a series: a new check is a pure function from figures to findings, its limits, and a line here."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gradclip_cli.errors import UsageError
from gradclip_cli.text import with_all

if TYPE_CHECKING:
    from gradclip_cli.checks.base import Check


def _nonfinite() -> "Check":
    from gradclip_cli.checks.number_range import find_nonfinite

    return find_nonfinite


def _exploding() -> "Check":
    from gradclip_cli.checks.exploding import find_exploding

    return find_exploding


def _vanishing() -> "Check":
    from gradclip_cli.checks.vanishing import find_vanishing

    return find_vanishing


def _dead() -> "Check":
    from gradclip_cli.checks.stuck import find_dead

    return find_dead


def _unchanged() -> "Check":
    from gradclip_cli.checks.stuck import find_unchanged

    return find_unchanged


def _dominated() -> "Check":
    from gradclip_cli.checks.imbalance import find_dominated

    return find_dominated


def _underflow() -> "Check":
    from gradclip_cli.checks.number_range import find_underflow

    return find_underflow


def _spread() -> "Check":
    from gradclip_cli.checks.imbalance import find_spread

    return find_spread


CHECKS: dict[str, Callable[[], "Check"]] = {
    "nonfinite": _nonfinite,
    "exploding": _exploding,
    "vanishing": _vanishing,
    "dead": _dead,
    "unchanged": _unchanged,
    "dominated": _dominated,
    "underflow": _underflow,
    "spread": _spread,
}
"""What loads each check when it is first needed, in the order in which findings are shown."""


def by_name(name: str) -> "Check":
    """Return the check called `name`."""
    return CHECKS[checked(name)]()


def checked(name: str) -> str:
    """Return the name of a check, whatever its case; raise where there is no such check."""
    if name.lower() in CHECKS:
        return name.lower()
    hint = with_all(name, list(CHECKS), f"rules are {', '.join(CHECKS)}")
    raise UsageError(f"there is no rule {name!r}; {hint}")


def parse_names(lists: Sequence[str]) -> tuple[str, ...]:
    """Read names of checks from several lists with commas between them.

    >>> parse_names(["dead,Spread", "dead"])
    ('dead', 'spread')
    """
    names = (name.strip() for text in lists for name in text.split(","))
    return tuple(dict.fromkeys(checked(name) for name in names))
