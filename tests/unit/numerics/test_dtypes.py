"""Decoding is exact and encoding rounds to nearest even, as ml_dtypes and numpy do."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import ORACLES, raw_of

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()

NARROW = [dtype for dtype in dtypes.FLOATS if dtype.itemsize < 4]
narrow = pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.name)
every = pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda dtype: dtype.name)


def patterns(dtype: DType) -> NDArray[Any]:
    """Every bit pattern of a narrow float."""
    return np.arange(1 << (8 * dtype.itemsize)).astype(f"u{dtype.itemsize}")


def values_of(dtype: DType) -> NDArray[np.float32]:
    """What the oracle makes of every pattern."""
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float32] = patterns(dtype).view(ORACLES[dtype.name]).astype(np.float32)
    return found


def encoded(values: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """The bits that `encode` makes."""
    raw = np.empty(values.size * dtype.itemsize, np.uint8)
    dtypes.encode(values, dtype, raw, WORK)
    return raw.view(f"u{dtype.itemsize}")


def assert_rounded(values: NDArray[np.float32], dtype: DType) -> None:
    """Compare with the oracle's bits, and with NaN where it has NaN."""
    with np.errstate(over="ignore"):
        expected = values.astype(ORACLES[dtype.name])
    found, nan = encoded(values, dtype), np.isnan(expected.astype(np.float32))
    np.testing.assert_array_equal(found[~nan], expected.view(found.dtype)[~nan])
    assert np.isnan(found.view(ORACLES[dtype.name]).astype(np.float32)[nan]).all()


@narrow
def test_every_pattern_decodes_exactly(dtype: DType) -> None:
    """Every pattern of a 16-bit or 8-bit float decodes to the value and the sign that the oracle gives it."""
    expected, found = values_of(dtype), dtypes.decode(raw_of(patterns(dtype)), dtype, WORK)
    np.testing.assert_array_equal(found, expected)
    kept = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[kept]), np.signbit(expected[kept]))


@narrow
def test_swapped_patterns_decode_to_the_same(dtype: DType) -> None:
    """Bytes in the other order decode to the same numbers."""
    swapped = dtypes.swapped(dtype)
    np.testing.assert_array_equal(dtypes.decode(raw_of(patterns(dtype).byteswap()), swapped, WORK), values_of(dtype))


@narrow
def test_encoding_what_was_decoded_is_the_identity(dtype: DType) -> None:
    """A number that the type holds is encoded to its own bits, minus zero too."""
    kept = patterns(dtype)[~np.isnan(values_of(dtype))]
    np.testing.assert_array_equal(encoded(dtypes.decode(raw_of(kept), dtype, WORK).copy(), dtype), kept)


@narrow
@pytest.mark.parametrize("seed", range(3))
def test_scaled_values_round_to_nearest_even(dtype: DType, seed: int) -> None:
    """Every value times a random factor is rounded as the oracle rounds a float32."""
    finite = values_of(dtype)[np.isfinite(values_of(dtype))]
    factors = np.exp2(np.random.default_rng(seed).uniform(-4, 4, finite.size)).astype(np.float32)
    with np.errstate(over="ignore"):
        assert_rounded(finite * factors, dtype)


@narrow
def test_ties_go_to_even(dtype: DType) -> None:
    """Half-way points, and the float32 numbers on either side of them, round as in the oracle, subnormals included."""
    finite = np.unique(values_of(dtype)[np.isfinite(values_of(dtype))]).astype(np.float64)
    middle = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
    around = [np.nextafter(middle, np.float32(side)) for side in (-np.inf, np.inf)]
    assert_rounded(np.concatenate([middle, *around]), dtype)


@narrow
def test_what_is_too_large_overflows_as_in_the_oracle(dtype: DType) -> None:
    """The largest number and half a step above it stay finite or become infinite (NaN where there is no infinity) as in the oracle."""
    top = float(ml_dtypes.finfo(ORACLES[dtype.name]).max)
    step = np.float32(top * dtype.eps / (2 - dtype.eps))
    edge = (
        np.float32(top) + np.array([0, 0.49, 0.5, 0.51, 1, 2], np.float32) * step
        if dtype.name != "bfloat16"
        else np.array([top, 3.4e38], np.float32)
    )
    assert_rounded(np.concatenate([edge, -edge, np.array([np.inf, -np.inf], np.float32)]), dtype)


