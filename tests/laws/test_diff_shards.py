"""`diff` of the files of ranks: figures are those of the whole tensors, by plain numpy, and no piece is lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file
from support.official import BFLOAT16, Array, Tensors, save
from support.oracle import norm_of

import gradclip_cli
from gradclip_cli import InputError, UsageError
from gradclip_cli.formats import FORMATS
from gradclip_cli.reports.diff import DiffParam, DiffReport

RANKS = 3

Dump = list[dict[str, Array]]
"""The tensors of each rank."""


def ranks(seed: int, format: str = "npz") -> Dump:
    """Return pieces of all dtypes, of shapes that differ between ranks in some; ranks lack some tensors."""
    rng = np.random.default_rng(7)  # what both runs share
    own = np.random.default_rng(seed)

    def piece(shape: tuple[int, ...], dtype: Any, rank: int) -> Array:
        values = rng.standard_normal(shape) + 0.1 * seed * own.standard_normal(shape)
        if np.dtype(dtype).kind == "c":
            values = values + 1j * own.standard_normal(shape)
        return (values * (rank + 1)).astype(dtype)

    found: Dump = []
    for rank in range(RANKS):
        tensors = {
            "blocks.weight": piece((60, 301), np.float32, rank),
            "uneven.weight": piece((9 - rank, 5), np.float64, rank),
            "half.weight": piece((40,), np.float16, rank),
            "brain.weight": piece((11, 3), BFLOAT16, rank),
            "scalar": piece((), np.float32, rank),
            "ids": np.arange(20) * (1 + rank * seed),
            "same.weight": rng.standard_normal((8, 8)),
        }
        if rank != 1:
            tensors["some.weight"] = piece((4, 4), np.float32, rank)
        if format != "safetensors":
            tensors["complex.weight"] = piece((300, 41), np.complex64, rank)
        found.append(tensors)
    return found


def write(folder: Path, format: str, dump: Dump, name: str = "rank") -> Path:
    """Write a file for each rank."""
    folder.mkdir(parents=True)
    for rank, tensors in enumerate(dump):
        save(folder, format, tensors, f"{name}{rank}")
    return folder


def joined(dump: Dump) -> dict[str, Array]:
    """Return each tensor as one vector."""
    names = dict.fromkeys(name for tensors in dump for name in tensors)
    return {name: np.concatenate([np.ravel(t[name]) for t in dump if name in t]) for name in names}


def diff(a: Path, b: Path, **options: Any) -> DiffReport:
    """Compare files of ranks."""
    return gradclip_cli.diff(a, b, shards=True, void_dtype="bfloat16", **options)


def rows(report: DiffReport) -> dict[str, DiffParam]:
    """Return the rows of a report by name."""
    return {row.name: row for row in report.params}


def is_gradient(array: Array) -> bool:
    """Whether norms are of this array."""
    return array.dtype.kind in "fc" or array.dtype == BFLOAT16


def wide(array: Array) -> Array:
    """Return numbers in double precision."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def agrees(row: DiffParam, a: Array, b: Array) -> bool:
    """Whether the figures of a row are those of two vectors."""
    x, y = wide(a), wide(b)
    apart, some = np.abs(x - y), y != 0
    wanted: dict[str, Any] = {
        "status": "same" if not apart.any() else "differs",
        "max_abs_diff": pytest.approx(apart.max(), rel=1e-12),
        "max_rel_diff": pytest.approx((apart[some] / np.abs(y[some])).max(), rel=1e-12),
        "norm_a": None,
        "norm_b": None,
        "norm_ratio": None,
        "cosine": None,
    }
    if is_gradient(a):
        norms = norm_of([x]), norm_of([y])
        wanted |= {
            "norm_a": pytest.approx(norms[0], rel=1e-12),
            "norm_b": pytest.approx(norms[1], rel=1e-12),
            "norm_ratio": pytest.approx(norms[1] / norms[0], rel=1e-12),
            "cosine": pytest.approx(np.vdot(x, y).real / norms[0] / norms[1], rel=1e-12),
        }
    return all(getattr(row, name) == value for name, value in wanted.items())


