"""Stable-SPAM over files: what is written is what its authors' arithmetic gives, in every format, dtype and layout."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.official import BFLOAT16, Tensors, load, save_as, savez_compressed
from support.oracle import norm_of, stable_spam, widened

from gradclip_cli import apply, stats
from gradclip_cli.errors import NonFiniteError

STEPS = 12
Series = list[dict[str, Any]]


def series(dtype: Any = np.float64) -> Series:
    """Three tensors, one of several blocks, of which single elements are spikes from time to time, and one of zeros at first."""
    rng = np.random.default_rng(3)
    found = []
    for step in range(STEPS):
        size = rng.lognormal(0, 0.5)
        parts = [rng.standard_normal(shape) * size for shape in ((190, 90), (41,), (1, 8))]
        if step in (4, 9):
            parts[0][3, 4] *= 400
            parts[1][11] *= -90
        parts[2] *= step > 2
        if np.dtype(dtype).kind == "c":
            parts = [part * np.exp(1j * rng.uniform(0, 6, part.shape)) for part in parts]
        found.append({name: part.astype(dtype) for name, part in zip(("a.w", "a.b", "z.w"), parts, strict=True)})
    return found


def by_authors(steps: Series) -> Series:
    """What the authors' arithmetic leaves of all tensors at each step."""
    left = {name: [one for _, one in stable_spam(step[name] for step in steps)] for name in steps[0]}
    return [{name: every[k] for name, every in left.items()} for k in range(len(steps))]


def close(found: Any, expected: Any, dtype: Any) -> None:
    """Assert that elements are equal to 1e-12, or to the rounding of their dtype."""
    rounding = {"float64": 1e-12, "complex128": 1e-12, "complex64": 2e-7, "float32": 6.1e-8}
    tolerance = rounding.get(np.dtype(dtype).name, 3.92e-3)
    np.testing.assert_allclose(widened(found), widened(expected), rtol=tolerance, atol=tolerance * 1e-2)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [("npz", ">f8"), ("safetensors", BFLOAT16), ("h5", np.complex64)],
)
def test_outputs_are_those_of_the_authors(suffix: str, dtype: Any, tmp_path: Path) -> None:
    """Every element written is the authors' in float64, rounded once; counts are those of elements above their limits."""
    steps = series(dtype)
    (tmp_path / "run").mkdir()
    for k, tensors in enumerate(steps):
        save_as(tmp_path / f"run/step_{k}.{suffix}", tensors)
    report = apply(tmp_path / "run", tmp_path / "out", threshold="stable-spam")
    expected = by_authors(steps)
    for k, tensors in enumerate(expected):
        written = load(tmp_path / f"out/step_{k}.{suffix}")
        for name, one in tensors.items():
            close(written[name], one, dtype)
        total, rows = report.dumps[k].total, {row.name: row for row in report.dumps[k].params}
        limits = {name: row.threshold or 0.0 for name, row in rows.items()}
        above = {name: int((np.abs(widened(one)) > limits[name]).sum()) for name, one in steps[k].items()}
        assert {name: row.clipped_elements for name, row in rows.items()} == above
        assert {name for name, row in rows.items() if row.clipped} == {name for name, number in above.items() if number}
        assert [row.threshold for row in report.dumps[k].layers] == [None, limits["z.w"]]
        assert (total.clipped_elements, total.groups) == (sum(above.values()), None)
        assert total.norm_after == pytest.approx(norm_of([*written.values()]), rel=1e-12)
    assert 4 in report.clipped_steps
    assert 0 not in report.clipped_steps


def _slices(folder: Path, steps: Series) -> dict[str, Any]:
    stacked = {name: np.stack([step[name] for step in steps]) for name in steps[0]}
    savez_compressed(folder / "run.npz", **stacked)
    return {"inputs": folder / "run.npz", "along": 0}


def _groups(folder: Path, steps: Series) -> dict[str, Any]:
    with h5py.File(folder / "run.h5", "w") as file:
        for k, step in enumerate(steps):
            for name, array in step.items():
                file.create_dataset(f"step_{k}/{name}", data=array, chunks=True, compression="gzip")
    return {"inputs": folder / "run.h5"}


