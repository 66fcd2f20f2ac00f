"""Strategies of units and weights do what optax, timm and plain numpy do, for every format, layout and policy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.matrices import crossed
from support.official import BFLOAT16, FLOATS, Tensors, all_bits, beside, clip, load, save, savez, ulps
from support.oracle import clipped_units, norm_of, unit_norms

from gradclip_cli import apply, check, show, stats
from gradclip_cli.errors import GradclipError, InputError, NonFiniteError
from gradclip_cli.formats import FORMATS
from laws.pieces import patch_pieces

SHAPES = {
    "scalar": (),
    "bias": (7,),
    "row": (1, 6),
    "column": (6, 1),
    "dense": (20, 30),
    "three": (3, 4, 5),
    "conv": (3, 3, 5, 7),
}
SHAPES |= {"five": (2, 2, 3, 2, 4), "none": (0, 3)}
AXES = ("first", "last")


def pair(dtype: Any = np.float64, weights: Any = None) -> tuple[Tensors, Tensors]:
    """Gradients and weights of all shapes, with units of zeros in either."""
    rng = np.random.default_rng(6)
    grads = {f"{name}.w": rng.standard_normal(shape) for name, shape in SHAPES.items()}
    beside = {name: 3 * rng.standard_normal(array.shape) for name, array in grads.items()}
    grads["dense.w"][3], grads["dense.w"][:, 4] = 0, 0
    beside["dense.w"][5], beside["dense.w"][:, 6] = 0, 0
    return (
        {name: np.asarray(array).astype(dtype) for name, array in grads.items()},
        {name: np.asarray(array).astype(weights or dtype) for name, array in beside.items()},
    )


def limits(weights: np.ndarray, axis: str, ratio: float = 0.3, least: float = 1e-3) -> np.ndarray:
    """λ · max(‖w_i‖, ε)."""
    found: np.ndarray = ratio * np.maximum(unit_norms(weights, axis), least)
    return found


def agree(found: Tensors, wanted: Tensors) -> None:
    """Require the same to 1e-12, or to a step of a narrower dtype."""
    for name, array in wanted.items():
        if array.dtype.itemsize >= 8:
            np.testing.assert_allclose(found[name], array, rtol=1e-12, strict=True)
        else:
            assert ulps(found[name], array) <= 1, name


@pytest.mark.parametrize(("dtype", "axis", "format"), crossed(FLOATS, AXES, FORMATS, rounds=2), ids=str)
def test_adaptive_clip(dtype: np.dtype, axis: str, format: str, tmp_path: Path) -> None:
    """g_i · λ max(‖w_i‖, ε) / ‖g_i‖ above that limit, as timm computes it; weights may be of another dtype."""
    grads, weights = pair(dtype, np.float32)
    path, own = save(tmp_path, format, grads), save(tmp_path, "npz", weights, "w")
    before = all_bits(load(own))
    dump = clip(path, out := beside(path, format), strategy="agc", threshold=0.3, weights=own, unit_axis=axis)
    wanted = {name: clipped_units(array, limits(weights[name], axis), axis) for name, array in grads.items()}
    agree(load(out), {name: array.astype(dtype) for name, array in wanted.items()})
    assert all_bits(load(own)) == before
    for param in dump.params:
        factors = np.ones(1)
        if grads[param.name].size:
            norms = unit_norms(grads[param.name], axis)
            with np.errstate(all="ignore"):
                factors = np.where(norms == 0, 1.0, np.minimum(1.0, limits(weights[param.name], axis) / norms)).reshape(
                    -1
                )
        assert (param.factor, param.units) == (None, factors.size)
        assert param.clipped_units == np.count_nonzero(factors != 1)
        assert param.min_factor == pytest.approx(factors.min(), rel=1e-12)
    assert dump.total.groups == sum(param.units or 0 for param in dump.params)
    assert dump.total.clipped_groups == sum(param.clipped_units or 0 for param in dump.params)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128], ids=str)
@pytest.mark.parametrize("axis", AXES)
def test_complex_gradients(axis: str, dtype: Any, tmp_path: Path) -> None:
    """Complex elements count by their moduli, in gradients and in weights."""
    rng = np.random.default_rng(6)
    grads, weights = (
        {"a.w": (rng.standard_normal((9, 8)) + 1j * rng.standard_normal((9, 8))).astype(dtype)} for _ in "gw"
    )
    path, own = save(tmp_path, "npz", grads), save(tmp_path, "npz", weights, "w")
    clip(path, out := beside(path, "npz"), strategy="agc", threshold=0.3, weights=own, unit_axis=axis)
    wanted = clipped_units(grads["a.w"], limits(weights["a.w"], axis), axis).astype(dtype)
    np.testing.assert_allclose(load(out)["a.w"], wanted, rtol=1e-6 if dtype is np.complex64 else 1e-12)


def test_as_optax(tmp_path: Path) -> None:
    """Both of optax's rules give the same on the shapes where its units are the last axis, to the rounding of float32."""
    optax = pytest.importorskip("optax")
    grads, weights = pair(np.float32)
    for name in ("three.w", "five.w", "none.w"):  # optax takes the first axis of three for its own, and no five
        del grads[name], weights[name]
    path, own = save(tmp_path, "npz", grads), save(tmp_path, "npz", weights, "w")
    for strategy, rule in (("agc", optax.adaptive_grad_clip(0.3)), ("clip_by_block_rms", optax.clip_by_block_rms(0.3))):
        options: dict[str, Any] = {"weights": own, "unit_axis": "last"} if strategy == "agc" else {}
        clip(path, out := beside(path, "npz"), strategy=strategy, threshold=0.3, overwrite=True, **options)
        wanted, _ = rule.update(grads, rule.init(weights), weights)
        for name, array in load(out).items():
            np.testing.assert_allclose(array, np.asarray(wanted[name]), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("axis", AXES)
def test_pieces_of_any_size(axis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written and reported has the same bits whatever is read at once, and by whom."""
    rng = np.random.default_rng(8)
    grads = {"a.w": rng.standard_normal((301, 2003)).astype("f4"), "b.w": rng.standard_normal((9000, 3))}
    path = save(tmp_path, "safetensors", grads)
    found = []
    for size, jobs in ((None, 1), (32 << 10, 3), (96 << 10, 1)):
        if size is not None:
            patch_pieces(monkeypatch, size)
        options = {
            "strategy": "clip-by-unit-norm",
            "threshold": 5.0,
            "unit_axis": axis,
            "jobs": jobs,
            "overwrite": True,
        }
        dump = clip(path, out := beside(path, "safetensors"), **options)
        found.append((all_bits(load(out)), dump.total, list(dump.params)))
    assert found[1:] == found[:-1]


def test_column_major(tmp_path: Path) -> None:
    """Units of a tensor in column-major order are those of its shape."""
    array = np.asfortranarray(np.random.default_rng(1).standard_normal((40, 50)))
    savez(path := tmp_path / "g.npz", **{"a.w": array})
    for axis in AXES:
        clip(
            path, out := tmp_path / "o.npz", strategy="clip-by-unit-norm", threshold=5.0, unit_axis=axis, overwrite=True
        )
        np.testing.assert_allclose(load(out)["a.w"], clipped_units(array, 5.0, axis), rtol=1e-12)


@pytest.mark.parametrize("policy", ["zero", "skip", "propagate"])
def test_what_is_not_finite(policy: str, tmp_path: Path) -> None:
    """A policy holds for the unit that has NaN or an infinity, of the gradient or of its weights, and for no other."""
    grads, weights = pair()
    grads["dense.w"][7, 1], grads["dense.w"][8, 2], weights["dense.w"][9, 1] = np.nan, np.inf, np.nan
    path, own = save(tmp_path, "npz", grads), save(tmp_path, "npz", weights, "w")
    clip(path, out := beside(path, "npz"), strategy="agc", threshold=0.3, weights=own, nonfinite=policy)
    found, array, beside_it = load(out)["dense.w"], grads["dense.w"], weights["dense.w"]
    wanted = clipped_units(np.nan_to_num(array, posinf=0.0), limits(np.nan_to_num(beside_it), "first"), "first")
    if policy == "skip":
        wanted[7:10] = array[7:10]
    if policy == "propagate":
        wanted[[7, 9]], wanted[8], wanted[8, 2] = np.nan, 0.0, np.nan
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    """By default NaN among weights is an error that names the tensor, as among gradients."""
    grads, weights = pair()
    weights["bias.w"][2] = np.inf
    path, own = save(tmp_path, "npz", grads), save(tmp_path, "npz", weights, "w")
    with pytest.raises(NonFiniteError, match=r"bias\.w"):
        apply(path, strategy="agc", threshold=0.3, weights=own, dry_run=True)
    apply(path, strategy="agc", threshold=0.3, weights=own, dry_run=True, layers={"bias": ("none", None)})


def test_pieces_along_another_axis(tmp_path: Path) -> None:
    """Units whose elements lie in several files are summed over them, where files say where their pieces belong."""
    array = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    facts = {0: "[0, 0]", 4: "[0, 4]"}
    folder = tmp_path / "g"
    folder.mkdir()
    for k, (first, offsets) in enumerate(facts.items(), 1):
        info = f'{{"a.weight": {{"saved_offsets": {offsets}}}}}'
        part = {"a.weight": np.ascontiguousarray(array[:, first : first + 4])}
        save_file(part, folder / f"shard-{k:05}-model-00001-of-00001.safetensors", {"DCP_SHARDING_INFO": info})
    save_file({"module.a.weight": array}, own := tmp_path / "w.safetensors")
    report = apply(folder, tmp_path / "o", strategy="agc", threshold=0.5, weights=own)
    (param,) = report.dumps[0].params
    assert (param.units, param.clipped_units, param.min_factor) == (6, 6, pytest.approx(0.5))
    assert report.dumps[0].total.norm_after == pytest.approx(0.5 * norm_of([array]), rel=1e-6)


def steps(folder: Path, kind: str, names: str = "", number: int = 12) -> Path:
    """Write a series of two tensors; weights grow, so that ratios fall."""
    at = folder / kind
    at.mkdir()
    rng = np.random.default_rng(2)
    for step in range(number):
        size = 1.0 + step if kind == "w" else 1.0
        save(at, "npz", {f"{names}{name}.weight": size * rng.standard_normal((4, 5)) for name in "ab"}, f"step_{step}")
    return at


def test_figures_of_a_series(tmp_path: Path) -> None:
    """Each step has its ratio, layers, kinds and tensors the medians of theirs; names may differ in wrappers."""
    grads, own = steps(tmp_path, "g"), steps(tmp_path, "w", "module.")
    report = stats(grads, weights=own, lr=0.01)
    read = [(load(grads / f"step_{k}.npz"), load(own / f"step_{k}.npz")) for k in range(12)]
    for dump, (g, w) in zip(report.dumps, read, strict=True):
        assert dump.weight_norm == pytest.approx(norm_of([*w.values()]))
        assert dump.ratio == pytest.approx(norm_of([*g.values()]) / norm_of([*w.values()]))
        assert dump.update_ratio == pytest.approx(0.01 * (dump.ratio or 0))
    ratios = [norm_of([g["a.weight"]]) / norm_of([w["module.a.weight"]]) for g, w in read]
    for rows in (report.params, report.layers, report.blocks, report.module_kinds):
        assert rows[0].ratio == pytest.approx(np.median(ratios))
    shown = show(grads / "step_3.npz", weights=own, lr=0.1)
    assert {row.name: row.ratio for row in shown.params}["a.weight"] == pytest.approx(ratios[3])
    assert {row.kind: row.ratio for row in shown.module_kinds}["a"] == pytest.approx(ratios[3])
    assert shown.total.update_ratio == pytest.approx(0.1 * (report.dumps[3].ratio or 0))


@pytest.mark.parametrize("rule", ["percentile:90", "mean", "auto"])
@pytest.mark.parametrize("strategy", ["agc", "clip-by-unit-norm", "clip-by-block-rms"])
def test_rules_choose_the_same_everywhere(strategy: str, rule: str, tmp_path: Path) -> None:
    """`stats`, `--try` and `apply` choose one threshold from the same norms, and say the same of what it clips."""
    grads, own = steps(tmp_path, "g"), steps(tmp_path, "w")
    weights: dict[str, Any] = {"weights": own} if strategy == "agc" else {}
    report = stats(grads, strategy=strategy, rule=rule, tries=[f"{strategy}:{rule}"], **weights)
    done = apply(grads, strategy=strategy, threshold=rule, dry_run=True, **weights)
    assert report.tries is not None
    assert report.suggestions[0].threshold == report.tries[0].threshold == done.threshold
    clipped = sum(dump.total.clipped_groups or 0 for dump in done.dumps)
    assert report.tries[0].clip_rate == pytest.approx(clipped / sum(dump.total.groups or 0 for dump in done.dumps))
    assert report.tries[0].mean_factor == pytest.approx(done.mean_factor)


def test_a_rule_takes_ratios(tmp_path: Path) -> None:
    """The rule of adaptive-clip chooses among ‖g_i‖ / max(‖w_i‖, ε)."""
    grads, weights = pair()
    path, own = save(tmp_path, "npz", grads), save(tmp_path, "npz", weights, "w")
    found = apply(path, strategy="agc", threshold="p75", weights=own, dry_run=True).threshold
    ratios = [
        unit_norms(grads[n], "first") / np.maximum(unit_norms(w, "first"), 1e-3) for n, w in weights.items() if w.size
    ]
    every = np.concatenate([one.reshape(-1) for one in ratios] + [np.zeros(1)])  # an empty tensor is a unit of norm 0
    assert found == pytest.approx(np.percentile(every, 75))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda w: w.pop("dense.w"), r"dense\.w: has no weight"),
        (lambda w: w.update({"dense.w": w["dense.w"].T.copy()}), r"dense\.w: is of shape"),
    ],
    ids=["missing", "other shape"],
)
def test_weights_that_do_not_fit(change: Any, match: str, tmp_path: Path) -> None:
    """A gradient without a weight, or with one of another shape, is an error that names it, unless its strategy takes none."""
    grads, weights = pair()
    change(weights)
    path, own = save(tmp_path, "npz", grads), save(tmp_path, "npz", weights, "w")
    options: dict[str, Any] = {"strategy": "agc", "threshold": 0.1, "weights": own, "dry_run": True}
    for call in (lambda: apply(path, **options), lambda: stats(path, weights=own), lambda: check(path, weights=own)):
        with pytest.raises(InputError, match=match):
            call()
    apply(path, layers={"dense": ("none", None)}, **options)


def test_steps_without_weights(tmp_path: Path) -> None:
    """Several dumps of weights are paired by step, and a step without is an error; a single dump is for all."""
    grads, own = steps(tmp_path, "g"), steps(tmp_path, "w")
    some = [own / f"step_{k}.npz" for k in range(5)]
    with pytest.raises(InputError, match="step 5"):
        stats(grads, weights=some)
    assert len(stats(grads, weights=some[0]).dumps) == 12
    with pytest.raises(GradclipError, match="has no step"):
        stats(grads, weights=[save(tmp_path, "npz", load(some[0]), name) for name in ("one", "two")])


def test_with_missing_and_tied_tensors(tmp_path: Path) -> None:
    """Dumps may lack tensors of others, and tied ones count once, also beside weights."""
    grads, own = steps(tmp_path, "g", number=4), steps(tmp_path, "w", number=4)
    tensors = load(grads / "step_2.npz")
    del tensors["b.weight"]
    (grads / "step_2.npz").unlink()
    save(grads, "npz", tensors, "step_2")
    report = stats(grads, weights=own, allow_missing=True, tries=["agc:0.1"])
    assert [dump.ratio is not None for dump in report.dumps] == [True] * 4
    both = {"a.weight": tensors["a.weight"], "head.weight": tensors["a.weight"]}
    path, beside_it = save(tmp_path, "npz", both, "t"), save(tmp_path, "npz", {"a.weight": tensors["a.weight"]}, "tw")
    out = tmp_path / "to.npz"
    (dump,) = apply(path, out, strategy="agc", threshold=0.5, weights=beside_it, tied="once").dumps
    assert dump.total.groups == 4
    for array in load(out).values():
        np.testing.assert_allclose(array, 0.5 * tensors["a.weight"])


def test_weights_of_bfloat16(tmp_path: Path) -> None:
    """Weights of bfloat16 in a file that names no type for them are read as gradients are."""
    grads, weights = pair(np.float32)
    narrow = {name: array.astype(BFLOAT16) for name, array in weights.items()}
    path, own = save(tmp_path, "safetensors", grads), save(tmp_path, "npz", narrow, "w")
    report = stats(path, weights=own, void_dtype="bfloat16")
    row = next(row for row in report.params if row.name == "dense.w")
    assert row.weight_norm == pytest.approx(norm_of([narrow["dense.w"]]))


def test_names_are_those_of_the_dump(tmp_path: Path) -> None:
    """Where a file is one tensor, the name that the dump gives it tells the axis, and no note is due."""
    (tmp_path / "step7").mkdir()
    for k, name in enumerate(("params.a.kernel", "params.b.kernel")):
        array = np.random.default_rng(k).standard_normal((4, 6))
        save(tmp_path / "step7", "safetensors", {"gradient": array}, name)
    report = apply(tmp_path / "step7", strategy="clip-by-unit-norm", threshold=0.1, dry_run=True)
    assert [param.units for param in report.dumps[0].params] == [6, 6]
    assert report.notes == []