@pytest.mark.parametrize("format", FORMATS)
def test_figures_are_those_of_whole_tensors(format: str, tmp_path: Path) -> None:
    """Squares and products of pieces add up, whatever the dtype, and the largest difference is that of any piece."""
    dumps = ranks(1, format), ranks(2, format)
    report = diff(write(tmp_path / "a", format, dumps[0]), write(tmp_path / "b", format, dumps[1]))
    a, b = map(joined, dumps)
    found = rows(report)
    assert found.keys() == a.keys()
    for name, row in found.items():
        assert agrees(row, a[name], b[name]), name
    assert {name for name, row in found.items() if row.status == "same"} == {"same.weight"}
    floats = [name for name in a if is_gradient(a[name])]
    assert agrees(report.overall, *(np.concatenate([wide(side[name]) for name in floats]) for side in (a, b)))
    assert (found["blocks.weight"].shape_a, found["uneven.weight"].shape_a) == ((60, 301), None)
    assert report.notes == []


@pytest.mark.parametrize("of_b", FORMATS)
@pytest.mark.parametrize(("size", "jobs"), [(1, 1), (1 << 16, 4)])
def test_the_same_bits(of_b: str, size: int, jobs: int, piece_bytes: Callable[[int], None], tmp_path: Path) -> None:
    """Figures do not depend on formats, on the size of what is read at once, nor on the number of threads, to the bit."""
    dumps = ranks(1, "safetensors"), ranks(2, "safetensors")
    usual = diff(write(tmp_path / "a", "npz", dumps[0]), write(tmp_path / "b", "npz", dumps[1]), jobs=2)
    other = write(tmp_path / "c", of_b, dumps[1])
    diff(tmp_path / "a", other)  # so that every module is there to be told of pieces
    piece_bytes(size)
    found = diff(tmp_path / "a", other, jobs=jobs)
    assert (found.params, found.overall) == (usual.params, usual.overall)


@pytest.mark.parametrize("rank", range(RANKS))
@pytest.mark.parametrize("format", FORMATS)
def test_no_piece_is_lost(format: str, rank: int, tmp_path: Path) -> None:
    """A difference in a single element is found in the file of any rank, and equal dumps are equal."""
    changed = ranks(1, format)
    weight = changed[rank]["blocks.weight"].copy()
    weight[-1, -1] = 1000
    changed[rank]["blocks.weight"] = weight
    paths = write(tmp_path / "a", format, ranks(1, format)), write(tmp_path / "b", format, changed)
    report = diff(*paths)
    assert {name: row.status for name, row in rows(report).items() if row.status != "same"} == {
        "blocks.weight": "differs"
    }
    before = ranks(1, format)[rank]["blocks.weight"][-1, -1]
    assert rows(report)["blocks.weight"].max_abs_diff == 1000 - float(before)
    assert diff(paths[0], paths[0]).equal


def test_shapes_and_names(tmp_path: Path) -> None:
    """Another number of pieces, and another shape of any, is `reshaped`; norms are over all pieces of each side."""
    a: Dump = [
        {"number": np.array([3.0]), "shape": np.ones((2, 2)), "old": np.array([1.0]), "kept": np.array([5.0])},
        {"number": np.array([4.0]), "shape": np.ones((3, 4)), "old": np.array([2.0, 2.0])},
        {"number": np.array([12.0])},
    ]
    b: Dump = [
        {"number": np.array([6.0]), "shape": np.ones((2, 2)), "new": np.array([3.0]), "kept": np.array([5.0])},
        {"number": np.array([8.0]), "shape": np.ones((4, 3)), "new": np.array([4.0])},
        {"ids": np.array([7])},
    ]
    report = diff(write(tmp_path / "a", "npz", a), write(tmp_path / "b", "npz", b))
    assert [row[:5] for row in report.params] == [
        ("ids", "only-b", None, None, None),
        ("kept", "same", 5.0, 5.0, 1.0),
        ("new", "only-b", None, 5.0, None),
        ("number", "reshaped", 13.0, 10.0, 10 / 13),
        ("old", "only-a", 3.0, None, None),
        ("shape", "reshaped", 4.0, 4.0, 1.0),
    ]
    assert (report.overall.norm_a, report.overall.norm_b, report.equal) == (5.0, 5.0, False)


