"""The first elements are kept for every tensor of a file, whatever the order of its pieces; nothing is looked at without need."""

import random
from typing import Any

import numpy as np
import pytest
from support.tensors import raw_of

from gradclip_cli.engine import first_nonfinite
from gradclip_cli.engine.first_nonfinite import FirstNonfinite, KeptNonfinite
from gradclip_cli.engine.measure import seen
from gradclip_cli.formats.safetensors import SAFETENSORS
from gradclip_cli.numerics.dtypes import FLOAT32
from gradclip_cli.numerics.first_nonfinite import Nonfinite
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

WORK = Workspace()


class _File:
    path = "g.npz"


class _Reader:
    file = _File()

    def __init__(self, *specs: TensorSpec) -> None:
        self.tensors = specs


def observed(specs: tuple[TensorSpec, ...], pieces: list[tuple[Piece, np.ndarray]]) -> Any:
    """Let pieces of a file be observed, and return what was found in the file."""
    found = FirstNonfinite(WORK)
    reader: Any = _Reader(*specs)
    observe = found.observer_for(SAFETENSORS, reader)
    assert observe is not None
    for piece, values in pieces:
        raw = raw_of(values)
        if piece.count > 1:
            sizes = [spec.size for spec in specs]
            observe.take_all(seen(observe.see, piece, raw, measure_small(raw, FLOAT32, sizes, (2.0,), WORK)))
        else:
            observe.take_all(seen(observe.see, piece, raw, measure_piece(raw, FLOAT32, (2.0,), WORK)))
    return found._files["g.npz"]


def test_pieces_in_any_order() -> None:
    """The first element of a tensor is that of its first piece, whichever piece comes first."""
    values = np.ones(40, np.float32)
    values[[13, 25, 38]] = np.inf, np.nan, np.nan
    pieces = [(Piece(0, 1, start, start + 10), values[start : start + 10]) for start in range(0, 40, 10)]
    for seed in range(6):
        shuffled = random.Random(seed).sample(pieces, 4)
        assert observed((TensorSpec("w", FLOAT32, (40,), 0),), shuffled).first(0, None) == (13, "+Inf")


def test_small_tensors_side_by_side() -> None:
    """Each tensor of a piece has its own first element, those in column-major order by rows; empty ones have none."""
    shapes = {"a": (2, 3), "none": (0,), "fine": (4,), "turned": (2, 3), "b": (3,)}
    specs = tuple(TensorSpec(name, FLOAT32, shape, 0, fortran=name == "turned") for name, shape in shapes.items())
    values = np.ones(19, np.float32)
    values[[4, 5]] = np.nan, np.inf  # in `a`
    values[[11, 12]] = np.nan, -np.inf  # in `turned`: [1, 0] and [0, 1]
    values[18] = -np.inf  # the last of `b`
    found = observed(specs, [(Piece(0, 5, 0, 19), values)])
    assert [found.first(k, None) for k in range(5)] == [(4, "NaN"), None, None, (1, "-Inf"), (2, "-Inf")]


def test_finite_pieces_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where statistics say that all is finite, no element is looked at, and no memory is taken."""
    monkeypatch.setattr(first_nonfinite, "nonfinite_at", lambda *_: pytest.fail("looked at"))
    found = observed((TensorSpec("w", FLOAT32, (4,), 0),), [(Piece(0, 1, 0, 4), np.ones(4, np.float32))])
    assert found.first(0, None) is None
    assert found._positions is None


def test_a_long_bad_run_is_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of tensors only those are kept that no dump before had."""
    monkeypatch.setattr(first_nonfinite, "_MOST", 3)
    bad = {name: Nonfinite(name, 1, 0, 0, 4, "NaN", (0,)) for name in "abc"}
    kept = KeptNonfinite()
    dumps = [["a", "b"], ["a", "b"], ["b", "c"], ["c"]]
    assert [[one.name for one in kept.of([bad[name] for name in names])] for names in dumps] == [
        ["a", "b"],
        ["a"],
        ["c"],
        [],
    ]
