"""Tensors are read again under their limits, and only those that are above them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import save_as

from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.limited_norms import Located, SeriesElements
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import measure_dump
from gradclip_cli.engine.tensor_places import TensorPlaces
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection

LIMITS = np.array([[1.0, 2.0], [0.5, 9.0]])


class Series:
    """Two dumps of two tensors, whose columns are in another order than in the files, and the paths that are read."""

    def __init__(self, folder: Path) -> None:
        self.paths, self.read = [folder / f"step_{k}.npz" for k in range(2)], list[str]()
        self.arrays = [[np.array([1.0, -4.0, 0.5]), np.array([3.0, 4.0])], [np.array([-1.0, 1.0, 1.0]), np.zeros(2)]]
        for path, (first, second) in zip(self.paths, self.arrays, strict=True):
            save_as(path, {"b": second, "a": first})
        with Threads(1) as workers:
            run = Run(Selection(), workers, lambda _, path: self.read.append(Path(path).stem))
            dumps = [measure_dump(single(str(path)), (2.0,), run) for path in self.paths]
        places = [TensorPlaces.of(dump, [dump.named[name] for name in "ba"]) for dump in dumps]
        located = [Located(one, np.array([1, 0])) for one in places]
        peaks, norms = (
            np.array([[measure(one) for one in row] for row in self.arrays])
            for measure in (lambda one: np.abs(one).max(), np.linalg.norm)
        )
        self.workers = Threads(1)
        self.read.clear()
        self.elements = SeriesElements(located, peaks, norms, Run(Selection(), self.workers, run.progress))

    def expected(self, rows: range) -> NDArray[np.float64]:
        """The norms with elements above a limit multiplied by limit / max |g|."""
        found = []
        for k in rows:
            pairs = zip(self.arrays[k], LIMITS[k], strict=True)
            limited = [np.where(np.abs(one) > c, one * c / max(np.abs(one).max(), c), one) for one, c in pairs]
            found.append([np.linalg.norm(one) for one in limited])
        return np.array(found)


@pytest.fixture
def series(tmp_path: Path) -> Iterator[Series]:
    """Make dumps."""
    made = Series(tmp_path)
    with made.workers:
        yield made


def test_norms_under_limits(series: Series) -> None:
    """What is above a limit is scaled by limit / max |g|, in float64; each column has the tensor that it is of."""
    elements = series.elements
    found = elements.norms_under(LIMITS, elements.peaks > LIMITS)
    np.testing.assert_allclose(found, series.expected(range(2)), rtol=1e-15)
    later = elements.of_steps(np.array([False, True]))
    np.testing.assert_allclose(later.norms_under(LIMITS[1:], later.peaks > LIMITS[1:]), found[1:], rtol=0)


def test_only_what_is_limited_is_read(series: Series) -> None:
    """A dump without a tensor above its limit is not opened, and what is asked again is not read again."""
    limited = np.array([[False, False], [True, False]])
    first = series.elements.norms_under(LIMITS, limited)
    assert series.read == ["step_1"]
    assert first[0].tolist() == series.elements.norms[0].tolist()
    assert series.elements.norms_under(np.where(limited, LIMITS, 7.0), limited) is first
    assert series.read == ["step_1"]


def test_a_file_that_has_changed_is_an_error(series: Series) -> None:
    """What was measured once does not fit another file."""
    save_as(series.paths[0], {"b": np.ones(2), "a": np.full(3, 9.0)})
    with pytest.raises(InputError, match="changed while it was read"):
        series.elements.norms_under(LIMITS, series.elements.peaks > LIMITS)