def test_what_is_no_gradient_in_one_rank(tmp_path: Path) -> None:
    """A tensor of which a piece is of whole numbers has no norm, and is compared all the same."""
    a: Dump = [{"w": np.array([3.0]), "v": np.array([3.0])}, {"w": np.array([4]), "v": np.array([4])}]
    b: Dump = [{"w": np.array([3.0])}, {"w": np.array([6])}]
    other, row = diff(write(tmp_path / "a", "npz", a), write(tmp_path / "b", "npz", b)).params
    assert (other.name, other.status, other.norm_a) == ("v", "only-a", None)
    assert (row.status, row.norm_a, row.cosine, row.max_abs_diff) == ("differs", None, None, 2.0)
    assert row.dtype_a == "float64/int64"


def test_what_counts_in_no_norm(tmp_path: Path) -> None:
    """Dimension scales in the files of ranks are compared, have no norm, and are no copies to be noted."""
    for run, number in (("a", 3), ("b", 2)):
        (tmp_path / run).mkdir()
        for rank in range(number):
            with h5py.File(tmp_path / run / f"rank{rank}.h5", "w") as file:
                file["y"] = np.ones(2)
                file["y"].make_scale("y")
                if rank < 2:
                    file["x"] = np.ones(2)
                    file["x"].make_scale("x")
                    file["w"] = np.full(2, 1.0 + rank)
    report = diff(tmp_path / "a", tmp_path / "b")
    assert [(row.name, row.status, row.norm_a, row.norm_b) for row in report.params] == [
        ("w", "same", np.sqrt(10), np.sqrt(10)),
        ("x", "same", None, None),
        ("y", "reshaped", None, None),
    ]
    assert "replicas" not in {note.kind for note in report.notes}


def with_copies(seed: int, only_first: bool = False) -> Dump:
    """Return ranks that hold copies, or of which only the first one holds them."""
    rng = np.random.default_rng(seed)
    copies = {
        "norm.weight": rng.standard_normal(9000).astype(np.float32),
        "norm.phase": rng.standard_normal(50) + 1j,
    }
    found: Dump = []
    for rank in range(RANKS):
        pieces = {"fc.weight": rng.standard_normal((6, 7)), "zero": np.zeros(3)}
        found.append(pieces | (copies if rank == 0 or not only_first else {}))
    return found


@pytest.mark.parametrize("format", ["hdf5", "npz"])
def test_copies_count_once(format: str, tmp_path: Path) -> None:
    """What --replicated names counts as if only the first rank had it; without it copies count once a rank, with a note."""
    sides = [write(tmp_path / name, format, with_copies(seed)) for name, seed in (("a", 1), ("b", 2))]
    firsts = [write(tmp_path / f"first {seed}", format, with_copies(seed, True)) for seed in (1, 2)]
    once, plain = diff(*sides, replicated=["norm.*"]), diff(*firsts)
    assert (once.params, once.overall, once.notes) == (plain.params, plain.overall, [])
    twice = diff(*sides)
    for name in ("norm.weight", "norm.phase"):
        assert rows(twice)[name].norm_a == pytest.approx(rows(once)[name].norm_a * np.sqrt(RANKS), rel=1e-12)
        assert rows(twice)[name].cosine == pytest.approx(rows(once)[name].cosine, rel=1e-12)
    (note,) = twice.notes
    first = next((tmp_path / "a").iterdir()).with_stem("rank0")
    assert note.text == (
        f"{first}: the same in all ranks, and counted once for each: norm.phase, norm.weight; "
        "give --replicated 'norm.phase' --replicated 'norm.weight' if they are copies (and 1 more)"
    )
    assert (note.kind, note.times, note.changes_figures) == ("replicas", 4, True)


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("of_b", ["pieces", "fewer ranks", "nothing"])
def test_copies_are_noted_wherever_they_are(of_b: str, side: str, tmp_path: Path) -> None:
    """The note does not depend on the other dump, where the tensor may be missing or in other pieces."""
    other: Dump = {
        "pieces": [{"w": np.full(4, rank + 1.0)} for rank in range(RANKS)],
        "fewer ranks": [{"w": np.full(4, rank + 1.0)} for rank in range(2)],
        "nothing": [{"v": np.full(4, rank + 1.0)} for rank in range(2)],
    }[of_b]
    copies = write(tmp_path / "copies", "npz", [{"w": np.arange(4.0)}] * RANKS)
    paths = copies, write(tmp_path / "other", "npz", other)
    (note,) = diff(*(paths if side == "a" else paths[::-1])).notes
    assert f"{copies / 'rank0.npz'}: the same in all ranks" in note.text