@pytest.mark.parametrize(
    ("dtype", "top", "smallest"),
    [(dtypes.FLOAT8_E4M3FNUZ, 240.0, 2.0**-10), (dtypes.FLOAT8_E5M2FNUZ, 57344.0, 2.0**-17)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_words_of_fnuz(dtype: DType, top: float, smallest: float) -> None:
    """0x80 is the only NaN: too large numbers and infinities become NaN, and what rounds to zero has no sign."""
    values = np.array([top, -top, 2 * top, -2 * top, np.inf, np.nan, -0.0, smallest, -smallest, -smallest / 2, -1e-300])
    words = [0x7F, 0xFF, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01, 0x81, 0x00, 0x00]
    assert encoded(values, dtype).tolist() == words
    found = dtypes.decode(np.array([0x00, 0x01, 0x7F, 0x80, 0x81, 0xFF], np.uint8), dtype, WORK)
    np.testing.assert_array_equal(found, [0, smallest, top, np.nan, -smallest, -top])


@every
def test_overflow_from_float64_is_silent(dtype: DType) -> None:
    """A float64 far above the range overflows without a warning, with its sign."""
    found = encoded(np.array([1e300, -1e300]), dtype).view(ORACLES[dtype.name]).astype(np.float64)
    expected = [1e300, -1e300] if dtype.name == "float64" else [np.nan] * 2 if dtype.variant else [np.inf, -np.inf]
    np.testing.assert_array_equal(found, expected)


@every
def test_nan_stays_nan(dtype: DType) -> None:
    """A NaN of any payload, signalling or not, is encoded to a NaN without a warning."""
    bits = np.array([0x7F800001, 0x7FC00000, 0xFF800001, 0x7FFFFFFF], np.uint32)
    found = encoded(bits.view(np.float32), dtype).view(ORACLES[dtype.name])
    with np.errstate(invalid="ignore"):
        assert np.isnan(found.astype(np.float64)).all()


def test_float64_is_rounded_to_the_nearest_float32() -> None:
    """No neighbour of the float32 that is written is nearer to the float64."""
    values = np.random.default_rng(1).standard_normal(5000) * np.exp2(
        np.random.default_rng(2).integers(-149, 127, 5000)
    )
    found = encoded(values, dtypes.FLOAT32).view(np.float32)
    error = np.abs(found.astype(np.float64) - values)
    for side in (-np.inf, np.inf):
        assert (error <= np.abs(np.nextafter(found, np.float32(side)).astype(np.float64) - values)).all()


@pytest.mark.parametrize(("dtype", "code"), [(dtypes.FLOAT64, "f8"), (dtypes.FLOAT32, "f4"), (dtypes.FLOAT16, "f2")])
def test_big_endian_is_written_big_endian(dtype: DType, code: str) -> None:
    """A swapped type is written in the other byte order, from the same rounding."""
    swapped = dtypes.from_numpy(np.dtype(f">{code}"))
    values = np.array([1.5, -2.25, 1e-7, 3.0])
    raw = np.empty(values.size * dtype.itemsize, np.uint8)
    dtypes.encode(values, swapped, raw, WORK)
    assert raw.tobytes() == values.astype(f">{code}").tobytes()
    np.testing.assert_array_equal(dtypes.decode(raw, swapped, WORK), values.astype(code))


@every
def test_eps_is_the_step_above_one(dtype: DType) -> None:
    """`eps` is the distance from 1 to the next larger number."""
    assert dtype.eps == float(ml_dtypes.finfo(ORACLES[dtype.name]).eps)


@pytest.mark.parametrize(
    ("code", "name", "kind", "swapped"),
    [
        ("<f4", "float32", "float", False),
        (">f8", "float64", "float", True),
        (">f2", "float16", "float", True),
        ("<i8", "int64", "int", False),
        (">u2", "uint16", "int", True),
        ("?", "bool", "bool", False),
        ("<c8", "complex64", "complex", False),
        (">c16", "complex128", "complex", True),
        ("g", "longdouble", "other", False),
        ("S4", "bytes32", "other", False),
    ],
)
def test_numpy_types_are_described(code: str, name: str, kind: str, swapped: bool) -> None:
    """Each numpy dtype gets its kind and byte order; long double and texts are no numbers for us."""
    found = dtypes.from_numpy(np.dtype(code))
    assert (found.kind, found.swapped, found.itemsize) == (kind, swapped, np.dtype(code).itemsize)
    assert found.name == (name if code != "g" else np.dtype(code).name)
    assert found.is_float == (kind == "float")
    assert found.is_gradient == (kind in {"float", "complex"})


@pytest.mark.parametrize("code", ["<f8", ">f8", "<f4", ">f4", "<f2", ">f2", "<i4", ">u8", "?", ">c16"])
def test_numpy_types_come_back(code: str) -> None:
    """The description of a numpy dtype leads back to it, byte order included."""
    assert dtypes.to_numpy(dtypes.from_numpy(np.dtype(code))) == np.dtype(code)


@pytest.mark.parametrize(
    "dtype", [dtypes.BFLOAT16, dtypes.FLOAT8_E4M3FN, dtypes.FLOAT8_E5M2], ids=lambda dtype: dtype.name
)
def test_what_numpy_has_not_is_opaque(dtype: DType) -> None:
    """bfloat16 and float8 are opaque bytes of their size to numpy."""
    assert dtypes.to_numpy(dtype) == np.dtype(f"V{dtype.itemsize}")


@every
@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e-3, 2.5])
def test_a_constant_is_rounded_once(dtype: DType, value: float) -> None:
    """A threshold becomes the one stored word that the oracle makes of it."""
    expected = np.array([value]).astype(ORACLES[dtype.name]).view(f"u{dtype.itemsize}")
    np.testing.assert_array_equal(dtypes.constant(value, dtype, WORK), expected)


def test_widening_is_exact() -> None:
    """Float32 values keep their value as float64."""
    values = np.array([0.1, -3e38, 1e-45], np.float32)
    np.testing.assert_array_equal(dtypes.widen(values, WORK), [float(value) for value in values])
