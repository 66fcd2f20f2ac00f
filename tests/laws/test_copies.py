"""What is a copy counts once: every figure is that of the dump without it, and copies are written like what counts for them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.matrices import crossed
from support.official import load, save
from support.oracle import norm_of
from support.parsing import told

from gradclip_cli import InputError, UsageError, apply, check, stats
from gradclip_cli.formats import FORMATS
from gradclip_cli.reports.base import Report

Arrays = dict[str, NDArray[Any]]

STRATEGIES = ("clip-by-global-norm", "clip-l2-per-layer", "clip-by-norm", "clip-by-value", "renormalize-l2-per-layer")
STEPS = (1, 2, 3)


def rng_of(step: int, rank: int = 0) -> np.random.Generator:
    """Return random numbers of a step and a rank."""
    return np.random.default_rng([step, rank])


def copies(step: int) -> Arrays:
    """Return what every rank holds whole: one tensor of many blocks, and small ones."""
    rng = rng_of(step)
    return {
        "emb.weight": rng.standard_normal((200, 90)).astype(np.float32) * 0.1,
        "norm.weight": rng.standard_normal((1, 40)).astype(np.float16),
        "norm.bias": rng.standard_normal(40),
    }


def pieces(step: int, rank: int) -> Arrays:
    """Return a rank's own piece of each tensor."""
    rng = rng_of(step, rank + 1)
    return {
        "fc.weight": rng.standard_normal((30, 40)).astype(np.float32),
        "fc.bias": rng.standard_normal(30).astype(np.float32),
    }


def ranks(folder: Path, format: str, ranks: int = 3, only_first: bool = False) -> list[Path]:
    """Write a file for each step and rank; with `only_first`, copies are in the first rank's only."""
    folder.mkdir()
    return [
        save(
            folder, format, pieces(step, k) | (copies(step) if k == 0 or not only_first else {}), f"step_{step}_rank{k}"
        )
        for step in STEPS
        for k in range(ranks)
    ]


def dry(*given: Any, **options: Any) -> Report:
    """Run `apply` without an output."""
    return apply(*given, strategy="none", dry_run=True, **options)


COMMANDS: tuple[Callable[..., Report], ...] = (stats, check, dry)

REPLICATED: dict[str, Any] = {"shards": True, "replicated": ("emb.*", "norm.*")}


@pytest.mark.parametrize(("strategy", "format"), crossed(STRATEGIES, FORMATS, rounds=2))
def test_replicated_tensors_count_once(strategy: str, format: str, tmp_path: Path) -> None:
    """Figures are those of ranks of which only the first holds the copies, and every copy is written as that one is."""
    all_of, first = ranks(tmp_path / "all", format), ranks(tmp_path / "first", format, only_first=True)
    threshold = None if "renorm" in strategy else "percentile:30"
    reports = [
        apply(paths, folder / "out", strategy=strategy, threshold=threshold, **options)
        for paths, folder, options in (
            (all_of, tmp_path / "all", REPLICATED),
            (first, tmp_path / "first", {"shards": True}),
        )
    ]
    assert told(reports[0], tmp_path / "all") == told(reports[1], tmp_path / "first")
    step_1 = [*copies(1).values(), *(array for k in range(3) for array in pieces(1, k).values())]
    assert reports[0].dumps[0].total.norm_before == pytest.approx(norm_of(step_1), rel=1e-12)
    assert any(row.clipped for dump in reports[0].dumps for row in dump.params)
    for path in all_of:
        written, expected = (load(folder / "out" / path.name) for folder in (tmp_path / "all", tmp_path / "first"))
        shared = load(tmp_path / "first" / "out" / path.name.replace("rank1", "rank0").replace("rank2", "rank0"))
        for name, array in written.items():
            np.testing.assert_array_equal(array, expected.get(name, shared.get(name)))
    if threshold is not None:
        (suggestion,) = stats(all_of, strategy=strategy, rule=threshold, **REPLICATED).suggestions
        assert suggestion.threshold == reports[0].threshold


