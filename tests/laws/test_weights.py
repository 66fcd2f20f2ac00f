"""Weights beside gradients: what lacks one, what is not finite, and what is spread over files in another way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file
from support.matrices import crossed
from support.official import BFLOAT16, Tensors, all_bits, load, save, savez
from support.oracle import clipped_units, norm_of, unit_norms

from gradclip_cli import apply, check, report, show, stats
from gradclip_cli.errors import GradclipError, InputError, OutputError, UsageError
from gradclip_cli.notes import Note
from gradclip_cli.render.tables.apply import group_cells
from laws import layouts

NAMES = ("a.weight", "b.weight", "head.weight")


def pairs(folder: Path, lacking: str = "head", steps: int = 12, without: int = 3) -> tuple[Path, Path]:
    """Write gradients of some steps, and weights, but for those of one tensor and of one step."""
    rng = np.random.default_rng(4)
    for kind in "gw":
        (folder / kind).mkdir()
    for step in range(steps):
        grads: Tensors = {name: rng.standard_normal((4, 6)).astype(np.float32) for name in NAMES}
        sizes = {name: 50.0 if name == "a.weight" else 2.0 for name in NAMES if not name.startswith(lacking)}
        weights: Tensors = {name: size * rng.standard_normal((4, 6)) for name, size in sizes.items()}
        save(folder / "g", "npz", grads, f"step_{step}")
        if step != without:
            save(folder / "w", "npz", weights, f"step_{step}")
    return folder / "g", folder / "w"


def kinds(notes: list[Note]) -> dict[str, str]:
    """The notes that say what changes figures, by kind."""
    return {note.kind: note.text for note in notes if note.changes_figures}


def test_gradients_without_weights_stay_as_they_are(tmp_path: Path) -> None:
    """With --allow-missing, what has no weight, a tensor or a step, is written bit for bit, and a note counts and names it."""
    grads, own = pairs(tmp_path)
    with pytest.raises(InputError, match=r"head\.weight: has no weight .*--allow-missing"):
        apply(grads, strategy="agc", threshold=0.1, weights=own, dry_run=True)
    with pytest.raises(InputError, match="is of step 3, of which there are no weights"):
        apply(grads, strategy="agc", threshold=0.1, weights=own, dry_run=True, layers={"head": ("none", None)})
    done = apply(grads, tmp_path / "o", strategy="agc", threshold=0.1, weights=own, allow_missing=True)
    for step in range(12):
        found, given = (load(folder / f"step_{step}.npz") for folder in (tmp_path / "o", grads))
        if step == 3:
            assert all_bits(found) == all_bits(given)
            continue
        beside = load(own / f"step_{step}.npz")
        np.testing.assert_array_equal(found["head.weight"], given["head.weight"])
        for name, weight in beside.items():
            limit = 0.1 * unit_norms(weight, "first")
            np.testing.assert_allclose(found[name], clipped_units(given[name], limit, "first"), rtol=1e-6)
    texts = kinds(done.notes)
    assert "for 1 tensor, left unchanged: head.weight" in texts["no-weight"]
    assert texts["no-weights"] == "no weights for 1 step, left unchanged: 3"
    rows = {row.name: row for row in done.dumps[0].params}
    assert (rows["head.weight"].strategy, rows["head.weight"].units, rows["head.weight"].factor) == ("none", None, 1.0)
    assert [dump.total.groups for dump in done.dumps[2:4]] == [8, 0]


def test_gradients_without_weights_have_no_ratio(tmp_path: Path) -> None:
    """Ratios are of the gradients that have weights, of the whole, too; `stats` and `apply` choose the same threshold."""
    grads, own = pairs(tmp_path)
    found = stats(grads, weights=own, allow_missing=True, strategy="agc", rule="percentile:90", tries=["agc:0.1"])
    assert set(kinds(found.notes)) == {"no-weight", "no-weights"}
    for dump in found.dumps:
        if dump.step == 3:
            assert (dump.weight_norm, dump.ratio) == (None, None)
            continue
        g, w = load(grads / f"step_{dump.step}.npz"), load(own / f"step_{dump.step}.npz")
        assert dump.ratio == pytest.approx(norm_of([g[name] for name in w]) / norm_of([*w.values()]))
    assert [row.ratio is None for row in found.params] == [False, False, True]
    assert [row.ratio is None for row in found.layers] == [False, False, True]
    done = apply(grads, strategy="agc", threshold="percentile:90", weights=own, allow_missing=True, dry_run=True)
    assert done.threshold == found.suggestions[0].threshold
    done = apply(grads, strategy="agc", threshold=0.1, weights=own, allow_missing=True, dry_run=True)
    assert found.tries is not None
    groups, clipped = (sum(getattr(dump.total, key) for dump in done.dumps) for key in ("groups", "clipped_groups"))
    assert (found.tries[0].clip_rate, found.tries[0].mean_factor) == (clipped / groups, pytest.approx(done.mean_factor))


def test_one_dump_without_some_weights(tmp_path: Path) -> None:
    """`show` leaves the ratio out where there is no weight, and takes that of the total from the others."""
    grads, own = (folder / "step_1.npz" for folder in pairs(tmp_path))
    with pytest.raises(InputError, match=r"head\.weight: has no weight"):
        show(grads, weights=own)
    with pytest.raises(UsageError, match="--allow-missing is for gradients without weights"):
        show(grads, allow_missing=True)
    found, g, w = show(grads, weights=own, allow_missing=True), load(grads), load(own)
    assert found.total.ratio == pytest.approx(norm_of([g[name] for name in w]) / norm_of([*w.values()]))
    assert {row.name for row in found.params if row.ratio is None} == {"head.weight"}
    assert set(kinds(found.notes)) == {"no-weight"}


def test_problems_are_those_of_gradients_with_weights(tmp_path: Path) -> None:
    """`check` takes no ratio of the whole that counts gradients without weights, or weights that are not finite."""
    grads, own = pairs(tmp_path, steps=30)
    weights = {step: load(own / f"step_{step}.npz") for step in (10, 20)}
    weights[20]["a.weight"][1, 1] = np.nan
    save(own, "npz", {name: 1e-3 * array for name, array in weights[10].items()}, "step_10")
    save(own, "npz", weights[20], "step_20")
    gradients = load(grads / "step_15.npz")
    save(grads, "npz", gradients | {"head.weight": np.float32(1e4) * gradients["head.weight"]}, "step_15")
    found = check(grads, weights=own, allow_missing=True)
    assert {(one.step, one.dumps) for one in found.findings if one.rule == "ratio"} == {(10, 1)}
    assert set(kinds(found.notes)) == {"no-weight", "no-weights", "nonfinite-weights"}
    page = report(grads, weights=own, allow_missing=True)
    assert {(one.step, one.dumps) for one in page.check.findings if one.rule == "ratio"} == {(10, 1)}


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    """Where no gradient at all has a weight, --allow-missing is no way out."""
    grads, own = pairs(tmp_path, lacking="none")
    other = save(tmp_path, "npz", {"other": np.ones((2, 2))}, "other")
    options: dict[str, Any] = {"weights": other, "allow_missing": True}
    calls: list[Callable[[], object]] = [
        lambda: apply(grads, strategy="agc", threshold=0.1, dry_run=True, **options),
        lambda: stats(grads, **options),
        lambda: check(grads, **options),
        lambda: show(grads / "step_0.npz", **options),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"a\.weight: has no weight in .*, nor has any other"):
            call()
    later = [own / f"step_{k}.npz" for k in (7, 8)]
    with pytest.raises(InputError, match="of which there are no weights, nor are there any for the other dumps"):
        stats([grads / "step_1.npz", grads / "step_2.npz"], weights=later, allow_missing=True)
    assert [dump.ratio is None for dump in stats(grads, weights=own, steps="2:4", allow_missing=True).dumps] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_make_no_threshold(value: float, tmp_path: Path) -> None:
    """They have no ratio, are no sample of a rule under any policy, and are named in a note of every command."""
    grads, own = (folder / "step_1.npz" for folder in pairs(tmp_path, lacking="none"))
    weights = load(own)
    weights["b.weight"][2, 3] = value
    own = save(tmp_path, "npz", weights, "bad")
    g = load(grads)
    found = stats(grads, weights=own, strategy="agc", rule="median")
    assert {row.name: row.ratio is None for row in found.params} == {name: name == "b.weight" for name in NAMES}
    assert (found.dumps[0].ratio, show(grads, weights=own).total.ratio) == (None, None)
    ratios = [unit_norms(g[name], "first") / unit_norms(array, "first") for name, array in weights.items()]
    every = np.concatenate([one.reshape(-1) for one in ratios])
    every = every[np.isfinite(every) & (every > 0)]
    assert every.size == 11
    assert found.suggestions[0].threshold == pytest.approx(np.median(every))
    for policy in ("zero", "skip", "propagate"):
        done = apply(grads, strategy="agc", threshold="median", weights=own, nonfinite=policy, dry_run=True)
        assert done.threshold == found.suggestions[0].threshold
        assert "the weights of b.weight, " in kinds(done.notes)["nonfinite-weights"]


def test_ties_beside_weights(tmp_path: Path) -> None:
    """Tied gradients that count once take the weight of whichever name the weights have: trainers save one of them."""
    array = np.random.default_rng(1).standard_normal((4, 6))
    path = save(tmp_path, "npz", {"embed.weight": array, "lm_head.weight": array}, "g")
    for name in ("embed.weight", "lm_head.weight"):
        own = save(tmp_path, "npz", {name: 2 * array}, "w")
        assert stats(path, weights=own, tied="once").dumps[0].ratio == pytest.approx(0.5)
        done = apply(path, tmp_path / "o.npz", strategy="agc", threshold=0.1, weights=own, tied="once", overwrite=True)
        assert done.dumps[0].total.groups == 4
        for found in load(tmp_path / "o.npz").values():
            np.testing.assert_allclose(found, 0.2 * array)
        with pytest.raises(InputError, match="has no weight"):
            stats(path, weights=own)


OTHER_NAMES = ("series", "params: first rows", "keras", "keras: shards")
SPREAD = {name: make for name, make in layouts.WRITERS.items() if name not in OTHER_NAMES}
CHOSEN = [("keras", "keras: shards"), ("ranks", "dcp: columns"), ("dcp: columns", "ranks"), ("index", "dcp")]


@pytest.mark.parametrize(("grads", "weights"), [*CHOSEN, *crossed(SPREAD, SPREAD)], ids=str)
def test_weights_of_any_layout(grads: str, weights: str, tmp_path: Path) -> None:
    """Weights may be spread over files in another way than gradients; here each is its own weight, so that ratios are 1."""
    for name in "gw":
        (tmp_path / name).mkdir()
    given, own = layouts.WRITERS[grads](tmp_path / "g"), layouts.WRITERS[weights](tmp_path / "w")
    found = stats(given.paths, weights=own.paths, tries=["agc:0.5"], **given.options)
    assert [row.ratio for row in found.params] == [pytest.approx(1.0, rel=1e-12)] * len(layouts.ARRAYS)
    assert found.tries is not None
    assert (found.tries[0].clip_rate, found.tries[0].mean_factor) == (1.0, pytest.approx(0.5))
    done = apply(given.paths, strategy="agc", threshold=0.5, weights=own.paths, dry_run=True, **given.options)
    assert done.dumps[0].total.norm_after == pytest.approx(0.5 * norm_of([*layouts.ARRAYS.values()]), rel=1e-6)
    assert ("units-of-pieces" in kinds(done.notes)) == (grads in ("ranks", "captured"))


def write(folder: Path, axis: int, pieces: list[Any], name: str = "a.weight", places: bool = False) -> list[Path]:
    """Write pieces of a tensor to files of ranks, which say where they belong if `places`."""
    folder.mkdir()
    paths, at = [], 0
    for k, piece in enumerate(pieces):
        offsets = [0] * piece.ndim
        offsets[axis] = at
        at += piece.shape[axis]
        info = {"DCP_SHARDING_INFO": json.dumps({name: {"saved_offsets": offsets}})}
        path = folder / (f"shard-{k + 1:05}-model-00001-of-00001.safetensors" if places else f"rank{k}.safetensors")
        save_file({name: np.ascontiguousarray(piece)}, path, info if places else None)
        paths.append(path)
    return paths


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("empty", [0, 2])
def test_a_rank_without_rows(empty: int, places: bool, tmp_path: Path) -> None:
    """A rank may hold no row of a tensor; units are those of the others, wherever it comes."""
    array = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    cuts = [array[:0], array[:4], array[4:]] if empty == 0 else [array[:4], array[4:], array[:0]]
    paths = write(tmp_path / "g", 0, cuts, places=places)
    save_file({"a.weight": array}, own := tmp_path / "w.safetensors")
    done = apply(paths, strategy="agc", threshold=0.5, weights=own, dry_run=True, shards=not places)
    (param,) = done.dumps[0].params
    assert (param.units, param.clipped_units, param.min_factor) == (6, 6, pytest.approx(0.5))


def test_parts_of_units_are_never_taken_for_units(tmp_path: Path) -> None:
    """Pieces without places: a note names the tensor; where their shapes show that they hold parts of units, it is refused."""
    array = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    save_file({"a.weight": array}, own := tmp_path / "w.safetensors")
    halves, uneven = (write(tmp_path / name, 1, [array[:, :k], array[:, k:]]) for name, k in (("h", 4), ("u", 5)))
    options: dict[str, Any] = {"strategy": "clip-by-unit-norm", "threshold": 0.5, "shards": True, "dry_run": True}
    assert "right only if it holds whole ones: a.weight" in kinds(apply(halves, **options).notes)["units-of-pieces"]
    found = stats(halves, tries=["clip-by-unit-norm:1"], shards=True)
    assert "units-of-pieces" in kinds(found.notes)
    for call in (lambda: apply(uneven, **options), lambda: stats(uneven, tries=["clip-by-unit-norm:1"], shards=True)):
        with pytest.raises(InputError, match=r"a\.weight: its pieces hold parts of units"):
            call()
    with pytest.raises(GradclipError, match="its units do not match those of its weight"):
        apply(halves, strategy="agc", threshold=0.5, weights=own, shards=True, dry_run=True)
    assert stats(halves, weights=own, shards=True).dumps[0].ratio == pytest.approx(1.0)  # the norm is that of the whole


def test_copies_of_ranks_beside_weights(tmp_path: Path) -> None:
    """What every rank holds whole counts once in weights of ranks, too; more elements than the gradient has are an error."""
    array = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    grads, own = (write(tmp_path / kind, 0, [array, array], "norm.weight") for kind in "gw")
    for paths in (grads, own):
        for k, path in enumerate(paths):
            save_file({"norm.weight": array, "a.weight": array[3 * k : 3 * k + 3].copy()}, path)
    options: dict[str, Any] = {"weights": own, "shards": True, "replicated": ["norm*"]}
    assert stats(grads, **options).dumps[0].ratio == pytest.approx(1.0)
    save_file({"a.weight": array, "norm.weight": array}, whole := tmp_path / "w.safetensors")
    assert stats(grads, **options | {"weights": whole}).dumps[0].ratio == pytest.approx(1.0)
    with pytest.raises(InputError, match=r"norm\.weight: has 96 elements in all pieces, but its weight in .* has 48"):
        stats(grads, weights=whole, shards=True)


def test_an_axis_is_that_of_the_whole_dump(tmp_path: Path) -> None:
    """Names that tell no axis follow most names of the dump, in one file, in one for each tensor, and in shards, to the same units."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((4, 6)).astype("f4") for name in ("a.kernel", "b.kernel", "c.proj", "d.weight")}
    single = save(tmp_path, "safetensors", arrays)
    (tmp_path / "step7").mkdir()
    for name, array in arrays.items():
        save_file({"gradient": array}, tmp_path / "step7" / f"{name}.safetensors")
    parts = [tmp_path / f"g-{k}-of-00002.safetensors" for k in ("00001", "00002")]
    for k, path in enumerate(parts):
        save_file({name: arrays[name] for name in list(arrays)[2 * (1 - k) :][:2]}, path)
    for given in (single, tmp_path / "step7", parts[:1]):
        (dump,) = apply(given, strategy="clip-by-unit-norm", threshold=0.1, dry_run=True).dumps
        assert {row.name: row.units for row in dump.params} == {
            "a.kernel": 6,
            "b.kernel": 6,
            "c.proj": 6,
            "d.weight": 4,
        }


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16], ids=str)
def test_weights_of_keras(dtype: Any, tmp_path: Path) -> None:
    """A Keras weights file beside gradients in another format and of another dtype: units are along the last axis."""
    rng = np.random.default_rng(0)
    grads = {f"layers/{k}/vars/0": rng.standard_normal((3, 5)) for k in ("dense", "conv")}
    own = tmp_path / "model.weights.h5"
    with h5py.File(own, "w") as file:
        for name, array in grads.items():
            file[name] = (4 * array).astype("f4")
        file["optimizer/vars/0"] = np.ones(3)
    path = save(tmp_path, "safetensors", {name: array.astype(dtype) for name, array in grads.items()})
    (dump,) = apply(path, tmp_path / "o.safetensors", strategy="agc", threshold=0.1, weights=own).dumps
    assert [param.units for param in dump.params] == [5, 5]
    for name, array in load(tmp_path / "o.safetensors").items():
        limit = 0.4 * unit_norms(grads[name], "last")
        wanted = clipped_units(grads[name].astype(dtype), limit, "last")
        np.testing.assert_allclose(array.astype("f8"), wanted, rtol=1e-6 if dtype in (np.float64, np.float32) else 1e-2)


