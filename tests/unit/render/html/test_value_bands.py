import numpy as np

from gradclip_cli.render.html.value_bands import bands_table, in_bands, layers_table, limits, sentence_of
from gradclip_cli.reports.values import Magnitudes


def counted(*counts: tuple[int, int]) -> Magnitudes:
    """A layer with so many elements of these exponents, above -40, and one that is 0."""
    values = np.zeros((1, 60), np.int64)
    for exponent, count in counts:
        values[0, exponent + 40] = count
    return Magnitudes(["a"], -40, values, np.array([1]), np.array([0]))


def test_the_limits_are_those_of_the_dtypes() -> None:
    """Limits are where elements become 0, lose digits and overflow, as in the definitions of the dtypes."""
    found = {(one.dtype, one.what): one.at for one in limits()}
    assert found["float16", "0 below"] == -25
    assert found["float16", "subnormal below"] == -14
    assert found["float16", "overflow from"] == 16
    assert found["bfloat16", "subnormal below"] == -126
    assert found["float8_e4m3fn", "0 below"] == -10


def test_elements_are_counted_in_the_bands_of_narrow_dtypes() -> None:
    """Shares are of the elements above 0 that a dtype turns to 0, keeps with fewer digits, and cannot hold."""
    found = {one.dtype: one for one in in_bands(counted((-30, 1), (-20, 2), (0, 4), (19, 1)))}
    assert found["float16"][1:] == (0.125, 0.25, 0.125)
    assert found["bfloat16"][1:] == (0, 0, 0)


def test_the_limits_of_a_band_part_the_powers_of_two() -> None:
    """The exponents next to a limit are on its two sides: 2^-25 is kept by float16, 2^16 is not."""
    edges = counted((-26, 1), (-25, 1), (-15, 1), (-14, 1), (15, 1), (16, 1))
    (float16,) = (one for one in in_bands(edges) if one.dtype == "float16")
    assert float16[1:] == (1 / 6, 2 / 6, 1 / 6)


def test_tables_and_the_sentence_have_the_same_numbers() -> None:
    """The tables have a row for each dtype and each layer, the sentence what float16 makes of all."""
    layer = counted((-30, 1), (-20, 2), (0, 4), (19, 1))
    assert bands_table(layer).rows[0] == ["float16", "12.50 %", "25.00 %", "12.50 %"]
    assert layers_table(layer).rows == [["a", "2^-30", "2^0", "2^19", "11.1 %", "0"]]
    assert sentence_of(layer) == (
        "Elements above 0 reach from 2^-30 to 2^20, most of them near 2^0; "
        "in float16, 12 % would become 0, 25 % be subnormal and 12 % overflow."
    )