@pytest.mark.parametrize("change", [lambda w: -w, lambda w: w[:-1], lambda w: w.astype(np.float64)])
def test_what_is_no_copy(change: Callable[[Array], Array], tmp_path: Path) -> None:
    """Other bits, another shape or dtype in any rank of any side is an error of the input that names both files."""
    dump = with_copies(1)
    good = write(tmp_path / "good", "npz", dump)
    dump[2] = {**dump[2], "norm.weight": change(dump[2]["norm.weight"])}
    bad = write(tmp_path / "bad", "npz", dump)
    for paths in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match=r"rank2\.npz: norm\.weight: is not the same as in .*rank0\.npz.*leave it"):
            diff(*paths, replicated=["norm.weight"])


@pytest.mark.parametrize("kind", ["file", "folder", "numbered", "pieces that say where they belong"])
def test_one_side_of_whole_tensors(kind: str, tmp_path: Path) -> None:
    """Ranks against whole tensors: what is in pieces is `reshaped`, with the norms of both; what is in one is compared."""
    arrays = {"fc.weight": np.arange(24, dtype=np.float32).reshape(6, 4), "norm.weight": np.ones(4, np.float32)}
    dump: Dump = [
        {"fc.weight": np.array(arrays["fc.weight"][k * 3 : k * 3 + 3]) * np.float32(2), "norm.weight": np.ones(4, "f4")}
        for k in range(2)
    ]
    sides = write(tmp_path / "ranks", "safetensors", dump), whole(tmp_path / "whole", kind, arrays)
    norm = norm_of([arrays["fc.weight"]])
    for turn in (1, -1):
        report = diff(*sides[::turn], replicated=["norm.*"])
        found = rows(report)
        fc, row = found["fc.weight"], found["norm.weight"]
        assert (fc.status, row.status, row.norm_a, row.cosine) == ("reshaped", "same", 2.0, 1.0)
        assert (fc.norm_a, fc.norm_b)[::turn] == pytest.approx((2 * norm, norm), rel=1e-12)
        assert fc.norm_ratio == pytest.approx(0.5 if turn == 1 else 2.0, rel=1e-12)
        assert (fc.pieces_a, fc.pieces_b)[::turn] == (2, 1)
        assert (fc.shape_a, fc.shape_b)[::turn] == ((3, 4), (6, 4))
        (note,) = report.notes
        assert "is one dump and no set of ranks, so its tensors are taken for whole ones" in note.text
    with pytest.raises(UsageError, match=r"--shards needs the files of two ranks or more"):
        diff(sides[1], sides[1])


def whole(folder: Path, kind: str, arrays: Tensors) -> Path:
    """Write a dump of whole tensors."""
    folder.mkdir()
    if kind == "file":
        return save(folder, "npz", arrays)
    if kind == "folder":
        return save(folder, "npz", arrays).parent
    if kind == "numbered":
        for k, (name, array) in enumerate(arrays.items()):
            save(folder, "safetensors", {name: array}, f"m-{k + 1:05d}-of-00002")
        return folder
    for k in range(2):
        offsets = {"fc.weight": [k * 3, 0], "norm.weight": [0]}
        info = json.dumps({name: {"saved_offsets": start} for name, start in offsets.items()})
        path = folder / f"shard-{k + 1:05d}-model-00001-of-00001.safetensors"
        save_file(
            {**arrays, "fc.weight": np.array(arrays["fc.weight"][k * 3 : k * 3 + 3])}, path, {"DCP_SHARDING_INFO": info}
        )
    return folder


def test_ranks_are_in_natural_order(tmp_path: Path) -> None:
    """Rank 10 comes after rank 9: names of files may have zeros in one run and none in the other."""
    dump: Dump = [{"w": np.array([float(rank)])} for rank in range(12)]
    a = write(tmp_path / "a", "npz", dump)
    (tmp_path / "b").mkdir()
    for rank, tensors in enumerate(dump):
        save(tmp_path / "b", "npz", tensors, f"rank{rank:03d}")
    assert diff(a, tmp_path / "b").equal


