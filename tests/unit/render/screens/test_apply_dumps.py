"""The table of dumps shows the norm that was read, and says what a strategy does."""

import math

import pytest

from gradclip_cli.render.screens.apply_dumps import done, norm_before
from gradclip_cli.render.screens.line import bad
from gradclip_cli.reports.apply import ApplyReport, ApplyTotal

TOTAL = ApplyTotal(1, 6, math.nan, 1.0, math.nan, 0.1, 1, 1, 6)


@pytest.mark.parametrize(
    ("strategy", "word"), [("clip-by-global-norm", "clipped"), ("renormalize-l2-per-layer", "changed")]
)
def test_what_a_strategy_does(strategy: str, word: str) -> None:
    """Strategies that renormalize change groups of any norm, others clip."""
    assert done(ApplyReport(strategy, 1.0, 2.0, 0.0, "error", [], [])) == word


def test_norms_that_are_not_finite_are_marked() -> None:
    """Where NaN became 0, the norm that was clipped stands beside the one that was read."""
    assert norm_before(TOTAL._replace(norm_before=5.0)) == "5"
    assert norm_before(TOTAL) == bad("nan")
    assert norm_before(TOTAL._replace(replaced=1, finite_norm_before=3.0)) == bad("nan (3 without)")
