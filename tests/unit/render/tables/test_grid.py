"""Figures in tables have as many digits as a person reads."""

import math

import pytest

from gradclip_cli.render.tables.grid import figure


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1137.9918, "1138"), (0.0, "0"), (1e-9, "1e-09"), (math.nan, "nan"), (-math.inf, "-inf")],
)
def test_figures_have_four_digits(value: float | None, text: str) -> None:
    """A figure in a table has four significant digits; what was not measured is a dash."""
    assert figure(value) == text
