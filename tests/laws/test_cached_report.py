"""`report` takes what its dumps were found to hold from the cache: the same norms and problems, and no element is read again."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file
from support.cache import counted_reads, used_cache
from support.official import savez

from gradclip_cli import check, render, report
from gradclip_cli.engine.memory import kept
from gradclip_cli.engine.memory.packing import first_of
from gradclip_cli.errors import InputError
from gradclip_cli.render.view import View
from gradclip_cli.reports.run import RunReport
from laws.layouts import WRITERS

Arrays = Mapping[str, Any]

RNG = np.random.default_rng(11)
ROWS = {f"layers.{k}.weight": RNG.standard_normal((8, 70)).astype(np.float32) for k in range(2)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path) -> Iterator[Path]:
    """The cache of this test alone."""
    with used_cache(tmp_path / "cache") as path:
        yield path


def texts(found: RunReport) -> list[Any]:
    """All that a report says, without the number of dumps that came from the cache."""
    shown: list[Any] = [[str(note) for note in found.notes], [str(error) for error in found.failed], found.parted]
    for part in (found.stats._replace(cached=None), found.check):
        for format in ("json", "table"):
            stream = StringIO()
            render.write(part, stream, View(format))
            shown.append(stream.getvalue())
    return shown


def hold(paths: Sequence[Path] | Path, read_now: Sequence[Path] = (), **options: Any) -> RunReport:
    """See that a report with the cache says what one without it says, and which files it reads."""
    expected = report(paths, **options)
    with counted_reads() as read:
        found = report(paths, **options, cache=True)
    assert texts(found) == texts(expected)
    assert set(read) == set(map(str, read_now))
    return found


def steps(folder: Path, count: int, made: Callable[[int], Arrays]) -> list[Path]:
    """Write a file for each step."""
    folder.mkdir()
    paths = [folder / f"step_{step}.safetensors" for step in range(1, count + 1)]
    for step, path in enumerate(paths, 1):
        save_file(dict(made(step)), path)
    return paths


def usual(step: int) -> Arrays:
    """Gradients of a healthy run."""
    rng = np.random.default_rng(step)
    return {name: array * 0.1 + rng.standard_normal(array.shape).astype(np.float32) for name, array in ROWS.items()}


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout(layout: str, tmp_path: Path) -> None:
    """What is gathered of dumps of every layout is kept, and no element of them is read again."""
    folder = tmp_path / "run"
    folder.mkdir()
    given = WRITERS[layout](folder)
    report(given.paths, **given.options, cache=True)
    assert hold(given.paths, **given.options).stats.cached == len(given.dumps)


def stuck(step: int) -> Arrays:
    """A row that is zero, one that never changes, a tensor that never changes, and numbers that float16 loses."""
    first, second = (array.copy() for array in usual(step).values())
    first[3], first[5] = 0, ROWS["layers.0.weight"][5]
    return {"layers.0.weight": first, "layers.1.weight": second * 1e-9, "head": np.ones((4, 3), np.float32)}


def growing(step: int) -> Arrays:
    """Gradients that are added up."""
    total = sum(usual(one)["layers.0.weight"] for one in range(1, step + 1))
    return {"layers.0.weight": np.asarray(total, np.float32), "layers.1.weight": usual(step)["layers.1.weight"]}


def exploding(step: int) -> Arrays:
    """A step of which a row explodes, and another that is not finite."""
    found = {name: np.array(array) for name, array in usual(step).items()}
    found["layers.1.weight"][2] *= 1e4 if step == 5 else 1
    found["layers.0.weight"][1, 7] = np.nan if step == 6 else 1
    return found


@pytest.mark.parametrize("made", [usual, stuck, growing, exploding])
def test_what_the_rules_read_again_is_kept(made: Callable[[int], Arrays], tmp_path: Path) -> None:
    """A second report reads nothing whatever there is to find, and one after a further step reads that one alone."""
    *paths, last = steps(tmp_path / "run", 7, made)
    rest = last.read_bytes()
    last.unlink()
    report(tmp_path / "run", cache=True)
    found = hold(tmp_path / "run")
    assert found.stats.cached == 6
    assert bool(found.check.findings) == (made is not usual)
    last.write_bytes(rest)
    again = paths if made is growing else paths[-1:] if made is stuck else []  # what is compared with it
    expected, read = report(tmp_path / "run"), set[str]()
    with counted_reads() as read_now:
        found = report(tmp_path / "run", cache=True)
    read.update(read_now)
    assert texts(found) == texts(expected)
    assert {str(last)} <= read <= {str(last), *map(str, again)}
    assert found.stats.cached == 6
    assert hold(tmp_path / "run").stats.cached == 7


@pytest.mark.parametrize(
    "options", [{}, {"skip_steps": 1}, {"include": ["*0*"]}, {"tied": "once", "allow_missing": True, "norm_type": 3.0}]
)
def test_options(options: dict[str, Any], tmp_path: Path) -> None:
    """The same options have the same answer; others are read for, as far as they look at other things."""
    steps(tmp_path / "run", 5, stuck)
    report(tmp_path / "run", cache=True)
    found = report(tmp_path / "run", **options, cache=True)
    assert texts(found) == texts(report(tmp_path / "run", **options))
    hold(tmp_path / "run", **options)


def test_steps_in_a_file_and_slices(tmp_path: Path) -> None:
    """The steps of a file, and slices of tensors, are kept as they are."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        for step in (1, 2, 3):
            for name, array in stuck(step).items():
                file.create_dataset(f"step{step}/{name}", data=array)
    w = np.stack([usual(step)["layers.0.weight"] for step in range(5)])
    w[3], w[:, 2] = w[2], 0
    savez(tmp_path / "log.npz", w=w, step=np.array([3, 5, 9, 10, 11]))
    every: list[tuple[Path, dict[str, Any]]] = [(tmp_path / "run.h5", {}), (tmp_path / "log.npz", {"along": 0})]
    for path, options in (*every, (tmp_path / "log.npz", {})):
        report(path, **options, cache=True)
        hold(path, **options)
    hold(tmp_path / "log.npz", [tmp_path / "log.npz"], along=0, skip_steps=2)
    hold(tmp_path / "log.npz", along=0, skip_steps=2)


