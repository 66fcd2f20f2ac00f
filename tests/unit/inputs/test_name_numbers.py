"""Names are compared number by number, whatever zeros stand before a number."""

import pytest

from gradclip_cli.inputs.name_numbers import apart, differ_in_one, varying


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["g_1.npz", "g_2.npz"], [1]),
        (["s1_r0.npz", "s2_r1.npz"], [1, 3]),
        (["s01_r0.npz", "s1_r1.npz"], [3]),
        (["g_1.npz", "h_2.npz"], []),
        (["g_1.npz", "g.npz"], []),
        (["g_1.npz"], []),
        (["g_0.npz", "g_000.npz", "g_00.npz"], []),
        ([], []),
    ],
)
def test_numbers_that_differ(names: list[str], places: list[int]) -> None:
    """They are found only if all else is the same in all names; 1 and 01 are the same number."""
    assert varying([apart(name) for name in names]) == places
    assert differ_in_one([apart(name) for name in names]) is (len(places) == 1)


def test_a_name_is_its_parts() -> None:
    """Texts and numbers in turn make the name again."""
    assert apart("7_of_12") == ["", "7", "_of_", "12", ""]
    assert "".join(apart("run3/step_010.npz")) == "run3/step_010.npz"
