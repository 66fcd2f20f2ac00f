"""What the statistics of several tensors are together."""

import numpy as np

from gradclip_cli.numerics.overall import Overall

INTS = np.array([[[4, 1, 0, 0, 0, 0], [6, 0, 1, 2, 0, 3]], [[2, 2, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0]]], np.int64)
FLOATS = np.array([[[3.0, 9.0], [5.0, 1.0]], [[0.0, 0.0], [0.5, 0.25]]])
EXPECTED = [((10, 1, 1, 2, 0), 5.0, True), ((3, 2, 0, 0, 1), 0.5, False)]


def test_counts_are_added_and_the_largest_is_taken() -> None:
    """Several blocks at once are as each alone; a sum with an exponent is scaled."""
    assert [Overall.of(*pair) for pair in zip(INTS, FLOATS, strict=True)] == EXPECTED
    assert Overall.of_each(INTS, FLOATS) == EXPECTED


def test_no_rows() -> None:
    """Of no tensors, everything is 0."""
    assert Overall.of(INTS[0, :0], FLOATS[0, :0]) == ((0, 0, 0, 0, 0), 0.0, False)
    assert Overall.of_each(INTS[:, :0], FLOATS[:, :0]) == [((0, 0, 0, 0, 0), 0.0, False)] * 2
