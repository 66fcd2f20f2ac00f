"""Complex tensors count by the moduli of their elements: every strategy, format and command against plain numpy."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5s, h5t
from support.matrices import crossed
from support.official import (
    Array,
    Tensors,
    all_bits,
    beside,
    clip,
    factor_of,
    load,
    save,
    save_deflated,
    save_hdf5,
    ulps,
)
from support.oracle import expected, norm_of

import gradclip_cli
from gradclip_cli import GradclipError, checks
from gradclip_cli.formats import FORMATS
from gradclip_cli.strategies import STRATEGIES

NAMES = [strategy.name for strategy in STRATEGIES]
WITH_THRESHOLD = [strategy.name for strategy in STRATEGIES if strategy.takes_threshold]
BY_NORM = [strategy.name for strategy in STRATEGIES if strategy.takes_norm]
ELEMENTWISE = "clip-elementwise-absolute-value"
SINGLE, DOUBLE = np.dtype(np.complex64), np.dtype(np.complex128)
HELD = [*((format, SINGLE) for format in FORMATS), ("hdf5", DOUBLE), ("npz", DOUBLE)]
"""What each format can hold: safetensors has no complex128."""
NAN, INF = math.nan, math.inf


def normal(seed: int, shape: tuple[int, ...], size: float, dtype: np.dtype[Any]) -> Array:
    """Return complex numbers with parts of the normal distribution, one in eight of them 0."""
    rng = np.random.default_rng(seed)
    found = size * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    return np.asarray(np.where(rng.random(shape) < 0.125, 0, found)).astype(dtype)


def network(dtype: np.dtype[Any]) -> Tensors:
    """Return complex and real gradients in layers whose norms lie on both sides of 1."""
    return {
        "fno.weight": normal(1, (71, 241), 0.05, dtype),
        "fno.bias": np.random.default_rng(2).standard_normal(97).astype(np.float32),
        "calm.weight": normal(3, (3, 5, 7), 0.01, dtype),
        "calm.one": normal(4, (), 0.01, dtype),
        "calm.none": np.zeros((0, 3), dtype),
        "dead.weight": np.zeros((4, 4), dtype),
        "step.count": np.arange(5),
    }


def parts(array: Array) -> Array:
    """Return the parts of complex numbers as floats; what is real stays."""
    return np.atleast_1d(array).view(array.real.dtype) if array.dtype.kind == "c" else array


def agree(found: Tensors, wanted: Tensors) -> None:
    """Require the same tensors: to 1e-12 where parts are float64, else to one step of their dtype."""
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        if array.dtype == DOUBLE:
            np.testing.assert_allclose(parts(found[name]), parts(array), rtol=1e-12, atol=0)
        else:
            assert ulps(parts(found[name]), parts(array)) <= 1, name


@pytest.mark.parametrize(("strategy", "held", "threshold"), crossed(NAMES, HELD, [0.05, 0.7, 3.0], rounds=4), ids=str)
def test_strategy(held: tuple[str, np.dtype[Any]], strategy: str, threshold: float, tmp_path: Path) -> None:
    """Every strategy does to |z| what its rule says, and no element changes its direction."""
    format, dtype = held
    tensors, c = network(dtype), threshold if strategy in WITH_THRESHOLD else None
    path = save(tmp_path, format, tensors)
    clip(path, out := beside(path, format), strategy=strategy, threshold=c)
    agree(load(out), expected(strategy, tensors, c))


@pytest.mark.parametrize(
    ("strategy", "p", "dtype"), crossed(BY_NORM, (0.1, 1.0, 1.5, 2.0, 3.0, 64.0, INF), (SINGLE, DOUBLE))
)
def test_norm_type(strategy: str, p: float, dtype: np.dtype[Any], tmp_path: Path) -> None:
    """A P-norm is that of the moduli, to 1e-12 for P of 1, 2 and inf and else to 1e-10."""
    tensors = {name: array for name, array in network(dtype).items() if array.dtype != np.int64}
    path = save(tmp_path, "npz", tensors)
    dump = clip(path, out := beside(path, "npz"), strategy=strategy, threshold=0.7, norm_type=p)
    near = 1e-12 if p in (1, 2, INF) else 1e-10
    assert dump.total.norm_before == pytest.approx(norm_of([*tensors.values()], p), rel=near)
    for row in dump.params:
        assert row.norm_before == pytest.approx(norm_of([tensors[row.name]], p), rel=near, abs=0)
    agree(load(out), expected(strategy, tensors, 0.7, p))


@pytest.mark.parametrize("held", HELD, ids=str)
def test_what_is_said_of_a_tensor(held: tuple[str, np.dtype[Any]], tmp_path: Path) -> None:
    """Elements, zeros and clipped elements are complex numbers, not parts; the largest is the largest modulus."""
    format, dtype = held
    array = np.array([3 + 4j, 0, 5 - 12j, 0.5j, -0.0 + 0j, 0.25], dtype)
    path = save(tmp_path, format, {"w": array})
    dump = clip(path, out := beside(path, format), strategy=ELEMENTWISE, threshold=1.0)
    [row] = dump.params
    assert (row.elements, row.zeros, row.clipped_elements, row.max_abs_before) == (6, 2, 2, 13.0)
    assert row.norm_before == math.sqrt(25 + 169 + 0.25 + 0.0625)
    assert (dump.total.elements, dump.total.clipped_elements) == (6, 2)
    assert row.max_abs_after == pytest.approx(1.0, rel=1e-7)
    agree(load(out), {"w": np.array([0.6 + 0.8j, 0, (5 - 12j) / 13, 0.5j, 0, 0.25], dtype)})


def test_three_formats_and_one_norm(tmp_path: Path) -> None:
    """√(3² + 4² + 12² + 1 + 1) is the norm of these tensors in every format, and of half of them alone √(3² + 4² + 12²)."""
    tensors = {"fno.weights1": np.array([[3 + 4j, 0], [0, 12j]], SINGLE), "fc.bias": np.ones(2, np.float32)}
    for format in FORMATS:
        assert gradclip_cli.stats(save(tmp_path, format, tensors)).dumps[0].norm == math.sqrt(171)
        alone = save(tmp_path, format, {"fno.weights1": tensors["fno.weights1"]}, "alone")
        assert gradclip_cli.stats(alone).dumps[0].norm == 13.0


def test_as_optax_does(tmp_path: Path) -> None:
    """optax.clip_by_global_norm: √Σ Re(z · conj z) over all leaves, and z / norm · c where the norm is not below c."""
    tensors = {"a": normal(5, (30, 40), 1.0, DOUBLE), "b": np.random.default_rng(6).standard_normal(50)}
    norm = np.sqrt(sum(np.sum(np.real(array * np.conj(array))) for array in tensors.values()))
    path = save(tmp_path, "npz", tensors)
    dump = clip(path, out := beside(path, "npz"), strategy="clip-by-global-norm", threshold=2.0)
    assert dump.total.norm_before == pytest.approx(norm, rel=1e-12)
    for name, array in load(out).items():
        np.testing.assert_allclose(array, tensors[name] / norm * 2.0, rtol=1e-12, strict=True)


@pytest.mark.parametrize("factor", [1 / 3, 2.0**-20, 1e-30])
def test_each_part_is_rounded_once(factor: float, tmp_path: Path) -> None:
    """What is written is float64(part) · factor, rounded once; each part of it is an ordinary float32."""
    rng = np.random.default_rng(7)
    before = np.asarray(np.exp2(rng.uniform(-149, 100, (2, 9000))) * rng.choice([-1, 1], (2, 9000))).astype(np.float32)
    array = (before[0] + 1j * before[1]).astype(SINGLE)
    path = save(tmp_path, "safetensors", {"w": array})
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-norm", threshold=factor * norm_of([array]))
    with np.errstate(under="ignore"):
        exact = (parts(array).astype(np.float64) * factor_of(dump)).astype(np.float32)
    assert load(out)["w"].tobytes() == exact.tobytes()


def test_underflow_counts_an_element_once(tmp_path: Path) -> None:
    """An element has underflowed where both parts became 0, and is then one."""
    array = np.array([1e-42 + 1e-42j, 1e-42 + 1e-30j, 1.0, 0], SINGLE)
    path = save(tmp_path, "safetensors", {"w": array})
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-norm", threshold=1e-8)
    assert (dump.params[0].underflowed, dump.params[0].zeros) == (1, 1)
    np.testing.assert_array_equal(load(out)["w"] == 0, [True, False, False, True])


@pytest.mark.parametrize("scale", [1e300, 1e154, 1.0, 1e-154, 1e-300, 5e-324])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, INF])
def test_no_square_overflows(scale: float, p: float, tmp_path: Path) -> None:
    """The norm and the largest modulus are right from subnormal numbers to the largest, whatever squares would do."""
    array = np.array([3 + 4j, 0, -12j, 5]) * scale
    path = save(tmp_path, "hdf5", {"w": array})
    dump = gradclip_cli.stats(path, norm_type=p).dumps[0]
    near = 1e-10 if p == 3 else 1e-12
    assert dump.norm == pytest.approx(norm_of([np.array([5.0, 12.0, 5.0])], p) * scale, rel=near, abs=5e-324)
    assert dump.max_abs == pytest.approx(12 * scale, rel=near, abs=5e-324)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
@pytest.mark.parametrize("c", [1e-290, 1.0, 1e290])
def test_elementwise_from_any_size_to_any(scale: float, c: float, tmp_path: Path) -> None:
    """However large an element and however small the threshold, its direction stays, and its modulus is the threshold."""
    path = save(tmp_path, "npz", {"w": np.array([3 + 4j, -4j]) * scale})
    dump = clip(path, out := beside(path, "npz"), strategy=ELEMENTWISE, threshold=c)
    found = load(out)["w"]
    if c < scale:
        np.testing.assert_allclose(parts(found), np.array([0.6, 0.8, 0.0, -1.0]) * c, rtol=1e-15)
        assert dump.total.clipped_elements == 2
    else:
        np.testing.assert_array_equal(found, load(path)["w"])
        assert dump.total.clipped_elements == 0


@pytest.mark.parametrize(("strategy", "dtype"), crossed(NAMES, (SINGLE, DOUBLE)))
def test_clipping_twice_is_clipping_once(strategy: str, dtype: np.dtype[Any], tmp_path: Path) -> None:
    """A second clipping changes no part by more than a step of float32, or 4 of float64, and stays below the threshold."""
    c = 0.05 if strategy in WITH_THRESHOLD else None
    tensors = {name: array for name, array in network(dtype).items() if array.dtype == dtype}
    path = save(tmp_path, "npz", tensors)
    once, twice = beside(path, "npz", "once"), beside(path, "npz", "twice")
    own = {"weights": path} if strategy == "adaptive-clip" else {}
    clip(path, once, strategy=strategy, threshold=c, **own)
    clip(once, twice, strategy=strategy, threshold=c, **own)
    first, second = load(once), load(twice)
    for name, array in first.items():
        assert ulps(parts(second[name]), parts(array)) <= (4 if array.dtype == DOUBLE else 1)
        if strategy == ELEMENTWISE and array.dtype.kind == "c":
            assert np.abs(array.astype(DOUBLE)).max(initial=0) <= 0.05 * (1 + np.finfo(dtype).eps)


ODD = {"nan": complex(NAN, 1), "inf": complex(INF, 1), "-inf": complex(0, -INF), "both": complex(INF, NAN)}


def with_odd(value: complex) -> Tensors:
    """Return two layers, of which `odd` holds a number that is not finite."""
    return {"odd.w": np.array([3 + 4j, value, 0.5j, 0], SINGLE), "even.w": np.array([[5 + 12j, 1]], SINGLE)}


@pytest.mark.parametrize("odd", ODD)
def test_an_element_that_is_not_finite_counts_once(odd: str, tmp_path: Path) -> None:
    """|z| is infinite where a part is, even beside NaN, as numpy has it; else it is NaN where a part is NaN."""
    path = save(tmp_path, "npz", with_odd(ODD[odd]))
    with pytest.raises(GradclipError, match="1 NaN" if odd == "nan" else r"1 \+Inf") as caught:
        gradclip_cli.apply(path, strategy="none", dry_run=True)
    assert caught.value.exit_code == 4
    report = gradclip_cli.stats(path)
    assert report.dumps[0].nonfinite == 1
    np.testing.assert_equal(report.dumps[0].norm, float(np.abs(ODD[odd])))


@pytest.mark.parametrize(("strategy", "odd"), crossed(NAMES, ODD))
def test_zero(strategy: str, odd: str, tmp_path: Path) -> None:
    """`zero` replaces the whole element by 0 first, and then clips as usual."""
    tensors = with_odd(ODD[odd])
    path = save(tmp_path, "npz", tensors)
    c = 1.0 if strategy in WITH_THRESHOLD else None
    clip(path, out := beside(path, "npz"), strategy=strategy, threshold=c, nonfinite="zero")
    agree(load(out), expected(strategy, {**tensors, "odd.w": np.array([3 + 4j, 0, 0.5j, 0], SINGLE)}, c))


@pytest.mark.parametrize("odd", ODD)
def test_skip(odd: str, tmp_path: Path) -> None:
    """`skip` keeps the group of an element that is not finite, and element by element the element alone."""
    tensors = with_odd(ODD[odd])
    path = save(tmp_path, "npz", tensors)
    clip(path, out := beside(path, "npz"), strategy="clip-l2-per-layer", threshold=1.0, nonfinite="skip")
    assert load(out)["odd.w"].tobytes() == tensors["odd.w"].tobytes()
    agree({"w": load(out)["even.w"]}, {"w": np.array([[5 + 12j, 1]], SINGLE) / np.float32(math.sqrt(170))})
    clip(path, out, strategy=ELEMENTWISE, threshold=1.0, nonfinite="skip", overwrite=True)
    found = load(out)["odd.w"]
    assert found[1].tobytes() == tensors["odd.w"][1].tobytes()
    agree({"w": np.delete(found, 1)}, {"w": np.array([0.6 + 0.8j, 0.5j, 0], SINGLE)})


def test_propagate(tmp_path: Path) -> None:
    """An infinity makes the factor 0, and a NaN the group NaN, part by part."""
    path = save(
        tmp_path, "npz", {"i.w": np.array([complex(INF, 1), 3 + 4j], DOUBLE), "n.w": np.array([complex(NAN, 1), 1])}
    )
    clip(path, out := beside(path, "npz"), strategy="clip-l2-per-layer", threshold=1.0, nonfinite="propagate")
    np.testing.assert_equal(parts(load(out)["i.w"]), [NAN, 0.0, 0.0, 0.0])
    np.testing.assert_equal(parts(load(out)["n.w"]), [NAN] * 4)


def test_propagate_element_by_element(tmp_path: Path) -> None:
    """An infinite element becomes c in its direction, to which a finite part adds nothing; beside NaN it has none."""
    array = np.array([complex(INF, 5), complex(0, -INF), complex(-INF, INF), complex(INF, NAN), complex(NAN, 9), 0.5j])
    path = save(tmp_path, "npz", {"w": array})
    dump = clip(path, out := beside(path, "npz"), strategy=ELEMENTWISE, threshold=2.0, nonfinite="propagate")
    half = math.sqrt(2)
    wanted = [2, 0, 0, -2, -half, half, NAN, NAN, NAN, 9, 0, 0.5]
    np.testing.assert_allclose(parts(load(out)["w"]), wanted, rtol=1e-15)
    assert dump.total.clipped_elements == 4


def outcome(path: Path, strategy: str, jobs: int | None = None) -> tuple[Any, ...]:
    """Clip a dump; return the bits of the output and all figures."""
    out = path.with_name(f"out-{path.name}")
    c = 1.0 if strategy in WITH_THRESHOLD else None
    dump = clip(path, out, strategy=strategy, threshold=c, jobs=jobs, overwrite=True)
    return all_bits(load(out)), dump.total, dump.layers, sorted(dump.params, key=lambda row: row.name)


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
@pytest.mark.parametrize("strategy", ["clip-l2-per-layer", ELEMENTWISE])
def test_the_same_bits(strategy: str, dtype: np.dtype[Any], piece_bytes: Callable[[int], None], tmp_path: Path) -> None:
    """Figures and elements do not depend on the format, the packing, the number of threads, or the size of pieces."""
    size = 1.0 if dtype == SINGLE else 1e200
    small = {f"small{k}.w": normal(k, (1 + k % 5,), size, dtype) for k in range(30)}
    tensors = {"large.w": normal(8, (90, 401), size, dtype), "one.w": normal(9, (8192,), 1.0, dtype), **small}
    paths = [save(tmp_path, format, tensors) for format, held in HELD if held == dtype]
    save_deflated(packed := tmp_path / "packed.npz", tensors)
    save_hdf5(chunked := tmp_path / "chunked.h5", tensors, chunks=True, compression="gzip", shuffle=True)
    usual = outcome(paths[0], strategy, 1)
    assert usual[0]["large.w"][0] == dtype.name
    for path in (*paths, packed, chunked):
        assert outcome(path, strategy, 3) == usual
    for size_of_piece in (1, 100_000):
        piece_bytes(size_of_piece)
        assert outcome(paths[0], strategy, 2) == usual


@pytest.mark.parametrize(("code", "p"), crossed(["<c8", ">c8", "<c16", ">c16"], [1.0, 2.0, 3.0]))
def test_either_byte_order_and_order_of_axes(code: str, p: float, tmp_path: Path) -> None:
    """The order of bytes changes no bit of a figure, and the order of axes a norm by less than 1e-12."""
    plain = normal(10, (31, 7, 211), 0.5, np.dtype(code[1:]))
    usual = clip(
        save(tmp_path, "npz", {"w": plain}, "plain"),
        tmp_path / "p.npz",
        strategy="clip-by-norm",
        threshold=1,
        norm_type=p,
    )
    for format in ("npz", "hdf5"):
        path = save(tmp_path, format, {"w": plain.astype(code)}, "turned")
        dump = clip(path, out := beside(path, format), strategy="clip-by-norm", threshold=1, norm_type=p)
        assert (dump.total, load(out)["w"].dtype) == (usual.total, np.dtype(code))
        np.testing.assert_array_equal(load(out)["w"], load(tmp_path / "p.npz")["w"])
    path = save(tmp_path, "npz", {"w": np.asfortranarray(plain.astype(code))}, "columns")
    for format in ("npz", "hdf5"):
        out = beside(path, format, "columns-out")
        dump = clip(path, out, strategy="clip-by-norm", threshold=1, norm_type=p)
        assert dump.total.norm_before == pytest.approx(usual.total.norm_before, rel=1e-12)
        np.testing.assert_allclose(load(out)["w"], load(tmp_path / "p.npz")["w"], rtol=1e-6 if "8" in code else 1e-12)


def test_every_conversion_keeps_every_bit(tmp_path: Path) -> None:
    """complex64 goes from any format into any other; what h5py and numpy read there is what was there."""
    tensors = network(SINGLE)
    for source in FORMATS:
        path = save(tmp_path, source, tensors)
        for target in FORMATS:
            gradclip_cli.apply(path, out := beside(path, target, f"from-{source}"), strategy="none")
            assert all_bits(load(out)) == all_bits(tensors)


@pytest.mark.parametrize("format", ["npz", "hdf5"])
def test_safetensors_has_no_complex128(format: str, tmp_path: Path) -> None:
    """What a format cannot hold is refused, and nothing is written."""
    path = save(tmp_path, format, {"w": np.array([1 + 2j])})
    with pytest.raises(GradclipError, match=r"w: safetensors cannot hold it \(complex128\)") as caught:
        gradclip_cli.apply(path, tmp_path / "out.safetensors", strategy="none")
    assert caught.value.exit_code == 5
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.skipif(not hasattr(h5t, "COMPLEX"), reason="HDF5 before 2.0 has no such type")
@pytest.mark.parametrize(("name", "code"), [("COMPLEX_IEEE_F32LE", "<c8"), ("COMPLEX_IEEE_F64BE", ">c16")])
def test_the_class_of_hdf5_itself(name: str, code: str, tmp_path: Path) -> None:
    """A dataset of HDF5's own class of complex numbers is clipped, and keeps its type."""
    values = np.array([3 + 4j, 12j], code)
    with h5py.File(tmp_path / "g.h5", "w") as file:
        h5d.create(file.id, b"w", getattr(h5t, name), h5s.create_simple((2,))).write(h5s.ALL, h5s.ALL, values)
    dump = clip(tmp_path / "g.h5", tmp_path / "o.h5", strategy="clip-by-norm", threshold=6.5)
    assert (dump.total.norm_before, factor_of(dump)) == (13.0, 0.5)
    with h5py.File(tmp_path / "o.h5") as file:
        assert file["w"].id.get_type().get_class() == h5t.COMPLEX
        np.testing.assert_array_equal(file["w"][()], values / 2)