def test_reports_of_what_is_replicated(tmp_path: Path) -> None:
    """`stats` and `check` say the same as without the copies, and nothing is noted."""
    all_of, first = ranks(tmp_path / "all", "npz"), ranks(tmp_path / "first", "npz", only_first=True)
    limits: dict[str, Any] = {"exploding_dumps": 2, "exploding_factor": 0.5, "dominated_share": 0.3}
    commands: list[tuple[Callable[..., Report], dict[str, Any]]] = [
        (stats, {"tries": ("clip-by-value:0.1",)}),
        (check, limits),
    ]
    for command, options in commands:
        found, plain = command(all_of, **REPLICATED, **options), command(first, shards=True, **options)
        assert told(found, tmp_path / "all") == told(plain, tmp_path / "first")
        assert found.notes == []


def test_what_no_pattern_names_is_noted(tmp_path: Path) -> None:
    """Without the option, copies count once a rank, and a note gives the option that changes it."""
    paths = ranks(tmp_path / "all", "safetensors")
    report = stats(paths, shards=True)
    step_1 = [*copies(1).values()] * 3 + [array for k in range(3) for array in pieces(1, k).values()]
    assert report.dumps[0].norm == pytest.approx(norm_of(step_1), rel=1e-12)
    (note,) = report.notes
    assert (note.kind, note.changes_figures) == ("replicas", True)
    assert (
        "--replicated 'emb.weight' --replicated 'norm.bias' --replicated 'norm.weight' if they are copies" in note.text
    )
    (rest,) = stats(paths, shards=True, replicated=["norm.*"]).notes
    assert "give --replicated 'emb.weight' if they are copies" in rest.text


def test_copies_that_differ(tmp_path: Path) -> None:
    """A pattern that names what is not the same in all ranks is an error of the input that names both files; one bit is enough."""
    paths = ranks(tmp_path / "all", "safetensors")
    for name in ("fc.weight", "emb.weight"):
        if name == "emb.weight":
            other = load(paths[1])
            other[name] = flipped(other[name])  # the same norms, other bits
            save(tmp_path / "all", "safetensors", other, paths[1].stem)
        with pytest.raises(InputError, match=f"rank1.*{name}: is not the same as in .*rank0") as found:
            apply(paths[:3], tmp_path / "out", shards=True, replicated=[name], strategy="none")
        assert "rank0" in str(found.value)
        assert not (tmp_path / "out").exists()


def test_wrong_patterns(tmp_path: Path) -> None:
    """A pattern that matches nothing, and files that are not ranks, are wrong usage."""
    paths = ranks(tmp_path / "all", "safetensors")
    for command in COMMANDS:
        with pytest.raises(UsageError, match=r"--replicated norm\.wieght matches no tensor; did you mean norm.weight"):
            command(paths, shards=True, replicated=["norm.*", "norm.wieght"])
        with pytest.raises(UsageError, match="--replicated is for tensors that several files hold; give --shards"):
            command(paths[0], replicated=["norm.*"])


def test_ranks_in_pairs(tmp_path: Path) -> None:
    """Where two of four ranks are copies of the others, a note says so, and gives no option that would be refused."""
    paths = [save(tmp_path, "npz", pieces(1, k % 2), f"rank{k}") for k in range(4)]
    (note,) = stats(paths, shards=True).notes
    assert note.kind == "partial-replicas"
    assert (
        "the same in some ranks, and counted once for each: fc.weight, fc.bias; give one file of each copy" in note.text
    )
    with pytest.raises(InputError, match="is not the same"):
        stats(paths, shards=True, replicated=["fc.*"])


def test_zeros_are_no_copies(tmp_path: Path) -> None:
    """Pieces and matrices of zeros are not noted: they add nothing."""
    zeros = {"fc.weight": np.zeros((4, 4)), "em.weight": np.zeros((4, 4)), "b": np.ones(3)}
    paths = [save(tmp_path, "npz", {**zeros, "b": np.full(3, k)}, f"rank{k}") for k in range(2)]
    assert stats(paths, shards=True).notes == []
    assert stats(paths[0]).notes == []


def tied(step: int) -> Arrays:
    """Return the gradients of a step with embeddings under three names, the first of which in natural order is `a2.emb`."""
    emb, rng = copies(step)["emb.weight"], rng_of(step, 9)
    return {
        "a10.head": emb,
        "fc.weight": rng.standard_normal((30, 40)).astype(np.float32),
        "a2.emb": emb,
        "lstm.bias_ih": emb[0],
        "lstm.bias_hh": emb[0],
        "z.out": emb,
    }


