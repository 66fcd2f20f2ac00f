"""Look up checks by name; a test makes sure that the names are those of the package."""

from collections.abc import Iterator, Mapping, Sequence

from gradclip_cli.checks.accumulating import find_accumulating
from gradclip_cli.checks.base import Check, Figures, Problem
from gradclip_cli.checks.exploding import find_exploding
from gradclip_cli.checks.growing import find_growing
from gradclip_cli.checks.imbalance import find_dominated, find_spread
from gradclip_cli.checks.limits import Limits
from gradclip_cli.checks.logged_norms import LoggedFigures, find_nonfinite_norms
from gradclip_cli.checks.number_range import find_nonfinite, find_underflow
from gradclip_cli.checks.ratio import find_ratio
from gradclip_cli.checks.stuck import find_dead, find_unchanged
from gradclip_cli.checks.unlike_baseline import find_unlike_baseline
from gradclip_cli.checks.vanishing import find_fading, find_vanishing

CHECKS: Mapping[str, Check] = {
    "nonfinite": find_nonfinite,
    "exploding": find_exploding,
    "growing": find_growing,
    "accumulating": find_accumulating,
    "vanishing": find_vanishing,
    "dead": find_dead,
    "unchanged": find_unchanged,
    "underflow": find_underflow,
    "dominated": find_dominated,
    "spread": find_spread,
    "ratio": find_ratio,
    "unlike-baseline": find_unlike_baseline,
}

OF_LOGS: Mapping[str, Check] = {"nonfinite": find_nonfinite_norms, "vanishing": find_fading}
"""What takes the place of checks where there are norms, and no elements."""


def findings(names: Sequence[str], figures: Figures, limits: Limits) -> Iterator[tuple[str, Problem]]:
    """Return the problems that the named checks find, each with the name of its check."""
    checks = {**CHECKS, **OF_LOGS} if isinstance(figures, LoggedFigures) else CHECKS
    return ((name, found) for name in names for found in checks[name](figures, limits))
