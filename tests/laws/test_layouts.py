"""However a dump is spread over files, it is the same dump, and the same files come out."""

import pkgutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gradclip_cli import apply, check, diff, stats
from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.inputs import layouts
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.pipeline import ls
from laws.layouts import WRITERS, Given

OTHERS = {"accumulated"}
"""Layouts of which other files come out than went in: test_accumulated.py has their laws."""

LAYOUTS = sorted(module.name for module in pkgutil.iter_modules(layouts.__path__) if module.name not in OTHERS)


@pytest.fixture(params=WRITERS)
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Given:
    """Write a dump in each layout that there is."""
    folder = tmp_path / "in"
    folder.mkdir()
    return WRITERS[request.param](folder)


def norm(arrays: Sequence[np.ndarray]) -> float:
    """The L2 norm of all of them, in float64."""
    return float(np.sqrt(sum(np.square(array.astype(np.float64)).sum() for array in arrays)))


def outputs(given: Given, out: Path) -> list[Path]:
    """Where each file of a dump comes out."""
    return [out if out.is_file() else out / path.name for path in given.files]


def target(given: Given, folder: Path) -> Path:
    """Where outputs go: a file of the same kind for one file, or else a folder."""
    return folder / ("out.safetensors" if len(given.files) == 1 else "out")


def _skip_pieces(given: Given) -> None:
    if given.options or len(given.dumps) > 1 or ".rank_" in given.files[0].name:
        pytest.skip("its tensors are pieces whose places nothing tells, or of several steps")


def test_every_layout_is_registered() -> None:
    """What is asked for dumps among paths is a layout of its own, of which this suite writes dumps."""
    names = {type(finder).__module__.rpartition(".")[2] for finder in layouts.FINDERS}
    assert names <= set(LAYOUTS) == {name.partition(":")[0] for name in WRITERS}


def test_norms_are_those_of_the_joined_tensors(given: Given) -> None:
    """The norm of a dump is that of its tensors put together, and so is that of each tensor."""
    report = stats(given.paths, **given.options)
    expected = [norm(list(dump.values())) for dump in given.dumps]
    assert [dump.norm for dump in report.dumps] == pytest.approx(expected, rel=1e-14)
    assert {row.name: row.summary.max for row in report.params} == pytest.approx(
        {name: max(norm([dump[name]]) for dump in given.dumps) for name in given.dumps[0]}, rel=1e-14
    )


@pytest.mark.parametrize("strategy", ["clip-by-global-norm", "clip-by-value"])
def test_what_is_not_clipped_keeps_every_bit(given: Given, strategy: str, tmp_path: Path) -> None:
    """Below the threshold, the same files come out, byte for byte, and no others."""
    out = target(given, tmp_path)
    apply(given.paths, out, strategy=strategy, threshold=1e9, **given.options)
    written = outputs(given, out)
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in given.files]
    assert out.is_file() or sorted(out.iterdir()) == sorted(written)


def test_what_is_clipped_is_clipped_by_the_norm_of_the_dump(given: Given, tmp_path: Path) -> None:
    """Every file holds the same tensors as before, each multiplied by the factor of its dump."""
    out = target(given, tmp_path)
    report = apply(given.paths, out, strategy="clip-by-global-norm", threshold=1.0, **given.options)
    assert [dump.total.norm_after for dump in report.dumps] == pytest.approx([1.0] * len(given.dumps), rel=1e-6)
    factors = [1.0 / norm(list(dump.values())) for dump in given.dumps]
    for before, after in zip(given.files, outputs(given, out), strict=True):
        if before.suffix == ".json":
            continue
        old, new = given.joined(before), given.joined(after)
        assert old.keys() == new.keys()
        for name, array in old.items():
            factor = factors[int(name[4]) - 1 if name.startswith("step") else 0]
            np.testing.assert_array_max_ulp(new[name], (array.astype(np.float64) * factor).astype(np.float32), 1)


def test_in_place_the_files_stay_where_they_are(given: Given) -> None:
    """In place the same names hold the clipped dump, and nothing lies beside them."""
    before = sorted(path.parent for path in given.files)
    apply(given.paths, in_place=True, strategy="clip-by-global-norm", threshold=1.0, **given.options)
    assert [dump.norm for dump in stats(given.paths, **given.options).dumps] == pytest.approx(
        [1.0] * len(given.dumps), rel=1e-6
    )
    assert sorted(before[0].iterdir()) == sorted([*given.files, *given.beside])