def _shards(folder: Path, steps: Series) -> dict[str, Any]:
    for k, step in enumerate(steps):
        for rank in range(2):
            (folder / f"run/step_{k}").mkdir(parents=True, exist_ok=True)
            halves = {name: np.array_split(array.reshape(-1), 2)[rank] for name, array in step.items()}
            save_as(folder / f"run/step_{k}/rank{rank}.safetensors", halves)
    return {"inputs": folder / "run", "shards": True}


def _sums(folder: Path, steps: Series) -> dict[str, Any]:
    (folder / "run").mkdir()
    for k, step in enumerate(steps):
        for part in (0.25, 0.75):
            micro = {name: array * part for name, array in step.items()}
            save_as(folder / f"run/step_{k}_micro_{int(4 * part)}.npz", micro)
    return {"inputs": folder / "run", "accumulate": "sum"}


def _scaled(folder: Path, steps: Series) -> dict[str, Any]:
    (folder / "run").mkdir()
    for k, step in enumerate(steps):
        save_as(folder / f"run/step_{k}.npz", {name: array * 1000.0 for name, array in step.items()})
    return {"inputs": folder / "run", "unscale": 1000}


def _tied(folder: Path, steps: Series) -> dict[str, Any]:
    (folder / "run").mkdir()
    for k, step in enumerate(steps):
        save_as(folder / f"run/step_{k}.npz", {**step, "tied.w": step["a.w"]})
    return {"inputs": folder / "run", "tied": "once"}


def figures(asked: Mapping[str, Any]) -> list[Any]:
    """The limit, the clipped elements and the norm after of each tensor that counts at each step."""
    report = apply(**asked, dry_run=True, threshold="stable-spam")
    rows = [(k, row) for k, dump in enumerate(report.dumps) for row in dump.params if row.norm_after is not None]
    found = [(k, row.name.rpartition("/")[2], row.threshold, row.clipped_elements, row.norm_after) for k, row in rows]
    return sorted(found)


def tried(asked: Mapping[str, Any]) -> list[float | None]:
    """What `stats` says of the rule."""
    [one] = stats(**asked, tries=["stable-spam"]).tries or []
    return [one.clip_rate, one.mean_factor, one.lost_energy, one.cosine, one.least_cosine]


@pytest.mark.parametrize("layout", [_slices, _groups, _shards, _sums, _scaled, _tied])
def test_layouts_agree(layout: Callable[[Path, Series], dict[str, Any]], tmp_path: Path) -> None:
    """Steps in one file, tensors in pieces, sums of files, a loss scale and tied tensors change no figure but by rounding."""
    steps = series()
    (tmp_path / "plain").mkdir()
    for k, step in enumerate(steps):
        save_as(tmp_path / f"plain/step_{k}.npz", step)
    written = layout(tmp_path, steps)
    plain, found = figures({"inputs": tmp_path / "plain"}), figures(written)
    assert [(*row[:2], row[3]) for row in found] == [(*row[:2], row[3]) for row in plain]
    for column in (2, 4):
        np.testing.assert_allclose([row[column] for row in found], [row[column] for row in plain], rtol=1e-12)
    tries = [tried(asked) for asked in ({"inputs": tmp_path / "plain"}, written)]
    assert tries[1] == pytest.approx(tries[0], rel=1e-12)


def test_pieces_and_threads_change_no_bit(piece_bytes: Callable[[int], None], tmp_path: Path) -> None:
    """However much is read at once, by however many threads, files and figures are the same to the bit."""
    (tmp_path / "run").mkdir()
    for k, step in enumerate(series(np.float32)):
        save_as(tmp_path / f"run/step_{k}.h5", {name: np.asfortranarray(array) for name, array in step.items()})
    apply(tmp_path / "run", tmp_path / "one", threshold="stable-spam", jobs=1)
    told: dict[str, Any] = {"rule": "stable-spam", "tries": ["stable-spam:0.9"]}
    first = stats(tmp_path / "run", **told, jobs=1)
    piece_bytes(1)
    apply(tmp_path / "run", tmp_path / "more", threshold="stable-spam", jobs=3)
    second = stats(tmp_path / "run", **told, jobs=3)
    assert (first.tries, list(first.replay_groups or ())) == (second.tries, list(second.replay_groups or ()))
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "more" / path.name).read_bytes()