def falling(step: int) -> Arrays:
    """Gradients of which the first are the largest, so that the largest element of all stays where it is."""
    return {name: np.asarray(array / step, np.float32) for name, array in usual(step).items()}


def test_a_dump_that_changed_or_was_renamed(tmp_path: Path) -> None:
    """A dump that was written anew is read, one that has another name is another dump, and a new step in between is one, too."""
    paths = steps(tmp_path / "run", 6, falling)
    report(tmp_path / "run", cache=True)
    save_file(dict(falling(77)), paths[3])
    hold(tmp_path / "run", [paths[3]])
    new = paths[5].with_name("step_9.safetensors")
    os.rename(paths[5], new)
    hold(tmp_path / "run", [new])
    save_file(dict(falling(78)), paths[5].with_name("step_7.safetensors"))
    hold(tmp_path / "run", [paths[5].with_name("step_7.safetensors")])


def test_weights_beside_a_run(tmp_path: Path) -> None:
    """Weights are read each time, and gradients are not; where the norms of their units are asked for, they are."""
    paths, own = steps(tmp_path / "run", 3, usual), tmp_path / "own.safetensors"
    save_file(dict(usual(9)), own)
    report(tmp_path / "run", weights=own, cache=True)
    assert hold(tmp_path / "run", [own], weights=own).stats.cached == 3
    assert hold(tmp_path / "run", [own, *paths], weights=own, tries=["agc:0.1"]).stats.cached == 0


def test_the_first_dump_may_go(tmp_path: Path) -> None:
    """Without the first dump, the next ones are looked at as it was."""
    paths = steps(tmp_path / "run", 5, stuck)
    report(tmp_path / "run", cache=True)
    paths[0].unlink()
    found = report(tmp_path / "run", cache=True)
    assert texts(found) == texts(report(tmp_path / "run"))
    assert found.stats.cached is not None
    assert 0 < found.stats.cached < 4
    hold(tmp_path / "run")


def test_damaged_bytes_are_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was gathered and does not read back is gathered anew."""
    steps(tmp_path / "run", 3, usual)
    report(tmp_path / "run", cache=True)
    for harm in (lambda rest: rest[:-1], lambda rest: b"", lambda rest: rest[:16] + b"{" + rest[17:]):
        monkeypatch.setattr(kept, "first_of", lambda data, harm=harm: (first_of(data)[0], harm(first_of(data)[1])))
        found = report(tmp_path / "run", cache=True)
        assert (found.stats.cached, texts(found)) == (0, texts(report(tmp_path / "run")))


def test_both_runs_are_counted_apart(tmp_path: Path) -> None:
    """The run and that of --against are each served; `check` and counts of values never are."""
    steps(tmp_path / "run", 3, usual)
    steps(tmp_path / "other", 2, usual)
    report(tmp_path / "run", against=tmp_path / "other", cache=True)
    found = hold(tmp_path / "run", against=tmp_path / "other")
    assert found.against is not None
    assert (found.stats.cached, found.against.cached) == (3, 2)
    with counted_reads() as read:
        check(tmp_path / "run")
    assert len(set(read)) == 3
    with counted_reads() as read:
        assert report(tmp_path / "run", values=True, cache=True).stats.cached == 0
    assert len(set(read)) == 3


def test_errors_are_raised_each_time(tmp_path: Path) -> None:
    """What cannot be read is kept nowhere, and left out each time where that is wanted."""
    paths = steps(tmp_path / "run", 3, usual)
    paths[1].write_bytes(b"no dump")
    for _ in range(2):
        with pytest.raises(InputError):
            report(tmp_path / "run", cache=True)
        found = report(tmp_path / "run", keep_going=True, cache=True)
        assert texts(found) == texts(report(tmp_path / "run", keep_going=True))
    assert found.stats.cached == 2