def test_a_pair_of_other_names_is_no_complex_number(tmp_path: Path) -> None:
    """Only what h5py itself reads as complex numbers counts; a pair of two half floats, or of other names, is kept."""
    half = np.zeros(3, [("r", "f2"), ("i", "f2")])
    with h5py.File(tmp_path / "g.h5", "w") as file:
        file["half"], file["pair"], file["w"] = half, np.zeros(3, [("a", "f4"), ("b", "f4")]), np.ones(4)
    report = gradclip_cli.apply(tmp_path / "g.h5", tmp_path / "o.h5", strategy="clip-by-global-norm", threshold=1)
    assert (report.dumps[0].total.norm_before, report.dumps[0].total.tensors) == (2.0, 1)
    assert any("half" in note.text and "pair" in note.text for note in report.notes)


def test_trials(tmp_path: Path) -> None:
    """A trial of element-wise clipping in `stats` finds what `apply` leaves: of the energy, and of the direction."""
    array = normal(11, (5000,), 1.0, DOUBLE)
    path = save(tmp_path, "npz", {"w": array})
    report = gradclip_cli.stats(path, tries=[f"{ELEMENTWISE}:0.5"])
    limited = expected(ELEMENTWISE, {"w": array}, 0.5)["w"]
    cosine = math.fsum(np.real(np.conj(array) * limited)) / (norm_of([array]) * norm_of([limited]))
    assert report.tries is not None
    [row] = report.tries
    assert row.cosine == pytest.approx(cosine, rel=1e-12)
    assert row.lost_energy == pytest.approx(1 - norm_of([limited]) ** 2 / norm_of([array]) ** 2, rel=1e-11)