def written(folder: Path, format: str, dumps: Mapping[int, Arrays]) -> list[Path]:
    """Write a series."""
    folder.mkdir()
    return [save(folder, format, arrays, f"step_{step}") for step, arrays in dumps.items()]


def without_ties(arrays: Arrays) -> Arrays:
    """Return the tensors that count."""
    return {name: array for name, array in arrays.items() if name not in ("a10.head", "z.out")}


def counted(report: Report, folder: Path) -> Any:
    """Return a report without the rows of tensors that count in no norm."""
    found = told(report, folder)
    for dump in found["dumps"]:
        dump["params"] = [row for row in dump["params"] if row["norm_before"] is not None]
    return found


@pytest.mark.parametrize(("strategy", "format"), crossed(STRATEGIES, FORMATS, rounds=2))
def test_tied_tensors_count_once(strategy: str, format: str, tmp_path: Path) -> None:
    """Figures are those of dumps without the second name, and both are written alike; biases that are equal are no tie."""
    both = written(tmp_path / "both", format, {step: tied(step) for step in STEPS})
    once = written(tmp_path / "once", format, {step: without_ties(tied(step)) for step in STEPS})
    threshold = None if "renorm" in strategy else "percentile:30"
    given: dict[str, Any] = {"strategy": strategy, "threshold": threshold}
    found = apply(both, tmp_path / "both" / "out", tied="once", **given)
    plain = apply(once, tmp_path / "once" / "out", **given)
    assert counted(found, tmp_path / "both") == told(plain, tmp_path / "once")
    assert found.dumps[0].total.norm_before == pytest.approx(norm_of([*without_ties(tied(1)).values()]), rel=1e-12)
    for path in both:
        after, expected = (load(folder / "out" / path.name) for folder in (tmp_path / "both", tmp_path / "once"))
        for name, array in after.items():
            np.testing.assert_array_equal(array, expected[name if name in expected else "a2.emb"])
    for dump in found.dumps:
        rows = {row.name: row for row in dump.params}
        for name in ("a10.head", "z.out"):
            row, first = rows[name], rows["a2.emb"]
            assert (row.norm_before, row.norm_after, row.max_abs_before, row.max_abs_after) == (None,) * 4
            shared = ("shape", "elements", "factor", "clipped", "clipped_elements", "strategy", "threshold")
            assert [getattr(row, key) for key in shared] == [getattr(first, key) for key in shared]
    if threshold is not None:
        (suggestion,) = stats(both, strategy=strategy, rule=threshold, tied="once").suggestions
        assert suggestion.threshold == found.threshold


def test_reports_of_what_is_tied(tmp_path: Path) -> None:
    """`stats` and `check` say the same as without the second name."""
    both = written(tmp_path / "both", "safetensors", {step: tied(step) for step in STEPS})
    once = written(tmp_path / "once", "safetensors", {step: without_ties(tied(step)) for step in STEPS})
    limits: dict[str, Any] = {"dominated_share": 0.1, "exploding_dumps": 2}
    commands: list[tuple[Callable[..., Report], dict[str, Any]]] = [(stats, {}), (check, limits)]
    for command, options in commands:
        found, plain = command(both, tied="once", **options), command(once, **options)
        assert told(found, tmp_path / "both") == told(plain, tmp_path / "once")
        assert {note.text.partition("step_1.safetensors: ")[2] for note in found.notes} >= {
            "counted once: a10.head with a2.emb, z.out with a2.emb" + ("" if command is stats else " (and 2 more)")
        }


def test_without_the_option_ties_count_as_they_are_saved(tmp_path: Path) -> None:
    """Each name counts, as in a file of plain numpy, and a note names both and the option."""
    [path] = written(tmp_path / "both", "npz", {1: tied(1)})
    report = stats(path)
    assert report.dumps[0].norm == pytest.approx(norm_of([*tied(1).values()]), rel=1e-12)
    (note,) = report.notes
    assert (note.kind, note.changes_figures) == ("tied-twice", True)
    assert note.text == (
        f"{path}: a2.emb and a10.head and z.out have the same bits, and each counts; "
        "give --tied once if they are one tensor"
    )


def flipped(array: NDArray[Any]) -> NDArray[Any]:
    """Change one sign far from the start."""
    other = array.copy()
    other[-1, -1] *= -1
    return other