@pytest.mark.parametrize("link", [False, True])
def test_weights_are_never_replaced(link: bool, tmp_path: Path) -> None:
    """An output that is a file of the weights is refused, by a link and with --overwrite, too, and all stays as it was."""
    grads, own = pairs(tmp_path, lacking="none", steps=2, without=9)
    target = own
    if link:
        target = tmp_path / "other"
        target.symlink_to(own)
    before = {path: path.read_bytes() for folder in (grads, own) for path in folder.iterdir()}
    with pytest.raises(OutputError, match=r"step_0\.npz: is among the weights, which are only read; write elsewhere"):
        apply(grads, target, strategy="agc", threshold=0.1, weights=own, overwrite=True)
    assert {path: path.read_bytes() for path in before} == before


def test_tables_count_units(tmp_path: Path) -> None:
    """Layers, blocks and kinds count the units that are clipped, of all of theirs, and a tied tensor has those of the other."""
    one = np.array([[3.0, 4.0], [0.3, 0.4]])
    savez(tmp_path / "g.npz", **{"m.0.fc.weight": one, "m.1.fc.weight": one * 2, "m.2.head.weight": one})
    savez(tmp_path / "w.npz", **{f"m.{k}.{n}.weight": one * 9 for k, n in enumerate(("fc", "fc", "head"))})
    words: dict[str, Any] = {"strategy": "clip-by-unit-norm", "threshold": 0.8, "dry_run": True}
    (dump,) = apply(tmp_path / "g.npz", layers={"m.2*": ("none", None)}, **words).dumps
    assert [row.units for row in dump.layers] == [(1, 2), (2, 2), None]
    assert {row.kind: row.units for row in dump.module_kinds} == {"m.*.fc": (3, 4), "m.*.head": None}
    assert [group_cells(row)[3] for row in dump.layers] == ["1 of 2", "2 of 2", "no"]
    (dump,) = apply(tmp_path / "g.npz", tied="once", **words).dumps
    rows = {row.name: row for row in dump.params}
    assert (rows["m.2.head.weight"].norm_before, rows["m.2.head.weight"].units) == (None, 2)
    assert rows["m.2.head.weight"].clipped_units == rows["m.0.fc.weight"].clipped_units == 1