def test_stats_says_what_apply_does(tmp_path: Path) -> None:
    """Clip rates, lost energy and cosines of a trial are those of the files that `apply` writes."""
    steps = series()
    (tmp_path / "run").mkdir()
    for k, step in enumerate(steps):
        save_as(tmp_path / f"run/step_{k}.npz", step)
    report = apply(tmp_path / "run", tmp_path / "out", threshold="stable-spam")
    found = stats(tmp_path / "run", rule="stable-spam", tries=["stable-spam"])
    assert found.tries is not None
    [one] = found.tries
    rows = [row for dump in report.dumps for row in dump.params]
    assert one.clip_rate == sum(row.clipped for row in rows) / len(rows)
    written = [load(tmp_path / f"out/step_{k}.npz") for k in range(STEPS)]
    before, after = (norm_of([array for step in some for array in step.values()]) for some in (steps, written))
    assert one.lost_energy == pytest.approx(1 - (after / before) ** 2, rel=1e-9)
    cosines = [_cosine(*pair) for pair in zip(steps, written, strict=True)]
    assert one.cosine == pytest.approx(np.mean(cosines), rel=1e-12)
    assert one.least_cosine == pytest.approx(min(cosines), rel=1e-12)
    assert found.replay_groups is not None
    last = {row.name: row for row in report.dumps[-1].params}
    assert {row.name: row.threshold for row in found.replay_groups} == {name: r.threshold for name, r in last.items()}
    assert {row.name: row.clip_rate for row in found.replay_groups} == {
        name: sum(row.clipped for row in rows if row.name == name) / STEPS for name in last
    }


def _cosine(before: Tensors, after: Tensors) -> float:
    one, other = (np.concatenate([array.reshape(-1) for array in some.values()]) for some in (before, after))
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_what_is_not_finite(tmp_path: Path) -> None:
    """A tensor with NaN or an infinity moves nothing, and is refused, zeroed and scaled, left as it is, or spread as IEEE says."""
    steps = series()[:6]
    steps[3]["a.b"][2:4] = np.nan, np.inf
    (tmp_path / "run").mkdir()
    for k, step in enumerate(steps):
        save_as(tmp_path / f"run/step_{k}.npz", step)
    with pytest.raises(NonFiniteError, match=r"a\.b"):
        apply(tmp_path / "run", tmp_path / "out", threshold="stable-spam")
    found = {}
    for policy in ("zero", "skip", "propagate"):
        report = apply(tmp_path / "run", tmp_path / policy, threshold="stable-spam", nonfinite=policy)
        found[policy] = load(tmp_path / policy / "step_3.npz")
        rows = [{row.name: row for row in dump.params} for dump in report.dumps]
        assert rows[3]["a.b"].threshold == rows[2]["a.b"].threshold
        assert report.dumps[3].treated is not None
    told = stats(tmp_path / "run", rule="stable-spam", tries=["stable-spam"])
    assert {row.name: row.threshold for row in told.replay_groups or ()} == {k: r.threshold for k, r in rows[5].items()}
    assert "NaN and infinities left out of 1 step" in ((told.tries or [])[0].note or "")
    np.testing.assert_array_equal(found["skip"]["a.b"], steps[3]["a.b"])
    assert np.isnan(found["propagate"]["a.b"]).all()
    zeroed = np.where(np.isfinite(steps[3]["a.b"]), steps[3]["a.b"], 0.0)
    others = [{"a.b": step["a.b"]} for k, step in enumerate(steps) if k != 3]
    history = by_authors(others[:3])
    limit = rows[3]["a.b"].threshold or 0.0
    limited = np.where(np.abs(zeroed) > limit, zeroed / np.abs(zeroed).max() * limit, zeroed)
    expected = limited / np.linalg.norm(limited) * np.linalg.norm(history[2]["a.b"])
    np.testing.assert_allclose(found["zero"]["a.b"], expected, rtol=1e-12)
    np.testing.assert_allclose(load(tmp_path / "zero/step_5.npz")["a.b"], by_authors(others)[4]["a.b"], rtol=1e-12)
