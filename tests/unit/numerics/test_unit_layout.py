"""Units are what outputs see, wherever a format stores their axis."""

import numpy as np
import pytest

from gradclip_cli.inputs.unit_axis import FIRST, LAST
from gradclip_cli.numerics.unit_layout import UnitLayout, rows_of

SHAPES = [(), (5,), (1, 5), (5, 1), (4, 3), (3, 4), (2, 3, 4), (3, 3, 5, 7), (1, 2, 1, 3), (0, 3), (2, 2, 2, 2, 3)]


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("axis", [FIRST, LAST])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_element_is_of_the_unit_of_its_index(shape: tuple[int, ...], axis: str, *, fortran: bool) -> None:
    """The unit of an element is its index along the axis; a tensor of one dimension besides those of 1 is one unit."""
    layout = UnitLayout.of(shape, first=axis == FIRST, fortran=fortran)
    single = sum(length > 1 for length in shape) < 2 or 0 in shape
    wanted = np.zeros(shape, int) if single else np.indices(shape)[0 if axis == FIRST else -1]
    stored = wanted.ravel("F" if fortran else "C")
    assert layout.units == (1 if single else shape[0 if axis == FIRST else -1])
    assert layout.unit_of(np.arange(layout.size)).tolist() == stored.tolist()


def test_a_piece_keeps_the_units_of_its_axis() -> None:
    """One row of a larger matrix has a unit for each column, which only the whole may make one."""
    assert UnitLayout.of((1, 5), first=False).units == 1
    assert UnitLayout.of((1, 5), first=False, piece=True) == UnitLayout(5, 5, True)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize(("start", "count"), [(0, 12), (2, 8), (1, 1), (5, 4), (3, 9)])
def test_rows_name_the_unit_of_each_element(start: int, count: int, *, across: bool) -> None:
    """Rows cover a range in order, and say of which units their elements are."""
    layout = UnitLayout(3 if across else 4, 12, across)
    found: list[int] = []
    for rows in rows_of(layout, start, count):
        assert rows.start == len(found)
        number = (rows.stop - rows.start) // rows.width
        units = np.arange(rows.width) if across else np.repeat(np.arange(number), rows.width)
        found += (rows.first + (np.tile(units, number) if across else units)).tolist()
    assert found == layout.unit_of(np.arange(start, start + count)).tolist()