@pytest.mark.parametrize("missing", [False, True])
def test_a_dump_whose_weights_are_not_right_is_left_out(missing: bool, tmp_path: Path) -> None:
    """With keep_going, a dump whose weights are missing, or of another shape, is left out, the first one too, and named."""
    grads, own = pairs(tmp_path, lacking="none", steps=5, without=9)
    for step in (0, 3):
        if missing:
            (own / f"step_{step}.npz").unlink()
        else:
            save(own, "npz", dict.fromkeys(NAMES, np.ones((6, 4))), f"step_{step}")
    for more in (False, not missing):
        found = stats(grads, weights=own, keep_going=True, allow_missing=more, tries=["agc:0.1"])
        assert [dump.step for dump in found.dumps] == [1, 2, 4]
        assert len(found.failed) == 2
        for dump in found.dumps:
            g, w = (load(folder / f"step_{dump.step}.npz") for folder in (grads, own))
            assert dump.ratio == pytest.approx(norm_of([*g.values()]) / norm_of([*w.values()]))
            assert dump.norm == pytest.approx(norm_of([*g.values()]))


def test_integers_are_no_weights(tmp_path: Path) -> None:
    """Where what has the name of a gradient is of a dtype that no gradient has, as in quantised files, the error says which."""
    grads, own = pairs(tmp_path, lacking="none", steps=1, without=9)
    save(own, "npz", {f"module.{name}": np.ones((4, 6), np.int32) for name in NAMES}, "step_0")
    with pytest.raises(InputError, match=r"a\.weight: has no weight in .*step_0\.npz, where it is int32; leave it out"):
        stats(grads, weights=own)