def figures(a: Array, b: Array, rtol: float, atol: float) -> Mapping[str, Any]:
    """Compare two arrays by moduli, in complex128."""
    x, y = a.astype(DOUBLE).ravel(), b.astype(DOUBLE).ravel()
    apart, some = np.abs(x - y), y != 0
    return {
        "norm_a": norm_of([x]),
        "norm_b": norm_of([y]),
        "max_abs_diff": apart.max(),
        "norm_ratio": norm_of([y]) / norm_of([x]),
        "cosine": math.fsum(np.real(np.conj(x) * y)) / (norm_of([x]) * norm_of([y])),
        "max_rel_diff": (apart[some] / np.abs(y[some])).max(),
        "status": "same" if (apart <= atol + rtol * np.abs(y)).all() else "differs",
    }


KINDS = (SINGLE, DOUBLE, np.dtype(">c8"), np.dtype(np.float32), np.dtype(np.float64))


PAIRS = [(a, b) for a in KINDS for b in KINDS if "c" in (a.kind, b.kind)]
WIDE = {DOUBLE, np.dtype(np.float64)}
"""What holds numbers far from 1."""


@pytest.mark.parametrize(
    ("kinds", "scale"),
    [(pair, scale) for pair in PAIRS for scale in (1.0, 2.0**-660, 2.0**660) if scale == 1.0 or WIDE.issuperset(pair)],
    ids=str,
)
def test_diff(kinds: tuple[np.dtype[Any], np.dtype[Any]], scale: float, tmp_path: Path) -> None:
    """`diff` compares |a - b| with |b|, and takes the real part of the inner product; a real number has no imaginary part."""
    a = normal(12, (37, 501), scale, DOUBLE)
    b = np.where(np.random.default_rng(13).random(a.shape) < 0.5, a, a + normal(14, a.shape, scale / 4, DOUBLE))
    a, b = ((x.real if kind.kind == "f" else x).astype(kind) for x, kind in zip((a, b), kinds, strict=True))
    paths = save(tmp_path, "npz", {"w": a}, "a"), save(tmp_path, "hdf5", {"w": b}, "b")
    for rtol, atol in ((0.0, 0.0), (0.25, 4.0)):
        [row] = gradclip_cli.diff(*paths, rtol=rtol, atol=atol * scale).params
        wanted = dict(figures(a / a.dtype.type(scale), b / b.dtype.type(scale), rtol, atol))
        assert row.status == wanted.pop("status")
        for name, value in wanted.items():
            times = scale if name in {"norm_a", "norm_b", "max_abs_diff"} else 1.0
            assert getattr(row, name) == pytest.approx(value * times, rel=1e-12, abs=0), name