ALIKE: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "another sign": flipped,
    "another shape": lambda array: array.reshape(90, 200),
    "another dtype": lambda array: array.astype(np.float64),
    "turned": lambda array: np.ascontiguousarray(array.reshape(90, 200).T),
    "one row": lambda array: array.reshape(1, -1),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_what_is_no_tie(kind: str, tmp_path: Path) -> None:
    """The same norm is not enough: shape, dtype and every bit must be the same."""
    emb = copies(1)["emb.weight"]
    other = ALIKE[kind](emb)
    [path] = written(tmp_path / "in", "npz", {1: {"a": other if kind == "one row" else emb, "b": other}})
    report = stats(path, tied="once")
    assert (len(report.params), report.notes) == (2, [])


def test_the_first_dump_decides(tmp_path: Path) -> None:
    """Tensors that are equal in a later dump only are no tie; those that are tied in the first must be in all, or be zero."""
    steps = {step: {**tied(step), "a10.head": tied(step)["a10.head"] * (2 if step == 1 else 1)} for step in STEPS}
    paths = written(tmp_path / "later", "npz", steps)
    report = stats(paths, tied="once")
    assert [row.name for row in report.params] == ["a2.emb", "a10.head", "fc.weight", "lstm.bias_ih", "lstm.bias_hh"]
    assert any("a2.emb and a10.head have the same bits here, but not in the first dump" in n.text for n in report.notes)
    steps[1], steps[2] = tied(1), {**tied(2), "a10.head": tied(2)["a10.head"] * 2}
    paths = written(tmp_path / "first", "npz", steps)
    for command in COMMANDS:
        with pytest.raises(
            InputError, match=r"step_2.*a10\.head: is not the same as a2.emb, which it was tied to in an"
        ):
            command(list(reversed(paths)), tied="once")
    steps[2] = {**tied(2), **{name: np.zeros((200, 90), np.float32) for name in ("a2.emb", "a10.head", "z.out")}}
    paths = written(tmp_path / "zero", "npz", steps)
    assert len(stats(paths, tied="once").params) == 4


def test_a_series_in_one_file(tmp_path: Path) -> None:
    """Ties are looked for inside each step: a tensor that does not change from step to step is not tied to itself."""
    emb = copies(1)["emb.weight"]
    steps = {
        f"step{k}/{name}": array for k in (1, 2) for name, array in {"a.w": emb, "b.w": emb * 2, "c.w": emb}.items()
    }
    path = save(tmp_path, "hdf5", steps)
    (note,) = stats(path).notes
    assert "a.w and c.w have the same bits, and each counts" in note.text
    report = apply(path, tmp_path / "out.h5", strategy="clip-by-global-norm", threshold=1.0, tied="once")
    assert [dump.total.tensors for dump in report.dumps] == [2, 2]
    found = load(tmp_path / "out.h5")
    np.testing.assert_array_equal(found["step2/a.w"], found["step2/c.w"])
    assert norm_of([found["step2/a.w"], found["step2/b.w"]]) == pytest.approx(1.0, rel=1e-6)


@pytest.fixture
def both_ways(tmp_path: Path) -> list[Path]:
    """Write ranks that hold copies, two of which are tied."""
    emb = copies(1)["emb.weight"]
    arrays = {"a.emb": emb, "z.head": emb}
    return [save(tmp_path, "safetensors", {**arrays, **pieces(1, k)}, f"rank{k}") for k in range(3)]


def test_tied_and_replicated(both_ways: list[Path], tmp_path: Path) -> None:
    """A tensor that every rank holds, under two names, counts once; all of its copies are written alike."""
    given: dict[str, Any] = {"shards": True, "replicated": ["*.emb", "*.head"], "tied": "once"}
    emb = copies(1)["emb.weight"]
    (dump,) = apply(both_ways, tmp_path / "out", strategy="clip-by-global-norm", threshold=1.0, **given).dumps
    expected = norm_of([emb, *(array for k in range(3) for array in pieces(1, k).values())])
    assert dump.total.norm_before == pytest.approx(expected, rel=1e-12)
    assert [row.elements for row in dump.params if row.name == "z.head"] == [emb.size]
    for path in both_ways:
        found = load(tmp_path / "out" / path.name)
        for name in ("a.emb", "z.head"):
            np.testing.assert_array_equal(found[name], (emb.astype(np.float64) / expected).astype(np.float32))