def test_clipping_twice_is_clipping_once(given: Given, tmp_path: Path) -> None:
    """The threshold with room for rounding leaves what was clipped as it is."""
    once, twice = tmp_path / "once", tmp_path / "twice"
    for folder in (once, twice):
        folder.mkdir()
    first = target(given, once)
    report = apply(given.paths, first, strategy="clip-by-global-norm", threshold=1.0, **given.options)
    made = [dump.output or [] for dump in report.dumps]
    paths = [path for one in made for path in ([one] if isinstance(one, str) else one)]
    second = target(given, twice)
    apply(list(dict.fromkeys(paths)), second, strategy="clip-by-global-norm", threshold=1.001, **given.options)
    assert [path.read_bytes() for path in outputs(given, second)] == [
        path.read_bytes() for path in outputs(given, first)
    ]


def test_tensors_have_one_name_everywhere(given: Given) -> None:
    """`ls` names tensors as patterns are matched with them; of a series in one file, with the group of their step."""
    rows = ls(LsPlan(find_dumps(list(map(str, given.paths))).sources)).tensors
    steps = [f"step{k}/" for k in range(1, len(given.dumps) + 1)] if len(given.dumps) > 1 else [""]
    assert {row.name for row in rows} == {f"{step}{name}" for step in steps for name in given.dumps[0]}


def test_ls_lists_whole_tensors(given: Given) -> None:
    """`ls` gives the shape of the whole tensor, and its size; only files of ranks do not say what their pieces are of."""
    _skip_pieces(given)
    rows = ls(LsPlan(find_dumps(list(map(str, given.paths))).sources)).tensors
    assert {row.name: (row.shape, row.bytes) for row in rows} == {
        name: (array.shape, array.nbytes) for name, array in given.dumps[0].items()
    }
    assert len(rows) == len(given.dumps[0])


def test_diff_compares_whole_tensors(given: Given, tmp_path: Path) -> None:
    """A dump equals one file with its tensors, in whatever layout; where that differs, `diff` says by how much."""
    _skip_pieces(given)
    path = given.paths[0] if len(given.paths) == 1 else given.paths[0].parent
    same, other = tmp_path / "same.safetensors", tmp_path / "other.safetensors"
    arrays = dict(given.dumps[0])
    save_file(arrays, same)
    first = next(iter(arrays))
    changed = arrays[first].copy()
    changed[-1, -1] += 2
    save_file(arrays | {first: changed, "more": np.ones(2, np.float32)}, other)
    assert diff(path, same).equal
    assert diff(same, path).equal
    rows = {row.name: row for row in diff(path, other).params}
    assert rows[first].status == "differs"
    assert rows[first].max_abs_diff == pytest.approx(2, rel=1e-6)
    assert rows[first].norm_a == pytest.approx(norm([arrays[first]]), rel=1e-14)
    assert rows["more"].status == "only-b"
    assert all(row.status == "same" for name, row in rows.items() if name not in (first, "more"))


def test_diff_measures_what_only_one_dump_has(given: Given, tmp_path: Path) -> None:
    """The norm of a tensor that the other dump lacks is that of the whole tensor."""
    _skip_pieces(given)
    path = given.paths[0] if len(given.paths) == 1 else given.paths[0].parent
    save_file({"more": np.ones(2, np.float32)}, tmp_path / "other.safetensors")
    rows = {row.name: row for row in diff(path, tmp_path / "other.safetensors").params}
    for name, array in given.dumps[0].items():
        assert rows[name].norm_a == pytest.approx(norm([array]), rel=1e-14)


def test_check_and_a_dry_run_read_every_layout(given: Given) -> None:
    """`check` reads the same dumps, a dry run reports the same norms, and neither writes anything."""
    before = {path: path.read_bytes() for path in given.files}
    assert check(given.paths, **given.options).dumps == len(given.dumps)
    report = apply(given.paths, dry_run=True, strategy="clip-by-global-norm", threshold=1.0, **given.options)
    assert [dump.total.norm_before for dump in report.dumps] == pytest.approx(
        [norm(list(dump.values())) for dump in given.dumps], rel=1e-14
    )
    assert {path: path.read_bytes() for path in given.files} == before
    assert sorted(given.files[0].parent.iterdir()) == sorted([*given.files, *given.beside])
