"""Gradients that are written in another dtype are rounded once, whatever they come from and go to."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from support.matrices import crossed
from support.official import (
    BFLOAT16,
    E4M3FN,
    E5M2,
    FLOATS,
    Array,
    Tensors,
    all_bits,
    beside,
    clip,
    factor_of,
    load,
    save,
)
from support.rounding import nearest

from gradclip_cli import apply
from gradclip_cli.errors import OutputError
from gradclip_cli.formats import FORMATS

DTYPES = {"float32": np.dtype(np.float32), "float16": np.dtype(np.float16), "bfloat16": BFLOAT16}
STRATEGIES: dict[str, dict[str, Any]] = {
    "none": {"strategy": "none"},
    "scaled": {"strategy": "clip-by-global-norm", "threshold": 0.3},
    "limited": {"strategy": "clip-by-value", "threshold": 0.1},
}


def hard(dtype: Any, count: int, seed: int = 0) -> Array:
    """Numbers of all sizes: from what every dtype rounds to zero to almost 1, and zeros of both signs."""
    rng = np.random.default_rng(seed)
    sizes = np.exp2(rng.uniform(-140, -1, count)) * (rng.random(count) < 0.3) + rng.random(count) * 2.0**-13
    values = np.asarray(sizes * rng.choice([-1, 1], count))
    values[:2] = [0.0, -0.0]
    return values.astype(dtype)


def dump(dtype: Any) -> Tensors:
    """Gradients in small and large tensors, and what is none of them."""
    return {
        "a.w": hard(dtype, 30_000, 1).reshape(300, 100),
        "a.b": hard(dtype, 5, 2),
        "a.kept": hard(dtype, 7, 3),
        "b.b": hard(dtype, 40, 4),
        "b.ids": np.arange(6),
        "b.pairs": np.array([1 + 2j, 3], np.complex64),
    }


def expected(tensors: Tensors, strategy: str, factor: float, to: Any) -> dict[str, Array]:
    """Round float64(g) · factor, or the limited elements, once."""
    found = dict(tensors)
    for name in ("a.w", "a.b", "b.b"):
        wide = tensors[name].astype(np.float64)
        found[name] = nearest(np.clip(wide, -0.1, 0.1) if strategy == "limited" else wide * factor, to)
    return found


@pytest.mark.parametrize(
    ("dtype", "to", "source", "target", "strategy"),
    crossed(FLOATS, DTYPES, FORMATS, FORMATS, STRATEGIES, rounds=6),
    ids=str,
)
def test_every_element_is_rounded_once(
    dtype: Any, to: str, source: str, target: str, strategy: str, tmp_path: Path
) -> None:
    """What is written is the float64 product rounded once to nearest even; what no norm counts stays bit by bit."""
    tensors = dump(dtype)
    path = save(tmp_path, source, tensors)
    out = beside(path, target)
    one = clip(path, out, output_dtype=to, exclude=["a.kept", "b.pairs"], **STRATEGIES[strategy])
    factor = 1.0 if strategy == "limited" else factor_of(one)
    assert all_bits(load(out)) == all_bits(expected(tensors, strategy, factor, DTYPES[to]))
    after = np.concatenate([load(out)[name].astype(np.float64).ravel() for name in ("a.w", "a.b", "b.b")])
    assert one.total.norm_after == pytest.approx(np.linalg.norm(after), rel=1e-12)


@pytest.mark.parametrize("format", FORMATS)
def test_in_place_dry_and_threaded_it_is_the_same(format: str, tmp_path: Path) -> None:
    """In place, in a dry run, and with one thread or four, figures and files are the same."""
    path = save(tmp_path, format, dump(np.float32))
    options: dict[str, Any] = {"strategy": "clip-by-global-norm", "threshold": 0.3, "output_dtype": "float16"}
    outs = [beside(path, format, name) for name in "ab"]
    reports = [apply(path, out, jobs=jobs, **options).dumps for out, jobs in zip(outs, (1, 4), strict=True)]
    reports += [apply(path, dry_run=True, **options).dumps, apply(path, in_place=True, **options).dumps]
    assert len({str((found.total, list(found.params))) for [found] in reports}) == 1
    assert outs[0].read_bytes() == outs[1].read_bytes() == path.read_bytes()


@pytest.mark.parametrize("dtype", [E4M3FN, E5M2], ids=str)
@pytest.mark.parametrize("target", FORMATS)
def test_float8_becomes_what_every_format_has(dtype: Any, target: str, tmp_path: Path) -> None:
    """Every finite float8 is a float32, so that any format can hold it then."""
    words = np.arange(256, dtype=np.uint8).view(dtype)
    finite = words[np.isfinite(words.astype(np.float32))]
    path = save(tmp_path, "safetensors", {"w": finite})
    clip(path, beside(path, target), strategy="none", output_dtype="float32")
    assert all_bits(load(beside(path, target))) == all_bits({"w": finite.astype(np.float32)})


@pytest.mark.parametrize("count", [900, 400_000])
def test_types_of_16_bits_are_rounded_once_in_their_own_dtype_too(count: int, tmp_path: Path) -> None:
    """A product just beside the middle of two float16 or bfloat16 numbers goes to the nearer one, in small and large tensors."""
    for dtype in (np.dtype(np.float16), BFLOAT16):
        tensors = {"w": hard(dtype, count, 5)}
        path = save(tmp_path, "safetensors", tensors, dtype.name)
        out = beside(path, "safetensors", f"{dtype.name}-out")
        factor = factor_of(clip(path, out, strategy="clip-by-global-norm", threshold=1e-3))
        assert all_bits(load(out)) == all_bits({"w": nearest(tensors["w"].astype(np.float64) * factor, dtype)})


def test_what_leaves_the_range_is_counted(tmp_path: Path) -> None:
    """What is too large becomes infinite and what is too small 0; both are counted by tensor and dump, and said."""
    tensors = {"a.w": np.array([1e5, -7e4, 65504.0, 1e-9, -3e-8, 0.0]), "b.w": np.array([1.0, 2.0])}
    path = save(tmp_path, "npz", tensors)
    report = apply(path, tmp_path / "out.npz", strategy="none", output_dtype="float16")
    [one] = report.dumps
    first, second = one.params
    assert (first.overflowed, first.underflowed, second.overflowed, second.underflowed) == (2, 1, 0, 0)
    assert (one.total.overflowed, one.total.underflowed, one.total.norm_after) == (2, 1, np.inf)
    assert load(tmp_path / "out.npz")["a.w"].tolist() == [np.inf, -np.inf, 65504.0, 0.0, np.float16(-3e-8), 0.0]
    said = {note.kind: note for note in report.notes}
    assert (
        said["overflow"].text == f"{path}: 2 elements rounded to infinity in a.w; --output-dtype float32 has more room"
    )
    assert said["overflow"].changes_figures
    assert said["underflow"].text == f"{path}: 1 element rounded to zero in a.w; --output-dtype float32 has more room"


def test_bfloat16_becomes_float32_in_npz(tmp_path: Path) -> None:
    """npz has no bfloat16: without a wish it becomes float32, the same numbers, and a note says so; `keep` writes |V2."""
    tensors = {"a.w": hard(BFLOAT16, 300), "b.left": hard(BFLOAT16, 9), "b.n": np.arange(3)}
    path = save(tmp_path, "safetensors", tensors)
    report = apply(path, tmp_path / "out.npz", strategy="none", exclude=["b.left"])
    wide = {name: array.astype(np.float32) if array.dtype == BFLOAT16 else array for name, array in tensors.items()}
    assert all_bits(load(tmp_path / "out.npz")) == all_bits(wide)
    [note] = report.notes
    assert note.text.endswith(
        "npz has no bfloat16, so 2 tensors became float32, which holds the same numbers; --output-dtype keep writes |V2"
    )
    apply(path, tmp_path / "kept.npz", strategy="none", output_dtype="keep")
    with np.load(tmp_path / "kept.npz") as archive:
        assert archive["a.w"].dtype == np.dtype("V2")
        assert archive["a.w"].tobytes() == tensors["a.w"].tobytes()


def test_bfloat16_stays_in_hdf5(tmp_path: Path) -> None:
    """HDF5 holds bfloat16 as two opaque bytes with an attribute, and so does one that is asked for."""
    path = save(tmp_path, "safetensors", {"w": hard(BFLOAT16, 50)})
    clip(path, tmp_path / "same.h5", strategy="none")
    clip(
        save(tmp_path, "npz", {"w": hard(np.float32, 50)}),
        tmp_path / "new.h5",
        strategy="none",
        output_dtype="bfloat16",
    )
    for name in ("same.h5", "new.h5"):
        with h5py.File(tmp_path / name) as file:
            assert (file["w"].dtype, file["w"].attrs["dtype"]) == (np.dtype("V2"), "bfloat16")


def test_metadata_and_other_members_stay(tmp_path: Path) -> None:
    """safetensors keep their metadata, and npz its other members and how they are packed."""
    save_file({"w": hard(np.float32, 20)}, tmp_path / "g.safetensors", {"format": "pt", "step": "7"})
    apply(tmp_path / "g.safetensors", tmp_path / "o.safetensors", strategy="none", output_dtype="bfloat16")
    with safe_open(tmp_path / "o.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt", "step": "7"}
    np.savez_compressed(tmp_path / "g.npz", w=hard(np.float32, 4000), text=np.array(["a"]), n=np.arange(3))
    apply(tmp_path / "g.npz", tmp_path / "o.npz", strategy="none", output_dtype="float16")
    with np.load(tmp_path / "o.npz") as archive:
        assert archive.files == ["w", "text", "n"]
        assert archive["w"].dtype == np.float16
        assert {info.compress_type for info in archive.zip.infolist()} == {8}


def test_hdf5_loses_nothing_in_place(tmp_path: Path) -> None:
    """An HDF5 file with attributes is refused in place, since a new file would lack them; elsewhere a note names them."""
    path = save(tmp_path, "hdf5", {"w": hard(np.float32, 20)})
    with h5py.File(path, "a") as file:
        file["w"].attrs["unit"] = "1"
    before = path.read_bytes()
    with pytest.raises(OutputError, match="attributes of w; give -o another file"):
        apply(path, in_place=True, strategy="none", output_dtype="float16")
    assert path.read_bytes() == before
    report = apply(path, tmp_path / "out.h5", strategy="none", output_dtype="float16")
    assert [note.kind for note in report.notes if "attributes of w" in note.text] == ["not-convertible"]
    apply(path, in_place=True, strategy="none", output_dtype="float32")


def test_shards_keep_their_index(tmp_path: Path) -> None:
    """Each shard is written in the new dtype, and the index says what all tensors take then, and nothing else new."""
    shards = [{"a.w": hard(np.float32, 20_000, 1), "a.ids": np.arange(4)}, {"b.w": hard(np.float32, 10, 2)}]
    (tmp_path / "in").mkdir()
    weight_map: dict[str, str] = {}
    for k, tensors in enumerate(shards, 1):
        name = f"model-0000{k}-of-00002.safetensors"
        save_file(tensors, tmp_path / "in" / name)
        weight_map |= dict.fromkeys(tensors, name)
    index = {"metadata": {"total_size": 80_072}, "weight_map": weight_map}
    (tmp_path / "in" / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    apply(tmp_path / "in", tmp_path / "out", threshold=0.1, output_dtype="bfloat16")
    found = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert found == {"metadata": {"total_size": 40_052}, "weight_map": weight_map}
    names = sorted(set(weight_map.values()))
    whole = np.concatenate([shards[0]["a.w"], shards[1]["b.w"]]).astype(np.float64)
    factor = 0.1 / np.linalg.norm(whole)
    for name, tensors in zip(names, shards, strict=True):
        for key, array in load(tmp_path / "out" / name).items():
            assert key == "a.ids" or all_bits({"": array}) == all_bits(
                {"": nearest(tensors[key].astype(float) * factor, BFLOAT16)}
            )


@pytest.mark.parametrize("to", DTYPES)
def test_micro_batches_are_rounded_once(to: str, tmp_path: Path) -> None:
    """The mean of micro-batches is scaled in float64 and rounded once to the dtype that is asked for."""
    (tmp_path / "in").mkdir()
    parts = [{"w": hard(np.float32, 30_000, k), "left": hard(np.float32, 9, k)} for k in range(4)]
    for k, tensors in enumerate(parts):
        save(tmp_path / "in", "safetensors", tensors, f"micro_{k}")
    out = tmp_path / "out.safetensors"
    [one] = apply(
        tmp_path / "in", out.parent / "out", accumulate="mean", threshold=0.1, exclude=["left"], output_dtype=to
    ).dumps
    [written] = (tmp_path / "out").iterdir()
    wide = [{name: array.astype(np.float64) for name, array in part.items()} for part in parts]
    mean = {name: (wide[0][name] + wide[1][name] + wide[2][name] + wide[3][name]) / 4 for name in ("w", "left")}
    found = {"w": nearest(mean["w"] * factor_of(one), DTYPES[to]), "left": mean["left"].astype(np.float32)}
    assert all_bits(load(written)) == all_bits(found)


def test_slices_are_rounded_once(tmp_path: Path) -> None:
    """Under --along each slice is scaled by its own factor and rounded once, clipped or not."""
    tensors = {"a.w": hard(np.float32, 60_000).reshape(3, 100, 200), "b.w": hard(np.float32, 12).reshape(3, 4)}
    tensors["a.w"][1] *= 1000
    path = save(tmp_path, "safetensors", tensors)
    dumps = apply(path, tmp_path / "out.npz", along=0, threshold=30.0, output_dtype="float16").dumps
    assert [one.total.clipped_groups for one in dumps] == [0, 1, 0]
    rows = {
        name: np.stack([nearest(array[k].astype(float) * factor_of(one), np.float16) for k, one in enumerate(dumps)])
        for name, array in tensors.items()
    }
    assert all_bits(load(tmp_path / "out.npz")) == all_bits(rows)
    again = apply(path, dry_run=True, along=0, threshold=30.0, output_dtype="float16").dumps
    assert [one.total for one in again] == [one.total for one in dumps]


def test_tied_tensors_are_written_alike(tmp_path: Path) -> None:
    """A tensor that counts for another one is written in the same dtype as that."""
    shared = hard(np.float32, 50)
    path = save(tmp_path, "safetensors", {"a.w": shared, "z.w": shared})
    apply(path, tmp_path / "out.safetensors", threshold=1e-5, tied="once", output_dtype="float16")
    found = load(tmp_path / "out.safetensors")
    assert {array.dtype.name for array in found.values()} == {"float16"}
    assert found["a.w"].tobytes() == found["z.w"].tobytes()


def test_nothing_is_rounded_that_is_of_the_dtype(tmp_path: Path) -> None:
    """Where all gradients are of the dtype that is asked for, the file is the same, byte by byte, NaN payloads too."""
    words = np.array([0x7F800001, 0x3F800000, 0xFFC12345], np.uint32).view(np.float32)
    path = save(tmp_path, "safetensors", {"w": words})
    apply(path, tmp_path / "out.safetensors", strategy="none", nonfinite="propagate", output_dtype="float32")
    assert (tmp_path / "out.safetensors").read_bytes() == path.read_bytes()