def test_diff_of_what_is_not_finite(tmp_path: Path) -> None:
    """NaN equals NaN, and an infinity only itself; a complex tensor equals itself, and real numbers that are its own."""
    a = np.array([complex(NAN, 1), complex(INF, 2), complex(INF, NAN), 1 + 0j])
    b = np.array([complex(2, NAN), complex(INF, 2), complex(INF, NAN), 1 + 0j])
    c = np.array([complex(NAN, 1), complex(INF, 3), complex(INF, NAN), 1 + 0j])
    paths = [save(tmp_path, "npz", {"w": x}, name) for name, x in (("a", a), ("b", b), ("c", c))]
    assert gradclip_cli.diff(paths[0], paths[0]).equal
    assert gradclip_cli.diff(paths[0], paths[1]).equal
    [row] = gradclip_cli.diff(paths[0], paths[2]).params
    assert (row.status, row.max_abs_diff, row.cosine) == ("differs", INF, None)
    whole = np.array([1 << 53, (1 << 53) + 1])
    d, e = save(tmp_path, "npz", {"w": whole}, "d"), save(tmp_path, "npz", {"w": whole.astype(DOUBLE)}, "e")
    assert gradclip_cli.diff(d, e).params[0].max_abs_diff == 1.0


def test_diff_of_numbers_whose_distance_no_float_holds(tmp_path: Path) -> None:
    """|a - b| may be above the range of float64, while their ratio is not."""
    a = save(tmp_path, "npz", {"w": np.array([1e308 + 1e308j, 1])}, "a")
    b = save(tmp_path, "npz", {"w": np.array([-1e308 - 1e308j, 1])}, "b")
    [row] = gradclip_cli.diff(a, b).params
    assert (row.max_abs_diff, row.max_rel_diff) == (INF, 2.0)
    assert gradclip_cli.diff(a, b, rtol=2.0).equal
    assert not gradclip_cli.diff(a, b, rtol=1.99).equal


