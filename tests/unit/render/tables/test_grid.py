"""Figures in tables have as many digits as a person reads."""

import math

import pytest

from gradclip_cli.render.tables.grid import dump_name, factor_text, figure, near_one, norm_name, step_number


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1137.9918, "1138"), (0.0, "0"), (1e-9, "1e-09"), (math.nan, "nan"), (-math.inf, "-inf")],
)
def test_figures_have_four_digits(value: float | None, text: str) -> None:
    """A figure in a table has four significant digits; what was not measured is a dash."""
    assert figure(value) == text


@pytest.mark.parametrize(
    ("factor", "digits", "text"),
    [
        *[(0.106949, 4, "0.1069"), (0.5, 4, "0.5"), (0.9996, 4, "0.9996"), (1 - 1e-9, 4, "0.999999999"), (1.0, 4, "1")],
        *[(None, 4, "-"), (0.94031, 3, "0.94"), (0.9996, 3, "0.9996")],
    ],
)
def test_a_factor_that_is_not_1_does_not_look_so(factor: float | None, digits: int, text: str) -> None:
    """A factor has as many digits as its table wants, or as many as it takes."""
    assert factor_text(factor, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1.0005, "1.0005"), (-0.99999997, "-0.99999997"), (1 + 1e-12, "1+1e-12"), (1 - 2e-16, "1")],
)
def test_what_is_near_1_is_told_from_it(value: float, text: str) -> None:
    """A ratio or a cosine near 1 has the digits that say how near, but not those that rounding leaves."""
    assert near_one(value) == text


def test_a_norm_and_a_step_are_named() -> None:
    """The 2-norm needs no P, and a dump without a step has a dash."""
    assert (norm_name(2.0), norm_name(1.0), norm_name(float("inf"))) == ("norm", "L1 norm", "Linf norm")
    assert (step_number(0), step_number(None)) == ("0", "-")


@pytest.mark.parametrize(
    ("given", "step", "name", "text"),
    [
        ("run/a.npz", 7, None, "step 7"),
        ("run/a.npz", None, None, "a.npz"),
        (["run/a.npz", "run/b.npz"], None, None, "a.npz and 1 more"),
        ("run/a.npz", 3, "epoch1-2", "epoch1-2"),
    ],
)
def test_dumps_are_called_by_their_steps(given: str | list[str], step: int | None, name: str | None, text: str) -> None:
    """A dump is called by the name that stands for its running number, by its step, or by its file."""
    assert dump_name(step, name, given) == text