def test_folders_of_ranks(tmp_path: Path) -> None:
    """Each rank may have a folder of its own in that of the step; several steps are compared one by one."""
    for run in ("a", "b"):
        for step in (5, 6):
            for rank, tensors in enumerate(ranks(1)):
                (folder := tmp_path / run / f"step_{step}" / f"rank_{rank}").mkdir(parents=True)
                save(folder, "npz", tensors)
    assert diff(tmp_path / "a" / "step_5", tmp_path / "b" / "step_6").equal
    found = diff(tmp_path / "a", tmp_path / "b")
    assert found.steps is not None
    assert [(step.step, step.equal) for step in found.steps] == [(5, True), (6, True)]


def test_the_loss_scale(tmp_path: Path) -> None:
    """Norms are in true units, and what differs by the scale alone is equal."""
    dump: Dump = [{"w": np.array([3.0, 0.0])}, {"w": np.array([0.0, 4.0])}]
    for name, scale in (("a", 1024), ("b", 2)):
        (tmp_path / name).mkdir()
        for rank, tensors in enumerate(dump):
            path = tmp_path / name / f"rank{rank}.safetensors"
            save_file({"w": tensors["w"] * scale}, path, {"loss_scale": str(scale)})
    report = diff(tmp_path / "a", tmp_path / "b", unscale="loss_scale")
    (row,) = report.params
    assert (report.equal, row.norm_a, row.norm_b, row.cosine, report.overall.norm_b) == (True, 5.0, 5.0, 1.0, 5.0)


def test_wrappers_and_selections(tmp_path: Path) -> None:
    """Names that differ in wrappers only are one tensor in all ranks; what is left out is in no piece."""
    wrapped: Dump = [{f"_orig_mod.{name}": array for name, array in tensors.items()} for tensors in ranks(1)]
    paths = write(tmp_path / "a", "npz", ranks(1)), write(tmp_path / "b", "npz", wrapped)
    report = diff(*paths)
    assert report.equal
    assert [note.kind for note in report.notes] == ["wrappers"]
    assert [row.name for row in diff(*paths, include=["*half.*", "*ids"]).params] == ["half.weight", "ids"]
    assert [row.name for row in diff(paths[0], paths[0], exclude=["[!b]*"]).params] == ["blocks.weight", "brain.weight"]
    with pytest.raises(UsageError, match=r"--replicated 'fc.* matches no tensor"):
        diff(*paths, replicated=["fc.*"])
    assert diff(*paths, exclude=["*ids"], replicated=["ids"]).equal


def test_what_is_not_finite(tmp_path: Path) -> None:
    """One NaN in one rank makes the norm of the tensor NaN; NaN equals NaN."""
    dump: Dump = [{"w": np.ones(3)}, {"w": np.array([1, np.nan, 1])}]
    a, b = write(tmp_path / "a", "npz", dump), write(tmp_path / "b", "npz", [dump[0], {"w": np.full(3, 2.0)}])
    assert diff(a, a).equal
    (row,) = diff(a, b).params
    assert (np.isnan(row.norm_a or 0), row.norm_b, row.norm_ratio, row.cosine) == (True, np.sqrt(15), None, None)


class Told:
    """A progress that counts the bytes of each file."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.bytes: dict[str, int] = {}

    def start(self, dumps: int, files: Any, passes: int) -> None:
        """Remember the files."""
        self.files = list(files)

    def advance(self, count: int, path: str) -> None:
        """Count bytes."""
        self.bytes[path] = self.bytes.get(path, 0) + count


@pytest.mark.parametrize("replicated", [(), ("norm.*",)])
def test_progress_is_of_every_file(replicated: tuple[str, ...], tmp_path: Path) -> None:
    """Each byte of each file is reported once, also of copies that do not count."""
    dumps = with_copies(1), with_copies(2)
    paths = write(tmp_path / "a", "npz", dumps[0]), write(tmp_path / "b", "npz", dumps[1])
    told = Told()
    diff(*paths, replicated=replicated, progress=told, jobs=1)
    assert told.bytes == {
        str(path / f"rank{rank}.npz"): sum(array.nbytes for array in dump[rank].values())
        for path, dump in zip(paths, dumps, strict=True)
        for rank in range(RANKS)
    }
    assert sorted(told.files) == sorted(told.bytes)