def series(tmp_path: Path, *steps: Tensors) -> list[Path]:
    """Write the dumps of a series."""
    return [save(tmp_path, "npz", step, f"step_{k}") for k, step in enumerate(steps)]


def found_by(rules: set[str], paths: list[Path], **options: Any) -> list[tuple[str, str | None, float]]:
    """Return what some rules of `check` find: rule, layer and value."""
    report = gradclip_cli.check(paths, ignore=sorted(set(checks.NAMES) - rules), **options)
    return [(found.rule, found.layer, found.value) for found in report.findings]


def test_check_judges_moduli(tmp_path: Path) -> None:
    """Dead, vanishing and nonfinite judge whole elements: a purely imaginary gradient is not dead."""
    tensors = {
        "alive.w": np.full(4, 1j),
        "dead.w": np.zeros(4, DOUBLE),
        "tiny.w": np.full(4, 3e-9 + 4e-9j),
        "odd.w": np.array([complex(NAN, INF), 1]),
    }
    found = found_by({"dead", "vanishing", "nonfinite"}, series(tmp_path, tensors), vanishing_mean=1e-7)
    assert found == [("nonfinite", "odd", 1.0), ("vanishing", "tiny", pytest.approx(5e-9)), ("dead", "dead", 1.0)]


def test_check_finds_explosions_and_what_is_unchanged(tmp_path: Path) -> None:
    """Norms over the steps and equality are those of complex numbers: turned by a quarter, a gradient is another one."""
    base = normal(15, (50,), 1.0, SINGLE)
    steps = [{"same.w": base, "turned.w": base * np.complex64(1j**k)} for k in range(6)]
    steps[5] = {"same.w": base, "turned.w": base * np.complex64(100)}
    found = found_by({"exploding", "unchanged"}, series(tmp_path, *steps))
    assert [(rule, layer) for rule, layer, _ in found] == [("exploding", "turned"), ("unchanged", "same")]


def test_check_judges_the_range_of_a_dtype_by_the_larger_part(tmp_path: Path) -> None:
    """A narrower dtype would hold both parts: an element underflows where both do, and overflows where one does."""
    small = np.array([1e-6 + 1e-6j, 1e-6 + 1j, 1j, 0], SINGLE)
    large = np.array([6e4 + 6e4j, 7e4 + 1j, 1j, 1, 1], SINGLE)
    paths = series(tmp_path, {"s.w": small, "l.w": large})
    found = found_by({"underflow"}, paths, underflow_dtype=["float16"], underflow_share=0.1, overflow_share=0.1)
    assert found == [("underflow", "s", pytest.approx(1 / 3)), ("underflow", "l", pytest.approx(1 / 5))]
