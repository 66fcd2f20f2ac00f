"""Every row of the tables runs, on dumps of a few kilobytes, so that none is found broken when it is needed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.matrices import heavy

from benchmarks import data, remote_rows, rows
from benchmarks.__main__ import needed
from benchmarks.commands import argv
from benchmarks.dumps import SUFFIXES, Dumps
from benchmarks.measuring import Patience, measure
from benchmarks.rows import Comparison
from benchmarks.serving import serving
from benchmarks.timing import timed

TINY = 1e-4
ONCE = Patience(rounds=1, seconds=0, deadline=0)
TORCH = ["cpu", "cuda"]


class TinyDumps(Dumps):
    """Dumps made in this process, which is faster."""

    def made(self, name: str) -> Path:
        path = self.folder / f"{name}{SUFFIXES[name]}"
        data.MAKERS[name](path, self.scale)
        return path


def comparisons() -> list[Comparison]:
    """All that needs no PyTorch; of the table by jobs, one number of jobs."""
    return [*rows.rows(2, []), *rows.with_jobs(2)]


def marked() -> Iterator[Any]:
    """Yield all comparisons, three of four as `heavy`, and all of pages, which take seconds, however small their runs are."""
    for k, one in enumerate(comparisons()):
        yield pytest.param(one, id=one.works[0].name, marks=heavy if one.seconds or k % 4 else ())


@pytest.mark.parametrize("comparison", list(marked()))
def test_a_comparison_runs(comparison: Comparison, tmp_path: Path) -> None:
    """All commands of a comparison end well, and each of its works becomes a row."""
    dumps = TinyDumps(tmp_path, TINY)
    found = measure(comparison, dumps.places(needed(comparison)), ONCE, dumps.tidy)
    assert [row.work for row in found] == [work.name for work in comparison.works]
    assert all(row.seconds > 0 and row.compared_seconds > 0 for row in found)
    assert list(tmp_path.glob("out*")) == []


SAMPLE = ("ls, one dump", "stats, float32, no latency", "apply, float32, into the store")


@pytest.mark.parametrize(
    "comparison",
    [
        pytest.param(one, id=one.works[0].name, marks=() if one.works[0].name in SAMPLE else pytest.mark.heavy)
        for one in remote_rows.rows(clusters=False)
    ],
)
def test_a_remote_comparison_runs(comparison: Comparison, tmp_path: Path) -> None:
    """All commands find the server, which counts what they ask for; what is written there is gone before the next begins."""
    pytest.importorskip("obstore")
    dumps = TinyDumps(tmp_path, TINY)
    with serving(tmp_path) as server:
        found = measure(comparison, dumps.places(needed(comparison)), ONCE, dumps.tidy, server)
    assert [row.work for row in found] == [work.name for work in comparison.works]
    assert all((row.requests or 0) >= 1 and (row.fetched or 0) > 0 for row in found)
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_scale(scale: float) -> None:
    """A scale is that of the elements: 234 million of them at 1."""
    elements = sum(int(shape[0]) * (shape[1] if len(shape) > 1 else 1) for shape in data.shapes(scale).values())
    assert elements / scale == pytest.approx(234e6, rel=1e-3)


def test_every_dump_is_used() -> None:
    """There is a maker for each dump that commands name, and no other."""
    every = [*comparisons(), *remote_rows.rows(clusters=True)]
    assert {name for one in every for name in needed(one)} == set(SUFFIXES) == set(data.MAKERS)


def test_others_are_deleted(tmp_path: Path) -> None:
    """Dumps that no later row needs are deleted, files and folders."""
    dumps = TinyDumps(tmp_path, TINY)
    dumps.places({"tiny", "series", "many"})
    dumps.keep({"many"})
    assert [path.name for path in tmp_path.iterdir()] == ["many.safetensors"]
    assert set(dumps.places(set())) == {"out", "processors", "many", "at_out", "at_many"}


@pytest.mark.parametrize("processors", [2, 16])
def test_names_tell_rows_apart(processors: int) -> None:
    """No two rows are about the same work beside the same command."""
    for table in (rows.rows(processors, TORCH), rows.by_cores(processors), remote_rows.rows(clusters=True)):
        names = [(work.name, one.to, one.jobs) for one in table for work in one.works]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(("processors", "jobs"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])])
def test_numbers_of_jobs(processors: int, jobs: list[int]) -> None:
    """The table by jobs goes by powers of two up to all processors."""
    assert sorted({one.jobs or 0 for one in rows.by_cores(processors)}) == jobs


def test_limits_are_those_of_the_machine() -> None:
    """On sixteen processors, the reference may be a third faster, and memory four times as much."""
    limits = {}
    for processors in (2, 16):
        works = {work.name: work for one in rows.rows(processors, []) for work in one.works}
        limits[processors] = [
            (works[name].most, works[name].most_mib) for name in ("stats, float32", "apply, stored npz")
        ]
    assert limits == {2: [(1.15, 100), (1.6, 100)], 16: [(1.5, 400), (1.6, 400)]}


def test_the_reference_is_then_copied(tmp_path: Path) -> None:
    """Two commands run one after the other, and a failure of the first is one of both."""
    source = tmp_path / "a file"
    source.write_text("words")
    places = {"f32": str(source), "out": str(tmp_path / "out"), "processors": "2"}
    timed(argv("cp {f32} {out} && cp {out} {out}.again", places))
    assert (tmp_path / "out.again").read_text() == "words"
    with pytest.raises(SystemExit, match="ended with 1"):
        timed(argv("cp {f32}.missing {out} && cp {f32} {out}", places))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_script_of_torch(device: str, tmp_path: Path) -> None:
    """The script that people write runs where PyTorch is installed."""
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no such device")
    test_a_comparison_runs(rows.beside_torch(device, 100), tmp_path)
